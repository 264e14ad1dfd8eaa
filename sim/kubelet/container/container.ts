/** One simulated container: its files, its environment, what it was started with and what it wrote. */
import { EventEmitter } from 'node:events'
import { randomBytes } from 'node:crypto'
import { FileTree } from './file-tree.ts'
import { noInput, NotExecutable, runProgram, type Execution } from './execution.ts'

export interface ContainerOptions {
  name: string
  image: string
  hostname: string
  environment: ReadonlyMap<string, string>
  /** Empty for an image's own command, which serves until it is ended. */
  command: readonly string[]
  folder?: string
}

export interface LogLine {
  timeMs: number
  stream: 'stdout' | 'stderr'
  bytes: Buffer
}

interface ContainerEvents {
  output: [LogLine]
  exit: [number]
}

const MOST_LOG_BYTES = 10 * 1024 * 1024

export interface Running {
  stdin?: AsyncIterable<Buffer>
  out: (bytes: Buffer) => void
  err: (bytes: Buffer) => void
  signal?: AbortSignal
}

export class Container extends EventEmitter<ContainerEvents> {
  readonly options: ContainerOptions
  readonly files = new FileTree()
  readonly id = `containerd://${randomBytes(32).toString('hex')}`
  readonly startedAt = new Date()
  readonly log: LogLine[] = []
  exitCode: number | undefined
  finishedAt: Date | undefined
  #logBytes = 0
  readonly #killed = new AbortController()

  constructor(options: ContainerOptions) {
    super()
    this.setMaxListeners(0)
    this.options = options
    this.files.put('/etc/hostname', `${options.hostname}\n`)
    this.files.put('/etc/hosts', `127.0.0.1\tlocalhost\n`)
    this.files.put('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n')
    this.files.put('/etc/os-release', 'ID=mtls-range\nNAME="simulated container"\n')
  }

  /** Runs the entry point. What it writes is the container's log. */
  start(): void {
    const { command } = this.options
    if (command.length === 0) return
    const write = (stream: 'stdout' | 'stderr') => (bytes: Buffer) =>
      this.#record({ timeMs: Date.now(), stream, bytes })
    this.run(command, { out: write('stdout'), err: write('stderr') }).then(
      (code) => this.#end(code),
      (error: Error) => {
        write('stderr')(Buffer.from(`${error.message}\n`))
        this.#end(128)
      },
    )
  }

  kill(): void {
    this.#killed.abort()
    this.#end(137)
  }

  /** Runs another command in the container. @throws NotExecutable */
  run(command: readonly string[], { stdin, out, err, signal }: Running): Promise<number> {
    const execution: Execution = {
      container: { hostname: this.options.hostname, files: this.files },
      environment: new Map(this.options.environment),
      folder: this.options.folder ?? '/',
      stdin: stdin ?? noInput(),
      out: (bytes) => out(Buffer.from(bytes as string)),
      err: (bytes) => err(Buffer.from(bytes as string)),
      signal: signal ? AbortSignal.any([signal, this.#killed.signal]) : this.#killed.signal,
    }
    return runProgram(command, execution)
  }

  #record(line: LogLine): void {
    this.log.push(line)
    this.#logBytes += line.bytes.length
    while (this.#logBytes > MOST_LOG_BYTES) this.#logBytes -= this.log.shift()?.bytes.length ?? 0
    this.emit('output', line)
  }

  #end(code: number): void {
    if (this.exitCode !== undefined) return
    this.exitCode = code
    this.finishedAt = new Date()
    this.emit('exit', code)
  }
}

export { NotExecutable }
