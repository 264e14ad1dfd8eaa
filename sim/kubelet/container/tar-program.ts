/** `tar c`, `x` and `t`, what kubectl cp runs in a container. Formats: POSIX ustar, and of pax and GNU their long names. */
import { filesBelow, openFolders } from './file-programs.ts'
import { resolvePath } from './file-tree.ts'
import type { Execution } from './execution.ts'
import { readTar, TAR_END, tarHeader } from './tar-format.ts'

interface Asked {
  mode: string
  file: string
  folder: string
  names: string[]
  isVerbose: boolean
}

/** `tar cf - x`, `tar -xmf - -C dir`: letters with or without a dash, long options passed over. */
function asked(args: readonly string[], execution: Execution): Asked | undefined {
  const found: Asked = { mode: '', file: '-', folder: execution.folder, names: [], isVerbose: false }
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    if (arg.startsWith('--')) continue
    const isOption = arg.startsWith('-') && arg !== '-'
    if (!isOption && at > 0) {
      found.names.push(arg)
      continue
    }
    for (const letter of arg.replace(/^-/, '')) {
      if ('cxt'.includes(letter)) found.mode = letter
      else if (letter === 'f') found.file = args[++at] ?? '-'
      else if (letter === 'C') found.folder = resolvePath(execution.folder, args[++at] ?? '')
      else if (letter === 'v') found.isVerbose = true
      else if (!'mpohk'.includes(letter)) return undefined
    }
  }
  return found.mode === '' ? undefined : found
}

export async function tar(args: readonly string[], execution: Execution): Promise<number> {
  const options = asked(args, execution)
  if (!options) {
    execution.err('tar: must specify one of -c -x -t\n')
    return 1
  }
  if (options.mode === 'c') return create(options, execution)
  const archive = await archiveOf(options, execution)
  if (!archive) return 1
  const entries = readTar(archive)
  if (entries === undefined) {
    execution.err(archive.length === 0 ? 'tar: short read\n' : 'tar: invalid tar magic\n')
    return 1
  }
  const { files } = execution.container
  for (const { name, isFolder, content } of entries) {
    if (options.mode === 't' || options.isVerbose) execution.out(`${name}\n`)
    if (options.mode === 't') continue
    const path = resolvePath(options.folder, name.replace(/^\/+/, ''))
    if (path !== options.folder && !path.startsWith(options.folder === '/' ? '/' : `${options.folder}/`)) {
      execution.err(`tar: name with '..' skipped: '${name}'\n`)
      continue
    }
    const above = isFolder ? path : path.slice(0, Math.max(1, path.lastIndexOf('/')))
    const problem = openFolders(files, above) ?? (isFolder ? undefined : files.write(path, content, false))
    if (problem === undefined) continue
    execution.err(`tar: can't open '${name}': ${problem}\n`)
    return 1
  }
  return 0
}

async function archiveOf({ file }: Asked, execution: Execution): Promise<Buffer | undefined> {
  if (file !== '-') {
    const content = execution.container.files.read(resolvePath(execution.folder, file))
    if (typeof content !== 'string') return content
    execution.err(`tar: can't open '${file}': ${content}\n`)
    return undefined
  }
  const pieces: Buffer[] = []
  for await (const piece of execution.stdin) pieces.push(piece)
  return Buffer.concat(pieces)
}

function create({ names, folder, file }: Asked, execution: Execution): number {
  const { files } = execution.container
  const pieces: Buffer[] = []
  let code = 0
  let isStripped = false
  for (const name of names) {
    const path = resolvePath(folder, name)
    if (!files.isFile(path) && !files.isFolder(path)) {
      execution.err(`tar: ${name}: No such file or directory\n`)
      code = 1
      continue
    }
    if (name.startsWith('/') && !isStripped) execution.err("tar: removing leading '/' from member names\n")
    isStripped ||= name.startsWith('/')
    const shown = name.replace(/^\/+/, '').replace(/\/+$/, '') || '.'
    if (files.isFolder(path)) pieces.push(tarHeader(`${shown}/`, undefined))
    for (const each of filesBelow(files, path)) {
      const content = files.read(each)
      if (typeof content === 'string') continue
      pieces.push(tarHeader(shown + each.slice(path.length), content))
    }
  }
  pieces.push(TAR_END)
  const archive = Buffer.concat(pieces)
  if (file === '-') execution.out(archive)
  else {
    const problem = files.write(resolvePath(execution.folder, file), archive, false)
    if (problem) execution.err(`tar: can't open '${file}': ${problem}\n`)
    if (problem) return 1
  }
  if (code !== 0) execution.err('tar: error exit delayed from previous errors\n')
  return code
}
