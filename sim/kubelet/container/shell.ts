/** A small sh: words with quotes and variables, pipes, `;`, `&&`, `||`, and redirection of stdin and stdout. */
import { ByteQueue } from '../../../lib/kube/byte-queue.ts'
import { resolvePath } from './file-tree.ts'
import { NotExecutable, runProgram, type Execution } from './execution.ts'

type Token = { word: string } | { operator: string }

interface Command {
  words: string[]
  assignments: [string, string][]
  redirects: { operator: string; path: string }[]
}

class ShellExit extends Error {
  readonly code: number

  constructor(code: number) {
    super(`exit ${code}`)
    this.code = code
  }
}

const COMMAND_NOT_FOUND = 127

/** Runs a script; its exit code is the last command's. */
export async function runScript(script: string, outer: Execution, parameters: readonly string[] = []): Promise<number> {
  return new Shell(outer, parameters).finish(script)
}

/** What a shell remembers from one command to the next: variables, its folder, the last exit code. */
export class Shell {
  readonly execution: Execution
  readonly #parameters: readonly string[]
  readonly #state = { code: 0 }

  constructor(outer: Execution, parameters: readonly string[] = []) {
    this.execution = { ...outer, environment: new Map(outer.environment) }
    this.#parameters = parameters
  }

  /** The exit code of the last command. */
  get code(): number {
    return this.#state.code
  }

  /** Runs a script and answers what the shell exits with. */
  async finish(script: string): Promise<number> {
    return (await this.run(script)) ?? this.#state.code
  }

  /** Runs a text of commands; answers the code where one of them was `exit`. */
  async run(script: string): Promise<number | undefined> {
    try {
      // one command after the other, so that an assignment shows in the next
      let rest = script
      let joint = ''
      while (rest !== '') {
        const { text, operator, rest: after } = nextBreak(rest)
        const { code } = this.#state
        // `a && b || c` is left to right: what is left out does not change the code that the next joint looks at
        const isLeftOut = (joint === '&&' && code !== 0) || (joint === '||' && code === 0)
        if (!isLeftOut) await runPipeline(text, this.execution, this.#state, this.#parameters)
        joint = operator
        rest = after
      }
      return undefined
    } catch (error) {
      if (error instanceof ShellExit) return error.code
      throw error
    }
  }
}

/** Whether a quote is still open at the end, so that the next line belongs to it. */
export function isUnfinished(script: string): boolean {
  let rest = script
  while (rest !== '') {
    const { isOpen, rest: after } = nextBreak(rest)
    if (isOpen) return true
    rest = after
  }
  return false
}

/** The text up to the next `;`, newline, `&&` or `||` outside of quotes. */
function nextBreak(script: string): { text: string; operator: string; rest: string; isOpen: boolean } {
  let quote = ''
  for (let at = 0; at < script.length; at++) {
    const char = script[at]!
    if (quote !== '') {
      if (char === quote) quote = ''
      else if (char === '\\' && quote === '"') at++
    } else if (char === "'" || char === '"') quote = char
    else if (char === '\\') at++
    else {
      const operator = ['&&', '||', ';', '\n'].find((each) => script.startsWith(each, at))
      if (operator)
        return { text: script.slice(0, at), operator, rest: script.slice(at + operator.length), isOpen: false }
    }
  }
  return { text: script, operator: '', rest: '', isOpen: quote !== '' || /(^|[^\\])(\\\\)*\\\n?$/.test(script) }
}

async function runPipeline(
  text: string,
  execution: Execution,
  state: { code: number },
  parameters: readonly string[],
): Promise<void> {
  const tokens = tokenize(text, (name) => valueOf(name, execution, state, parameters))
  if (tokens.length === 0) return
  const stages: Token[][] = [[]]
  for (const token of tokens) {
    if ('operator' in token && token.operator === '|') stages.push([])
    else stages.at(-1)!.push(token)
  }
  let stdin = execution.stdin
  const running: Promise<number>[] = []
  for (const [index, stage] of stages.entries()) {
    const isLast = index === stages.length - 1
    const pipe = new ByteQueue()
    const out = isLast ? execution.out : (bytes: Buffer | string) => pipe.push(Buffer.from(bytes as string))
    const inPipe = stages.length > 1
    running.push(
      runStage(commandOf(stage), { ...execution, stdin, out }, inPipe ? undefined : execution).finally(() =>
        pipe.end(),
      ),
    )
    stdin = pipe
  }
  const codes = await Promise.all(running)
  state.code = codes.at(-1) ?? 0
}

function valueOf(name: string, execution: Execution, state: { code: number }, parameters: readonly string[]): string {
  if (name === '?') return String(state.code)
  if (/^\d+$/.test(name)) return name === '0' ? 'sh' : (parameters[Number(name) - 1] ?? '')
  if (name === '@' || name === '*') return parameters.join(' ')
  return execution.environment.get(name) ?? ''
}

function commandOf(tokens: readonly Token[]): Command {
  const command: Command = { words: [], assignments: [], redirects: [] }
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!
    if ('operator' in token) {
      const next = tokens[++at]
      command.redirects.push({ operator: token.operator, path: next && 'word' in next ? next.word : '' })
      continue
    }
    const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(token.word) ?? []
    if (name !== undefined && value !== undefined && command.words.length === 0) command.assignments.push([name, value])
    else command.words.push(token.word)
  }
  return command
}

/** `shell` is what `cd` and `exit` act on; a stage of a pipe is a shell of its own. */
async function runStage(command: Command, outer: Execution, shell: Execution | undefined): Promise<number> {
  const execution = { ...outer }
  const complain = (text: string, code: number): number => {
    outer.err(`sh: ${text}\n`)
    return code
  }
  if (command.words.length === 0) {
    for (const [name, value] of command.assignments) outer.environment.set(name, value)
  } else if (command.assignments.length > 0) {
    execution.environment = new Map([...outer.environment, ...command.assignments])
  }
  const files: { path: string; pieces: Buffer[]; append: boolean }[] = []
  for (const { operator, path } of command.redirects) {
    if (operator === '2>&1') execution.err = execution.out
    else if (operator === '>&2') execution.out = execution.err
    else if (operator === '<') {
      const content = outer.container.files.read(resolvePath(outer.folder, path))
      if (typeof content === 'string') return complain(`can't open ${path}: ${content.toLowerCase()}`, 1)
      execution.stdin = once(content)
    } else {
      const target = { path: resolvePath(outer.folder, path), pieces: [] as Buffer[], append: operator.endsWith('>>') }
      const sink = (bytes: Buffer | string): void => void target.pieces.push(Buffer.from(bytes as string))
      if (operator.startsWith('2')) execution.err = sink
      else execution.out = sink
      if (target.path !== '/dev/null') files.push(target)
    }
  }
  const code = await runWords(command.words, execution, shell)
  for (const { path, pieces, append } of files) {
    const problem = outer.container.files.write(path, Buffer.concat(pieces), append)
    if (problem) return complain(`can't create ${path}: ${problem}`, 1)
  }
  return code
}

async function runWords(words: string[], execution: Execution, shell: Execution | undefined): Promise<number> {
  const [name, ...args] = words
  if (name === undefined) return 0
  if (name === 'exit') {
    const code = Number(args[0] ?? 0) & 0xff
    if (!shell) return code
    throw new ShellExit(code)
  }
  if (name === 'cd') {
    const folder = resolvePath(execution.folder, args[0] ?? '/root')
    if (!execution.container.files.isFolder(folder)) {
      execution.err(`sh: cd: can't cd to ${args[0]}: No such file or directory\n`)
      return 2
    }
    if (shell) shell.folder = folder
    return 0
  }
  if (name === 'export') {
    for (const arg of args) {
      const at = arg.indexOf('=')
      if (at > 0) execution.environment.set(arg.slice(0, at), arg.slice(at + 1))
    }
    return 0
  }
  if (name === 'exec' && args.length > 0) return runWords(args, execution, shell)
  try {
    return await runProgram(words, execution)
  } catch (error) {
    if (!(error instanceof NotExecutable)) throw error
    execution.err(`sh: ${name}: not found\n`)
    return COMMAND_NOT_FOUND
  }
}

async function* once(content: Buffer): AsyncGenerator<Buffer> {
  yield content
}

/** Words and operators; variables are put in outside of single quotes, and an unquoted one is split at spaces. */
function tokenize(text: string, valueOf: (name: string) => string): Token[] {
  const tokens: Token[] = []
  let word: string | undefined
  const flush = (): void => {
    if (word !== undefined) tokens.push({ word })
    word = undefined
  }
  let at = 0
  const variable = (): string | undefined => {
    const match = /^\$(?:\{(\w+|[?@*])(?::-([^}]*))?\}|([A-Za-z_]\w*|[?@*\d]))/.exec(text.slice(at))
    if (!match) return undefined
    at += match[0].length
    return valueOf(match[1] ?? match[3] ?? '') || (match[2] ?? '')
  }
  while (at < text.length) {
    const char = text[at]!
    const operator = /^(2>&1|1?>&2|2>>|2>|>>|1>|>|<|\|)/.exec(text.slice(at))?.[1]
    if (char === '#' && word === undefined) break
    if (/\s/.test(char)) {
      flush()
      at++
    } else if (operator && (word === undefined || !/^\d/.test(operator))) {
      flush()
      tokens.push({ operator: operator.replace(/^1/, '') })
      at += operator.length
      if (operator.includes('&')) tokens.push({ word: '' })
    } else if (char === "'") {
      const end = text.indexOf("'", at + 1)
      word = (word ?? '') + text.slice(at + 1, end === -1 ? undefined : end)
      at = end === -1 ? text.length : end + 1
    } else if (char === '"') {
      at++
      word ??= ''
      while (at < text.length && text[at] !== '"') {
        const value = text[at] === '$' ? variable() : undefined
        if (value !== undefined) word += value
        else {
          if (text[at] === '\\' && /["\\$`]/.test(text[at + 1] ?? '')) at++
          word += text[at++] ?? ''
        }
      }
      at++
    } else if (char === '$') {
      const value = variable()
      if (value === undefined) {
        word = `${word ?? ''}$`
        at++
        continue
      }
      const parts = value.split(/\s+/)
      for (const [index, part] of parts.entries()) {
        if (index > 0) flush()
        if (part !== '') word = (word ?? '') + part
      }
    } else {
      if (char === '\\') at++
      word = (word ?? '') + (text[at] ?? '')
      at++
    }
  }
  flush()
  return tokens
}
