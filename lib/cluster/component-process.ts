/** One process of a range: started as path, arguments and environment, heard on stderr and by its witness lines. */
import { spawn, type ChildProcess } from 'node:child_process'
import { basename } from 'node:path'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { WitnessLine } from './witness.ts'

export interface ProcessSpec {
  /** `kube-apiserver` */
  component: string
  host: string
  /** Program and its arguments. */
  command: readonly string[]
  environment: Readonly<Record<string, string>>
  /** Where the process starts; a run's own folder. */
  folder: string
}

interface ProcessEvents {
  witness: [WitnessLine]
  /** A whole line of stderr. */
  log: [string]
  exit: [{ code: number | null; signal: NodeJS.Signals | null }]
}

const LAST_WORDS_BYTES = 16 * 1024

export class ComponentProcess extends EventEmitter<ProcessEvents> {
  readonly spec: ProcessSpec
  readonly child: ChildProcess
  readonly startedAt = performance.now()
  exited: { code: number | null; signal: NodeJS.Signals | null } | undefined
  #stderr = ''
  #witnessText = ''
  #logText = ''
  #stopping = false

  constructor(spec: ProcessSpec) {
    super()
    this.spec = spec
    const [program, ...args] = spec.command
    this.child = spawn(program!, args, {
      cwd: spec.folder,
      env: { ...spec.environment, MTLS_RANGE_WITNESS_FD: '3', MTLS_RANGE_LIFELINE_FD: '4' },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    })
    this.child.stdout!.resume()
    this.child.stderr!.on('data', (chunk: Buffer) => this.#hear(chunk))
    const witness = this.child.stdio[3] as Socket
    witness.setEncoding('utf8').on('data', (text: unknown) => this.#readWitness(text as string))
    for (const stream of [this.child.stdout!, this.child.stderr!, witness, this.child.stdio[4] as Socket]) {
      stream.on('error', () => {})
    }
    this.child.once('error', (error) => this.#end({ code: null, signal: null }, error.message))
    // 'close' comes after the last bytes of every stream, so the last words are whole.
    this.child.once('close', (code, signal) => this.#end({ code, signal }))
  }

  get name(): string {
    return `${this.spec.component} on ${this.spec.host}`
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  get stopping(): boolean {
    return this.#stopping
  }

  /** The end of what the process wrote to stderr. */
  get lastWords(): string {
    return this.#stderr.trimEnd()
  }

  /** Ends the process: politely, then surely. */
  async stop(graceMs = 1000): Promise<void> {
    this.#stopping = true
    if (this.exited) return
    const gone = new Promise<void>((resolve) => this.once('exit', () => resolve()))
    this.child.kill('SIGTERM')
    const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs)
    await gone
    clearTimeout(timer)
  }

  /** SIGKILL at once; a range that is thrown away has nothing to save. */
  async kill(): Promise<void> {
    this.#stopping = true
    if (this.exited) return
    const gone = new Promise<void>((resolve) => this.once('exit', () => resolve()))
    this.child.kill('SIGKILL')
    await gone
  }

  #hear(chunk: Buffer): void {
    const text = chunk.toString('utf8')
    this.#stderr = (this.#stderr + text).slice(-LAST_WORDS_BYTES)
    if (this.listenerCount('log') === 0) return
    const lines = (this.#logText + text).split('\n')
    this.#logText = lines.pop() ?? ''
    for (const line of lines) this.emit('log', line)
  }

  #readWitness(text: string): void {
    const lines = (this.#witnessText + text).split('\n')
    this.#witnessText = lines.pop() ?? ''
    for (const line of lines) this.emit('witness', JSON.parse(line) as WitnessLine)
  }

  #end(how: { code: number | null; signal: NodeJS.Signals | null }, why = ''): void {
    if (this.exited) return
    if (why) this.#stderr += `\n${basename(this.spec.command[0] ?? '')}: ${why}`
    this.exited = how
    this.emit('exit', how)
  }
}
