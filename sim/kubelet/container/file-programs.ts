/** Programs that make, move and remove files of a simulated container. */
import { resolvePath, type FileTree } from './file-tree.ts'
import type { Execution } from './execution.ts'

export function makeFolders(args: readonly string[], execution: Execution): number {
  const withParents = args.some((arg) => /^-\w*p/.test(arg))
  return each('mkdir', args, execution, (path, name, files) => {
    if (withParents) return openFolders(files, path)
    if (files.isFolder(path)) return `can't create directory '${name}': File exists`
    const problem = files.makeFolder(path)
    return problem && `can't create directory '${name}': ${problem}`
  })
}

export function remove(args: readonly string[], execution: Execution): number {
  const isForced = args.some((arg) => /^-\w*f/.test(arg))
  const isDeep = args.some((arg) => /^-\w*r/i.test(arg))
  return each('rm', args, execution, (path, name, files) => {
    if (files.isFolder(path) && !isDeep) return `'${name}' is a directory`
    const problem = files.remove(path)
    return problem && !(isForced && problem === 'No such file or directory')
      ? `can't remove '${name}': ${problem}`
      : undefined
  })
}

export function touch(args: readonly string[], execution: Execution): number {
  return each('touch', args, execution, (path, name, files) => {
    const problem = files.isFolder(path) ? undefined : files.write(path, Buffer.alloc(0), true)
    return problem && `${name}: ${problem}`
  })
}

export function copy(args: readonly string[], execution: Execution): number {
  return transfer('cp', args, execution)
}

export function move(args: readonly string[], execution: Execution): number {
  return transfer('mv', args, execution)
}

/** `mkdir -p`. Answers what is in the way. */
export function openFolders(files: FileTree, path: string): string | undefined {
  let at = ''
  for (const part of path.split('/').slice(1)) {
    at += `/${part}`
    if (files.isFolder(at)) continue
    const problem = files.makeFolder(at)
    if (problem) return `can't create directory '${path}': ${problem}`
  }
  return undefined
}

/** Files below a path and itself, where it is one. */
export function filesBelow(files: FileTree, path: string): string[] {
  if (files.isFile(path)) return [path]
  return files.list(path).flatMap((name) => filesBelow(files, resolvePath(path, name)))
}

/** One file to one place, or several into a folder. */
function transfer(program: 'cp' | 'mv', args: readonly string[], execution: Execution): number {
  const { files } = execution.container
  const names = args.filter((arg) => !arg.startsWith('-'))
  const target = resolvePath(execution.folder, names.at(-1) ?? '')
  const isDeep = program === 'mv' || args.some((arg) => /^-\w*[ra]/i.test(arg))
  return each(program, names.slice(0, -1), execution, (path, name) => {
    if (files.isFolder(path) && !isDeep) return `omitting directory '${name}'`
    const found = filesBelow(files, path)
    if (found.length === 0 && !files.isFolder(path)) return `can't stat '${name}': No such file or directory`
    const base = files.isFolder(target) ? resolvePath(target, path.slice(path.lastIndexOf('/') + 1)) : target
    for (const file of found) {
      const to = base + file.slice(path.length)
      const content = files.read(file)
      if (typeof content === 'string') return `can't open '${file}': ${content}`
      if (file !== path) openFolders(files, to.slice(0, Math.max(1, to.lastIndexOf('/'))))
      const problem = files.write(to, content, false)
      if (problem) return `can't create '${to}': ${problem}`
    }
    const problem = program === 'mv' ? files.remove(path) : undefined
    return problem && `can't remove '${name}': ${problem}`
  })
}

function each(
  program: string,
  args: readonly string[],
  { container, folder, err }: Execution,
  act: (path: string, name: string, files: FileTree) => string | undefined,
): number {
  let code = 0
  for (const name of args.filter((arg) => !arg.startsWith('-'))) {
    const problem = act(resolvePath(folder, name), name, container.files)
    if (problem === undefined) continue
    err(`${program}: ${problem}\n`)
    code = 1
  }
  return code
}
