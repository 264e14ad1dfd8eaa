/** The programs that a simulated container has. They are these functions; nothing of the machine is ever run. */
import { resolvePath } from './file-tree.ts'
import { endedBy, type Execution } from './execution.ts'
import { copy, makeFolders, move, remove, touch } from './file-programs.ts'
import { netcat } from './netcat.ts'
import { runScript } from './shell.ts'
import { readScript } from './shell-input.ts'
import { tar } from './tar-program.ts'

/** Answers the exit code. */
export type Program = (args: readonly string[], execution: Execution) => Promise<number> | number

const MOST_LINES = 10
const SLEEP_UNIT_MS: Readonly<Record<string, number>> = { '': 1000, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

export const PROGRAMS: ReadonlyMap<string, Program> = new Map<string, Program>([
  ['cat', cat],
  ['ls', ls],
  ['env', env],
  ['printenv', printenv],
  ['echo', echo],
  ['printf', (args, { out }) => (out((args[0] ?? '').replaceAll('\\n', '\n').replace('%s', args[1] ?? '')), 0)],
  ['id', (_args, { out }) => (out('uid=0(root) gid=0(root) groups=0(root)\n'), 0)],
  ['whoami', (_args, { out }) => (out('root\n'), 0)],
  ['hostname', (_args, { out, container }) => (out(`${container.hostname}\n`), 0)],
  ['pwd', (_args, { out, folder }) => (out(`${folder}\n`), 0)],
  ['sleep', sleep],
  ['true', () => 0],
  [':', () => 0],
  ['false', () => 1],
  ['test', test],
  ['wc', wc],
  ['head', head],
  ['tail', tail],
  ['mkdir', makeFolders],
  ['rm', remove],
  ['touch', touch],
  ['cp', copy],
  ['mv', move],
  ['tar', tar],
  ['nc', netcat],
  ['tty', (_args, { terminal, out }) => (out(terminal ? '/dev/pts/0\n' : 'not a tty\n'), terminal ? 0 : 1)],
  ['stty', stty],
  ['grep', grep],
  ['base64', base64],
  ['tee', tee],
  ['date', (_args, { out }) => (out(`${new Date().toUTCString()}\n`), 0)],
  ['sh', sh],
  ['bash', sh],
  ['exit', (args) => Number(args[0] ?? 0) & 0xff],
])

async function cat(args: readonly string[], execution: Execution): Promise<number> {
  let code = 0
  for (const name of args.length > 0 ? args : ['-']) {
    if (name === '-') {
      for await (const piece of execution.stdin) execution.out(piece)
      if (execution.signal.aborted) return endedBy(execution.signal)
      continue
    }
    const content = execution.container.files.read(resolvePath(execution.folder, name))
    if (typeof content !== 'string') execution.out(content)
    else code = complain(execution, `cat: ${name}: ${content}`, 1)
  }
  return code
}

function ls(args: readonly string[], { container, folder, out, err }: Execution): number {
  const long = args.some((arg) => /^-\w*l/.test(arg))
  const names = args.filter((arg) => !arg.startsWith('-'))
  const line = (name: string, path: string): string => {
    if (!long) return name
    const content = container.files.read(path)
    const size = typeof content === 'string' ? 4096 : content.length
    const mode = typeof content === 'string' ? 'drwxr-xr-x' : '-rw-r--r--'
    return `${mode} 1 root root ${String(size).padStart(6)} ${name}`
  }
  let code = 0
  for (const name of names.length > 0 ? names : ['.']) {
    const path = resolvePath(folder, name)
    if (container.files.isFile(path)) out(`${line(name, path)}\n`)
    else if (container.files.isFolder(path)) {
      if (names.length > 1) out(`${name}:\n`)
      for (const each of container.files.list(path)) out(`${line(each, resolvePath(path, each))}\n`)
    } else {
      err(`ls: ${name}: No such file or directory\n`)
      code = 1
    }
  }
  return code
}

function env(_args: readonly string[], { environment, out }: Execution): number {
  for (const [name, value] of environment) out(`${name}=${value}\n`)
  return 0
}

function printenv(args: readonly string[], execution: Execution): number {
  if (args.length === 0) return env(args, execution)
  let code = 0
  for (const name of args) {
    const value = execution.environment.get(name)
    if (value === undefined) code = 1
    else execution.out(`${value}\n`)
  }
  return code
}

function echo(args: readonly string[], { out }: Execution): number {
  const bare = args[0] === '-n'
  out(`${(bare ? args.slice(1) : args).join(' ')}${bare ? '' : '\n'}`)
  return 0
}

async function sleep(args: readonly string[], execution: Execution): Promise<number> {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(args[0] ?? '') ?? []
  const isForever = args[0] === 'infinity' || args[0] === 'inf'
  if (number === undefined && !isForever) {
    return complain(execution, `sleep: invalid time interval '${args[0] ?? ''}'`, 1)
  }
  const { signal } = execution
  const longestMs = 2 ** 31 - 1
  const milliseconds = isForever ? longestMs : Math.min(Number(number) * (SLEEP_UNIT_MS[unit] ?? 1000), longestMs)
  if (signal.aborted) return endedBy(signal)
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(0), milliseconds)
    // a sleeping container keeps no process alive
    timer.unref()
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve(endedBy(signal))), { once: true })
  })
}

function test(args: readonly string[], { container, folder }: Execution): number {
  const [operator = '', operand = ''] = args
  const path = resolvePath(folder, operand)
  if (operator === '-f') return container.files.isFile(path) ? 0 : 1
  if (operator === '-d') return container.files.isFolder(path) ? 0 : 1
  if (operator === '-e') return container.files.isFile(path) || container.files.isFolder(path) ? 0 : 1
  if (operator === '-z') return operand === '' ? 0 : 1
  if (operator === '-n') return operand === '' ? 1 : 0
  if (args[1] === '=') return args[0] === args[2] ? 0 : 1
  if (args[1] === '!=') return args[0] === args[2] ? 1 : 0
  return operator === '' ? 1 : 0
}

async function wc(args: readonly string[], execution: Execution): Promise<number> {
  const text = (await everything(execution.stdin)).toString('latin1')
  if (args.includes('-c')) execution.out(`${text.length}\n`)
  else if (args.includes('-l')) execution.out(`${text.split('\n').length - 1}\n`)
  else execution.out(`${text.split('\n').length - 1} ${text.split(/\s+/).filter(Boolean).length} ${text.length}\n`)
  return 0
}

async function head(args: readonly string[], execution: Execution): Promise<number> {
  const count = Number(/^-n?(\d+)$/.exec(args[0] === '-n' ? `-${args[1]}` : (args[0] ?? ''))?.[1] ?? MOST_LINES)
  const lines = (await everything(execution.stdin)).toString('utf8').split('\n')
  const isShort = lines.length <= count
  execution.out(isShort ? lines.join('\n') : `${lines.slice(0, count).join('\n')}\n`)
  return 0
}

/** The last lines, or with `+` all from one line or byte on. */
async function tail(args: readonly string[], execution: Execution): Promise<number> {
  const [, unit = '', attached = ''] = /^-([nc]?)(\+?\d*)$/.exec(args[0] ?? '') ?? []
  const isCounted = /^-[nc]?\+?\d*$/.test(args[0] ?? '')
  const count = isCounted ? attached || (args[1] ?? '') : String(MOST_LINES)
  const file = args[isCounted ? (attached === '' ? 2 : 1) : 0]
  const read =
    file === undefined || file === '-'
      ? await everything(execution.stdin)
      : execution.container.files.read(resolvePath(execution.folder, file))
  if (typeof read === 'string') return complain(execution, `tail: can't open '${file}': ${read}`, 1)
  const parts = unit === 'c' ? undefined : (read.toString('latin1').match(/[^\n]*\n|[^\n]+$/g) ?? [])
  const number = Number(count.replace('+', ''))
  const from = count.startsWith('+') ? Math.max(0, number - 1) : Math.max(0, (parts ?? read).length - number)
  execution.out(parts ? Buffer.from(parts.slice(from).join(''), 'latin1') : read.subarray(from))
  return 0
}

/** `stty size`: rows and columns, once the client has said them. */
async function stty(args: readonly string[], execution: Execution): Promise<number> {
  if (!execution.terminal) return complain(execution, 'stty: standard input: Not a tty', 1)
  if (args[0] !== 'size') return 0
  const size = await execution.terminal.size()
  if (size) execution.out(`${size.rows} ${size.columns}\n`)
  return size ? 0 : 1
}

async function grep(args: readonly string[], execution: Execution): Promise<number> {
  const [wanted = '', ...files] = args.filter((arg) => !arg.startsWith('-'))
  const pieces = files.map((name) => execution.container.files.read(resolvePath(execution.folder, name)))
  const text = files.length > 0 ? pieces.join('\n') : (await everything(execution.stdin)).toString('utf8')
  const found = text.split('\n').filter((line) => line !== '' && line.includes(wanted))
  for (const line of found) execution.out(`${line}\n`)
  return found.length > 0 ? 0 : 1
}

async function base64(args: readonly string[], execution: Execution): Promise<number> {
  const file = args.find((arg) => !arg.startsWith('-'))
  const content =
    file === undefined
      ? await everything(execution.stdin)
      : execution.container.files.read(resolvePath(execution.folder, file))
  if (typeof content === 'string') return complain(execution, `base64: ${file}: ${content}`, 1)
  if (args.includes('-d')) execution.out(Buffer.from(content.toString('latin1'), 'base64'))
  else execution.out(`${content.toString('base64')}\n`)
  return 0
}

async function tee(args: readonly string[], execution: Execution): Promise<number> {
  const content = await everything(execution.stdin)
  execution.out(content)
  let code = 0
  for (const name of args.filter((arg) => !arg.startsWith('-'))) {
    const problem = execution.container.files.write(resolvePath(execution.folder, name), content, args.includes('-a'))
    if (problem) code = complain(execution, `tee: ${name}: ${problem}`, 1)
  }
  return code
}

/** `sh -c 'script' name args…`, or a script on stdin. */
async function sh(args: readonly string[], execution: Execution): Promise<number> {
  const at = args.findIndex((arg) => /^-\w*c$/.test(arg))
  if (at === -1) return readScript(execution)
  return runScript(args[at + 1] ?? '', execution, args.slice(at + 3))
}

async function everything(stdin: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stdin) pieces.push(piece)
  return Buffer.concat(pieces)
}

function complain({ err }: Execution, text: string, code: number): number {
  err(`${text}\n`)
  return code
}
