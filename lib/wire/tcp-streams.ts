import { endpoint } from './endpoint.ts'
import type { Capture, CapturedPacket } from './pcapng-read.ts'
import type { Direction } from './relay.ts'

/** One TCP connection of a capture, put together again. Ends are `ip:port`. */
export interface CapturedConnection {
  caller: string
  callee: string
  /** Names of the two hosts, where the capture holds them. */
  from?: string
  to?: string
  /** The bytes in order, without what was sent twice. Bytes that were never captured are left out: `whole` is false. */
  toCallee: Buffer
  toCaller: Buffer
  /** From the first SYN on and without a gap. */
  whole: boolean
  /** What was sent when, in order: all that encryption leaves to see. */
  segments: Segment[]
  comment?: string
}

export interface Segment {
  direction: Direction
  timeUs: number
  bytes: number
}

interface Tcp {
  source: { address: string; port: number }
  target: { address: string; port: number }
  sequence: number
  syn: boolean
  ack: boolean
  payload: Buffer
}

export function tcpConnections(capture: Capture): CapturedConnection[] {
  const open = new Map<string, Assembly>()
  const all: Assembly[] = []
  for (const packet of capture.packets) {
    const tcp = readTcp(packet.ip)
    if (tcp === undefined) continue
    const there = `${tcp.source.address} ${tcp.source.port} ${tcp.target.address} ${tcp.target.port}`
    const back = `${tcp.target.address} ${tcp.target.port} ${tcp.source.address} ${tcp.source.port}`
    let assembly = open.get(there) ?? open.get(back)
    // A SYN for ports that were in use before begins another connection.
    if (assembly === undefined || (tcp.syn && !tcp.ack && assembly.hasSynFrom(tcp))) {
      assembly = new Assembly(tcp)
      open.delete(back)
      open.set(there, assembly)
      all.push(assembly)
    }
    assembly.take(tcp, packet)
  }
  return all.map((assembly) => assembly.finish(capture.names))
}

class Assembly {
  readonly #caller: Tcp['source']
  readonly #callee: Tcp['source']
  readonly #halves: Record<Direction, Half> = { toCallee: new Half(), toCaller: new Half() }
  readonly #segments: Segment[] = []
  #comment: string | undefined

  constructor(first: Tcp) {
    // Without a SYN the side with the lower port is taken for the server.
    const fromCaller = first.syn ? !first.ack : first.source.port > first.target.port
    this.#caller = fromCaller ? first.source : first.target
    this.#callee = fromCaller ? first.target : first.source
  }

  hasSynFrom(tcp: Tcp): boolean {
    return this.#halves[this.#direction(tcp)].started !== tcp.sequence
  }

  take(tcp: Tcp, packet: CapturedPacket): void {
    const direction = this.#direction(tcp)
    this.#comment ??= packet.comment
    if (tcp.payload.length > 0) {
      this.#segments.push({ direction, timeUs: packet.timeUs, bytes: tcp.payload.length })
    }
    this.#halves[direction].take(tcp)
  }

  finish(names: ReadonlyMap<string, string>): CapturedConnection {
    const { toCallee, toCaller } = this.#halves
    const from = names.get(this.#caller.address)
    const to = names.get(this.#callee.address)
    return {
      caller: endpoint(this.#caller.address, this.#caller.port),
      callee: endpoint(this.#callee.address, this.#callee.port),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(this.#comment === undefined ? {} : { comment: this.#comment }),
      toCallee: toCallee.bytes(),
      toCaller: toCaller.bytes(),
      whole: toCallee.whole && toCaller.whole,
      segments: this.#segments,
    }
  }

  #direction(tcp: Tcp): Direction {
    const { address, port } = this.#caller
    return tcp.source.address === address && tcp.source.port === port ? 'toCallee' : 'toCaller'
  }
}

/** One direction: what came, in order of its sequence numbers. */
class Half {
  readonly #chunks: Buffer[] = []
  #early: Array<{ sequence: number; payload: Buffer }> = []
  #next: number | undefined
  #gaps = false
  /** Sequence number of the SYN. */
  started: number | undefined

  take({ syn, sequence, payload }: Tcp): void {
    if (syn) {
      this.started ??= sequence
      this.#next ??= (sequence + 1) >>> 0
    }
    if (payload.length === 0) return
    this.#next ??= sequence
    this.#early.push({ sequence, payload })
    this.#drain()
  }

  get whole(): boolean {
    return !this.#gaps && this.#early.length === 0 && (this.started !== undefined || this.#next === undefined)
  }

  bytes(): Buffer {
    while (this.#early.length > 0) {
      this.#gaps = true
      this.#next = this.#early.reduce((lowest, { sequence }) => Math.min(lowest, sequence), 0xffff_ffff)
      this.#drain()
    }
    return Buffer.concat(this.#chunks)
  }

  #drain(): void {
    for (let moved = true; moved;) {
      moved = false
      for (const early of this.#early) {
        // Distance modulo 2^32, as signed: negative where bytes were sent before.
        const ahead = (early.sequence - (this.#next ?? 0)) | 0
        if (ahead > 0) continue
        this.#early = this.#early.filter((each) => each !== early)
        const fresh = early.payload.subarray(Math.min(-ahead, early.payload.length))
        if (fresh.length > 0) this.#chunks.push(fresh)
        this.#next = ((this.#next ?? 0) + fresh.length) >>> 0
        moved = true
      }
    }
  }
}

/** Undefined for whatever is not TCP over IPv4 or IPv6, or is cut short. IPv6 extension headers are not followed. */
function readTcp(ip: Buffer): Tcp | undefined {
  const version = (ip[0] ?? 0) >> 4
  if (version === 4 && ip.length >= 20 && ip[9] === 6) {
    const header = ((ip[0] ?? 0) & 15) * 4
    const end = Math.min(ip.length, ip.readUInt16BE(2) || ip.length)
    return segment(ip.subarray(header, end), ip.subarray(12, 16).join('.'), ip.subarray(16, 20).join('.'))
  }
  if (version === 6 && ip.length >= 40 && ip[6] === 6) {
    const end = Math.min(ip.length, 40 + (ip.readUInt16BE(4) || ip.length))
    return segment(ip.subarray(40, end), ipv6(ip.subarray(8, 24)), ipv6(ip.subarray(24, 40)))
  }
  return undefined
}

function segment(tcp: Buffer, source: string, target: string): Tcp | undefined {
  if (tcp.length < 20) return undefined
  const flags = tcp[13] ?? 0
  return {
    source: { address: source, port: tcp.readUInt16BE(0) },
    target: { address: target, port: tcp.readUInt16BE(2) },
    sequence: tcp.readUInt32BE(4),
    syn: (flags & 0x02) !== 0,
    ack: (flags & 0x10) !== 0,
    payload: tcp.subarray(((tcp[12] ?? 0) >> 4) * 4),
  }
}

function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
