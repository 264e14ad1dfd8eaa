/** One simulated container: its files, its environment, what it was started with and what it wrote. */
import { EventEmitter } from 'node:events'
import { randomBytes } from 'node:crypto'
import { FileTree } from './file-tree.ts'
import { ByteQueue } from '../../../lib/kube/byte-queue.ts'
import type { TerminalSize } from '../../../lib/kube/exec-session.ts'
import { KILLED, noInput, NotExecutable, runProgram, type Execution } from './execution.ts'
import type { PodNetwork } from './pod-network.ts'
import { Terminal } from './terminal.ts'

export interface ContainerOptions {
  name: string
  image: string
  hostname: string
  environment: ReadonlyMap<string, string>
  /** Empty for an image's own command, which serves until it is ended. */
  command: readonly string[]
  folder?: string
  network: PodNetwork
  /** Whether the entry point's stdin is open to who attaches, and whether it has a terminal. */
  stdin?: boolean
  tty?: boolean
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
  /** Reads and writes in the place of stdin, out and err. */
  terminal?: Terminal
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
  readonly #typed = new ByteQueue()
  readonly #terminal: Terminal | undefined

  constructor(options: ContainerOptions) {
    super()
    this.setMaxListeners(0)
    this.options = options
    if (options.tty) this.#terminal = new Terminal((bytes) => this.#wrote('stdout', bytes))
    this.files.put('/etc/hostname', `${options.hostname}\n`)
    this.files.put('/etc/hosts', `127.0.0.1\tlocalhost\n`)
    this.files.put('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n')
    this.files.put('/etc/os-release', 'ID=mtls-range\nNAME="simulated container"\n')
  }

  /** Runs the entry point. What it writes is the container's log. */
  start(): void {
    const { command } = this.options
    if (command.length === 0) return
    const { stdin } = this.options
    this.run(command, {
      out: (bytes) => this.#wrote('stdout', bytes),
      err: (bytes) => this.#wrote('stderr', bytes),
      ...(stdin ? { stdin: this.#typed } : {}),
      ...(this.#terminal ? { terminal: this.#terminal } : {}),
    }).then(
      (code) => this.#end(code),
      (error: Error) => {
        this.#wrote('stderr', Buffer.from(`${error.message}\n`))
        this.#end(128)
      },
    )
  }

  /** What an attached client types; nothing where the spec opens no stdin. */
  type(bytes: Buffer): void {
    if (!this.options.stdin) return
    if (this.#terminal) this.#terminal.type(bytes)
    else this.#typed.push(bytes)
  }

  /** An attached client's stdin is over (`stdinOnce` is taken as set). */
  endInput(): void {
    if (this.options.stdin) this.#typed.end()
  }

  resize(size: TerminalSize): void {
    this.#terminal?.resize(size)
  }

  kill(): void {
    this.#killed.abort(KILLED)
    this.#end(KILLED)
  }

  /** Runs another command in the container. @throws NotExecutable */
  run(command: readonly string[], { stdin, out, err, signal, terminal }: Running): Promise<number> {
    const { hostname, network, environment, folder = '/' } = this.options
    const write =
      (to: (bytes: Buffer) => void) =>
      (bytes: Buffer | string): void =>
        terminal ? terminal.write(Buffer.from(bytes as string)) : to(Buffer.from(bytes as string))
    const execution: Execution = {
      container: { hostname, files: this.files, network },
      environment: new Map(environment),
      folder,
      stdin: terminal ?? stdin ?? noInput(),
      out: write(out),
      err: write(err),
      ...(terminal ? { terminal } : {}),
      signal: signal ? AbortSignal.any([signal, this.#killed.signal]) : this.#killed.signal,
    }
    return runProgram(command, execution)
  }

  #wrote(stream: 'stdout' | 'stderr', bytes: Buffer): void {
    this.#record({ timeMs: Date.now(), stream, bytes })
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
