/** The range's end of the wire: starts its process, asks, and hears when it dies. */
import { spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { Duplex } from 'node:stream'
import { entryPoint } from '../settings/entry-point.ts'
import type { DivertTarget, WireHost } from './carrier.ts'
import { CONTROL_FD, lines, parseAnswer, type Answer, type CommandName, type Commands } from './messages.ts'
import type { Fault } from './fault.ts'
import type { LedgerEntry, LedgerQuery, View } from './ledger.ts'
import type { LinkFilter } from './link.ts'
import type { TapFacts, TapOptions } from './tap.ts'
import { WireError } from './wire-error.ts'

interface WireEvents {
  /** The wire's process is gone; `lastWords` is the end of its stderr. Not emitted for a stop that was asked for. */
  died: [lastWords: string]
}

/** A tap that listens. Stopping twice gives the same facts. */
export interface TapHandle {
  stop(): Promise<TapFacts>
}

interface Waiting {
  resolve(answer: unknown): void
  reject(error: Error): void
}

const LAST_WORDS_BYTES = 4096

/** How long a wire that was told to stop may take before it is killed. */
const STOP_DEADLINE_MS = 2000

export class Wire extends EventEmitter<WireEvents> {
  readonly #child: ChildProcess
  readonly #channel: Duplex
  readonly #waiting = new Map<number, Waiting>()
  readonly #exited: Promise<void>
  #lastWords = ''
  #lastId = 0
  #stopping = false
  #gone = false

  /** Starts the wire. It carries nothing until `open`. */
  static async start(hosts: readonly WireHost[] = []): Promise<Wire> {
    // Not with what a test runner or a company's CA bundle puts into every Node child: both cost time at each start.
    const scrubbed = ['-u', 'NODE_OPTIONS', '-u', 'NODE_EXTRA_CA_CERTS', process.execPath, entryPoint('lib/wire')]
    const child = spawn('/usr/bin/env', scrubbed, {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], [CONTROL_FD]: '3' },
    })
    const wire = new Wire(child)
    await wire.addHosts(hosts)
    return wire
  }

  private constructor(child: ChildProcess) {
    super()
    this.#child = child
    const channel = child.stdio[3]
    if (!(channel instanceof Duplex)) throw new WireError('wire_control', 'wire: its process has no control channel')
    this.#channel = channel
    this.#channel.setEncoding('utf8')
    this.#channel.on(
      'data',
      lines((line) => this.#settle(parseAnswer(line))),
    )
    this.#channel.on('error', () => {})
    child.stderr?.setEncoding('utf8')
    child.stderr?.on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS_BYTES)
    })
    this.#exited = new Promise((resolve) => {
      const gone = () => {
        this.#bury()
        resolve()
      }
      child.once('close', gone)
      child.once('error', (error) => {
        this.#lastWords += error.message
        gone()
      })
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Hosts that stand on the network from now on. Their faces are silent until something is opened there. */
  async addHosts(hosts: readonly WireHost[]): Promise<void> {
    await this.#ask('hosts', { hosts })
  }

  /** A component of that host listens on this port of its back: the face listens too. */
  async open(host: string, port: number): Promise<void> {
    await this.#ask('open', { host, port })
  }

  /** Nobody listens there any more: the face refuses connections as a closed port does. */
  async close(host: string, port: number): Promise<void> {
    await this.#ask('close', { host, port })
  }

  /** Network separation: only these links are let through from now on. Undefined lifts it. */
  async allow(rules: readonly LinkFilter[] | undefined): Promise<void> {
    await this.#ask('allow', { rules: rules ?? null })
  }

  /** Records the links that match, those of connections that stand already from here on. */
  async tap(filter: LinkFilter, file: string, options: TapOptions = {}): Promise<TapHandle> {
    const handle = await this.#ask('tap', { filter, file, options })
    let facts: Promise<TapFacts> | undefined
    return { stop: () => (facts ??= this.#ask('untap', { handle })) }
  }

  /** A taken-over ARP or DNS entry: the network sends new connections of the link to that address instead. */
  async divert(filter: LinkFilter, target: DivertTarget): Promise<void> {
    await this.#ask('divert', { filter, target })
  }

  /** The network is honest again about exactly that filter. */
  async undivert(filter: LinkFilter): Promise<void> {
    await this.#ask('undivert', { filter })
  }

  /** Things go wrong on a link from now on; what is said again takes the place of what was said before. */
  async fault(filter: LinkFilter, faults: readonly Fault[]): Promise<void> {
    await this.#ask('fault', { filter, faults })
  }

  /** The link is sound again: exactly that filter's faults are gone, and what was frozen goes on. */
  async mend(filter: LinkFilter): Promise<void> {
    await this.#ask('mend', { filter })
  }

  /** Breaks what stands on a link. Returns how many connections. */
  cut(filter: LinkFilter): Promise<number> {
    return this.#ask('cut', { filter })
  }

  /** Id of the newest ledger entry, to ask later what came after it. */
  lastId(): Promise<number> {
    return this.#ask('lastId', {})
  }

  /** What was carried or refused. With `settleWithinMs` it waits up to that long for open connections to end. */
  ledger(query: LedgerQuery = {}, settleWithinMs?: number): Promise<LedgerEntry[]> {
    return this.#ask('ledger', { query, ...(settleWithinMs === undefined ? {} : { settleWithinMs }) })
  }

  /** The entry of each connection as one of its ends knew it; null: it never went over the wire. */
  find(views: readonly View[]): Promise<Array<LedgerEntry | null>> {
    return this.#ask('find', { views })
  }

  /** Ends the wire and every connection on it. Safe to call twice. */
  async stop(): Promise<void> {
    if (this.#gone) return
    this.#stopping = true
    this.#channel.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_DEADLINE_MS)
    await this.#exited
    clearTimeout(timer)
  }

  #ask<Name extends CommandName>(name: Name, ask: Commands[Name]['ask']): Promise<Commands[Name]['answer']> {
    return new Promise((resolve, reject) => {
      if (this.#gone || this.#stopping) throw this.#goneError()
      const id = ++this.#lastId
      this.#waiting.set(id, { resolve, reject })
      this.#channel.write(`${JSON.stringify({ id, name, ask })}
`)
    })
  }

  #settle(message: Answer): void {
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if ('error' in message) waiting?.reject(new WireError(message.error.code, message.error.message))
    else waiting?.resolve(message.answer)
  }

  #bury(): void {
    if (this.#gone) return
    this.#gone = true
    for (const waiting of this.#waiting.values()) waiting.reject(this.#goneError())
    this.#waiting.clear()
    if (!this.#stopping) this.emit('died', this.#lastWords)
  }

  #goneError(): WireError {
    const words = this.#lastWords.trim()
    return new WireError('wire_gone', `wire: its process has ended${words === '' ? '' : `; its last words: ${words}`}`)
  }
}
