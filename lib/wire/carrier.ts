import { connect, createServer, type Server, type Socket } from 'node:net'
import { assertLoopback } from '../tls/loopback.ts'
import { Conversation } from './conversation.ts'
import type { Fault } from './fault.ts'
import { endpoint, plainAddress } from './endpoint.ts'
import { Ledger, type Ending, type LedgerEntry } from './ledger.ts'
import { matchesLink, OPERATOR, sameFilter, UNKNOWN_HOST, type LinkFilter } from './link.ts'
import { Passage } from './passage.ts'
import { relay, type Direction, type Relay } from './relay.ts'
import { Tap, type TapFacts, type TapOptions } from './tap.ts'
import { errorCode, WireError } from './wire-error.ts'

/** A host on the network: others dial its face, its components bind its back. */
export interface WireHost {
  name: string
  face: string
  back: string
}

export interface DivertTarget {
  address: string
  port: number
}

interface Divert {
  filter: LinkFilter
  target: DivertTarget
}

/** A connection that stands. */
interface Live {
  entry: LedgerEntry
  conversation: Conversation
  taps: Tap[]
  /** Absent, the rule, where no fault was ever set on it. */
  passages?: Partial<Record<Direction, Passage>>
  /** Once both sides stand. */
  relay?: Relay
  caller: Socket
  callee?: Socket
}

interface FaultsOfLink {
  filter: LinkFilter
  faults: readonly Fault[]
}

/** The network between hosts: what is listened to on faces, whom it lets through, and everything it has carried. */
export class Carrier {
  readonly ledger = new Ledger()
  readonly #hosts = new Map<string, WireHost>()
  readonly #hostByFace = new Map<string, string>([['127.0.0.1', OPERATOR]])
  readonly #servers = new Map<string, Server>()
  readonly #live = new Map<number, Live>()
  readonly #taps = new Map<number, Tap>()
  #diverts: Divert[] = []
  #faults: FaultsOfLink[] = []
  #allowed: readonly LinkFilter[] | undefined
  #lastHandle = 0

  addHosts(hosts: readonly WireHost[]): void {
    for (const { face, back } of hosts) {
      assertLoopback(face, 'listen on')
      assertLoopback(back, 'dial')
    }
    for (const host of hosts) {
      this.#hosts.set(host.name, host)
      this.#hostByFace.set(host.face, host.name)
    }
    const names = hosts.map(({ name, face }) => ({ name, address: face }))
    for (const tap of this.#taps.values()) tap.names(names)
  }

  /** Listens on the host's face: its back listens there too. Once open, opening again changes nothing. */
  async open(hostName: string, port: number): Promise<void> {
    const host = this.#host(hostName)
    const key = `${hostName} ${port}`
    if (this.#servers.has(key)) return
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (caller) =>
      this.#accept(host, port, caller),
    )
    this.#servers.set(key, server)
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host: host.face, port, backlog: 511 }, resolve)
      })
    } catch (error) {
      this.#servers.delete(key)
      const code = errorCode(error) ?? 'unknown'
      throw new WireError('wire_listen', `face ${endpoint(host.face, port)} of ${hostName}: cannot listen, ${code}`)
    }
  }

  /** Stops listening on the face. Connections that stand are left to their ends. */
  async close(hostName: string, port: number): Promise<void> {
    const key = `${hostName} ${port}`
    const server = this.#servers.get(key)
    if (server === undefined) return
    this.#servers.delete(key)
    await new Promise<void>((resolve) => {
      // The callback waits for every connection; the listening socket itself is gone at once.
      server.close()
      setImmediate(resolve)
    })
  }

  /** Who may dial whom from now on; undefined: everybody everybody. Connections that stand are not asked again. */
  allow(rules: readonly LinkFilter[] | undefined): void {
    this.#allowed = rules
  }

  tap(filter: LinkFilter, file: string, options: TapOptions): number {
    const names = [...this.#hostByFace].map(([address, name]) => ({ name, address }))
    const tap = new Tap(filter, file, options, names)
    const handle = ++this.#lastHandle
    this.#taps.set(handle, tap)
    for (const live of this.#live.values()) {
      if (!matchesLink(filter, live.entry)) continue
      live.taps.push(tap)
      live.entry.tapped = true
    }
    return handle
  }

  untap(handle: number): TapFacts {
    const tap = this.#taps.get(handle)
    if (tap === undefined) throw new WireError('wire_tap', `tap ${handle}: no such tap`)
    this.#taps.delete(handle)
    for (const live of this.#live.values()) live.taps = live.taps.filter((each) => each !== tap)
    return tap.stop()
  }

  /** Sends new connections of a link to another address. Those that the address's own host opens go on as ever. */
  divert(filter: LinkFilter, target: DivertTarget): void {
    assertLoopback(target.address, 'dial')
    this.undivert(filter)
    this.#diverts.push({ filter, target })
  }

  /** Takes back the divert of exactly this filter. */
  undivert(filter: LinkFilter): void {
    this.#diverts = this.#diverts.filter((divert) => !sameFilter(divert.filter, filter))
  }

  /**
   * Lets things go wrong on a link from now on, in the place of what did before. On connections that stand bytes count from
   * here, and records are left alone: nobody knows where one begins.
   */
  fault(filter: LinkFilter, faults: readonly Fault[]): void {
    this.mend(filter)
    this.#faults.push({ filter, faults })
    for (const live of this.#live.values()) if (matchesLink(filter, live.entry)) spoil(live, faults, false)
  }

  /** Takes back the faults of exactly this filter: what was frozen goes on, what was swallowed is gone. */
  mend(filter: LinkFilter): void {
    const mended = this.#faults.filter((each) => sameFilter(each.filter, filter))
    this.#faults = this.#faults.filter((each) => !mended.includes(each))
    if (mended.length === 0) return
    for (const live of this.#live.values()) {
      if (!matchesLink(filter, live.entry)) continue
      const { passages = {}, relay } = live
      delete live.passages
      for (const direction of ['toCallee', 'toCaller'] as const) {
        const passage = passages[direction]
        if (passage !== undefined) relay?.thaw(direction, { ...passage.thaw(), delayMs: 0 })
      }
    }
  }

  /** Breaks the connections of a link, both ends with a RST. Returns how many. */
  cut(filter: LinkFilter): number {
    const matching = [...this.#live.values()].filter(({ entry }) => matchesLink(filter, entry))
    for (const live of matching) {
      this.#hear(live, live.conversation.reset('toCaller'))
      this.#finish(live, 'cut')
      live.caller.resetAndDestroy()
      if (live.callee?.connecting !== true) live.callee?.resetAndDestroy()
    }
    return matching.length
  }

  #accept(host: WireHost, port: number, caller: Socket): void {
    // A caller that has already reset has no address any more.
    const address = plainAddress(caller.remoteAddress ?? '')
    const callerPort = caller.remotePort ?? 0
    const entry = this.ledger.add({
      from: this.#hostByFace.get(address) ?? UNKNOWN_HOST,
      to: host.name,
      port,
      callerLocal: endpoint(address, callerPort),
      faceRemote: endpoint(host.face, port),
    })
    const conversation = new Conversation(
      entry.id,
      { address: address || '0.0.0.0', port: callerPort },
      { address: host.face, port },
    )
    const taps = [...this.#taps.values()].filter(({ filter }) => matchesLink(filter, entry))
    entry.tapped = taps.length > 0
    const live: Live = { entry, conversation, taps, caller }
    for (const { filter, faults } of this.#faults) if (matchesLink(filter, entry)) spoil(live, faults, true)
    this.#live.set(entry.id, live)
    this.#hear(live, conversation.open())

    if (address === '') return this.#refuse(live, 'reset by caller')
    if (this.#allowed?.some((rule) => matchesLink(rule, entry)) === false) return this.#refuse(live, 'refused: route')
    this.#dial(live, host, address)
  }

  #dial(live: Live, host: WireHost, source: string): void {
    const { entry, caller } = live
    const elsewhere = this.#divertOf(entry)
    entry.diverted = elsewhere !== undefined
    const target = elsewhere ?? { address: host.back, port: entry.port }
    const callee = connect({
      host: target.address,
      port: target.port,
      localAddress: source,
      allowHalfOpen: true,
      noDelay: true,
    })
    live.callee = callee
    callee.pause()
    const failed = () => (entry.ended === undefined ? this.#refuse(live, 'refused: back') : undefined)
    const gone = () => {
      if (entry.ended !== undefined) return
      this.#hear(live, live.conversation.reset('toCallee'))
      this.#finish(live, 'reset by caller')
    }
    callee.once('error', failed)
    caller.once('error', gone)
    callee.once('connect', () => {
      this.ledger.reached(
        entry,
        endpoint(callee.localAddress ?? '', callee.localPort ?? 0),
        endpoint(target.address, target.port),
      )
      if (entry.ended !== undefined) {
        // The callee may have accepted it already, and says so: the ledger knows of it as well.
        callee.resetAndDestroy()
        return
      }
      callee.off('error', failed)
      caller.off('error', gone)
      this.#carry(live, caller, callee)
    })
  }

  #carry(live: Live, caller: Socket, callee: Socket): void {
    const { entry, conversation } = live
    live.relay = relay(caller, callee, {
      pass: (direction, chunk) => {
        const passage = live.passages?.[direction]
        const step = chunk === undefined ? passage?.end() : passage?.push(chunk)
        if (step?.ending === 'reset') this.#hear(live, conversation.reset('toCaller'))
        if (step?.ending === 'reset' || step?.ending === 'cut') this.#finish(live, 'cut')
        return step
      },
      bytes: (direction, chunk) => {
        if (direction === 'toCallee') entry.bytesToCallee += chunk.length
        else entry.bytesToCaller += chunk.length
        if (live.taps.length === 0) conversation.skip(direction, chunk.length)
        else this.#hear(live, conversation.data(direction, chunk))
      },
      fin: (direction) => this.#hear(live, conversation.fin(direction)),
      reset: (direction) => {
        this.#hear(live, conversation.reset(direction))
        this.#finish(live, resetBy(direction))
      },
      closed: () => this.#finish(live, 'closed'),
    })
  }

  #refuse(live: Live, ending: Ending): void {
    live.caller.on('error', () => {})
    if (ending !== 'reset by caller') this.#hear(live, live.conversation.reset('toCaller'))
    this.#finish(live, ending)
    live.caller.resetAndDestroy()
  }

  #hear(live: Live, packets: ReturnType<Conversation['data']>): void {
    for (const tap of live.taps) tap.packets(live.entry, packets)
  }

  #finish(live: Live, ending: Ending): void {
    this.#live.delete(live.entry.id)
    this.ledger.close(live.entry, ending)
  }

  #divertOf(entry: LedgerEntry): DivertTarget | undefined {
    for (const { filter, target } of this.#diverts) {
      if (!matchesLink(filter, entry)) continue
      const host = this.#hosts.get(entry.from)
      if (host?.face === target.address || host?.back === target.address) continue
      return target
    }
    return undefined
  }

  #host(name: string): WireHost {
    const host = this.#hosts.get(name)
    if (host === undefined) throw new WireError('wire_host', `host ${name}: not on this network`)
    return host
  }
}

/** The latest faults that name a link are the ones that count. */
function spoil(live: Live, faults: readonly Fault[], fromStart: boolean): void {
  live.entry.faulted = true
  live.passages = {}
  for (const direction of ['toCallee', 'toCaller'] as const) {
    const own = faults.filter((fault) => fault.direction === direction)
    if (own.length > 0) live.passages[direction] = new Passage(own, fromStart)
  }
}

function resetBy(direction: Direction): Ending {
  return direction === 'toCallee' ? 'reset by caller' : 'reset by callee'
}
