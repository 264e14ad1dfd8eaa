/**
 * The TCP conversation that a connection over the wire stands for, packet by packet, as a sniffer between caller and
 * face would have heard it. The kernel's own packets are not seen: addresses, ports and payload are the real ones;
 * sequence numbers, flags and acknowledgements are made here (RFC 9293), checksums are correct.
 */
import { isIPv6 } from 'node:net'
import type { Direction } from './relay.ts'

export interface Packet {
  /** IP and TCP header. */
  header: Buffer
  /** Not copied: the chunk that the relay read, or a part of it. */
  payload: Buffer
}

interface End {
  address: Buffer
  port: number
}

const FIN = 0x01
const SYN = 0x02
const RST = 0x04
const PSH = 0x08
const ACK = 0x10

const EMPTY = Buffer.alloc(0)

/** Largest payload of one packet: 65535 less two 20-byte headers, which is what Linux's `lo` (MTU 65536) comes to. */
const MAX_SEGMENT = 65_495

/** Window scale 14 (RFC 7323, the largest): there is no window to fill, and Wireshark shall not think so. */
const WINDOW_SCALE = 14

/** MSS, SACK absent, window scale, padded with a no-op. */
const SYN_OPTIONS = Buffer.from([2, 4, MAX_SEGMENT >> 8, MAX_SEGMENT & 0xff, 1, 3, 3, WINDOW_SCALE])

export class Conversation {
  readonly #caller: End
  readonly #callee: End
  /** Next sequence number of each direction; initial numbers differ so that a mix-up shows. */
  readonly #next: Record<Direction, number>
  #packets = 0

  constructor(id: number, caller: { address: string; port: number }, callee: { address: string; port: number }) {
    this.#caller = { address: addressBytes(caller.address), port: caller.port }
    this.#callee = { address: addressBytes(callee.address), port: callee.port }
    this.#next = { toCallee: (id * 0x10001) >>> 0, toCaller: (0x8000_0000 + id * 0x10001) >>> 0 }
  }

  /** The three-way handshake. */
  open(): Packet[] {
    const syn = this.#packet('toCallee', SYN, EMPTY, SYN_OPTIONS)
    this.skip('toCallee', 1)
    const synAck = this.#packet('toCaller', SYN | ACK, EMPTY, SYN_OPTIONS)
    this.skip('toCaller', 1)
    return [syn, synAck, this.#packet('toCallee', ACK)]
  }

  data(direction: Direction, chunk: Buffer): Packet[] {
    const packets: Packet[] = []
    for (let start = 0; start < chunk.length; start += MAX_SEGMENT) {
      const payload = chunk.subarray(start, start + MAX_SEGMENT)
      packets.push(this.#packet(direction, PSH | ACK, payload))
      this.skip(direction, payload.length)
    }
    return packets
  }

  fin(direction: Direction): Packet[] {
    const fin = this.#packet(direction, FIN | ACK)
    this.skip(direction, 1)
    return [fin, this.#packet(direction === 'toCallee' ? 'toCaller' : 'toCallee', ACK)]
  }

  reset(direction: Direction): Packet[] {
    return [this.#packet(direction, RST | ACK)]
  }

  /** Counts what nobody listened to, so that a tap set later starts at the right number. */
  skip(direction: Direction, bytes: number): void {
    this.#next[direction] = (this.#next[direction] + bytes) >>> 0
  }

  #packet(direction: Direction, flags: number, payload: Buffer = EMPTY, options: Buffer = EMPTY): Packet {
    const [from, to, back] =
      direction === 'toCallee'
        ? ([this.#caller, this.#callee, 'toCaller'] as const)
        : ([this.#callee, this.#caller, 'toCallee'] as const)
    const tcp = Buffer.alloc(20 + options.length)
    tcp.writeUInt16BE(from.port, 0)
    tcp.writeUInt16BE(to.port, 2)
    tcp.writeUInt32BE(this.#next[direction], 4)
    if (flags & ACK) tcp.writeUInt32BE(this.#next[back], 8)
    tcp[12] = (tcp.length / 4) << 4
    tcp[13] = flags
    tcp.writeUInt16BE(0xffff, 14)
    options.copy(tcp, 20)
    const length = tcp.length + payload.length
    const pseudo = pseudoSum(from.address, to.address, length)
    tcp.writeUInt16BE(checksum(sum16(tcp, pseudo), payload), 16)
    return { header: Buffer.concat([ipHeader(from.address, to.address, length, ++this.#packets), tcp]), payload }
  }
}

function ipHeader(from: Buffer, to: Buffer, length: number, identification: number): Buffer {
  if (from.length === 16) {
    const header = Buffer.alloc(40)
    header[0] = 0x60
    header.writeUInt16BE(length, 4)
    header[6] = 6
    header[7] = 64
    from.copy(header, 8)
    to.copy(header, 24)
    return header
  }
  const header = Buffer.alloc(20)
  header[0] = 0x45
  header.writeUInt16BE(20 + length, 2)
  header.writeUInt16BE(identification & 0xffff, 4)
  // Don't fragment.
  header[6] = 0x40
  header[8] = 64
  header[9] = 6
  from.copy(header, 12)
  to.copy(header, 16)
  header.writeUInt16BE(checksum(0, header), 10)
  return header
}

function pseudoSum(from: Buffer, to: Buffer, length: number): number {
  return sum16(to, sum16(from, 0)) + 6 + length
}

/** The Internet checksum (RFC 1071) over what was summed so far and the last part, which may be of odd length. */
export function checksum(before: number, last: Buffer): number {
  let sum = sum16(last, before)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

function sum16(bytes: Buffer, start: number): number {
  let sum = start
  const even = bytes.length & ~1
  for (let at = 0; at < even; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  return even < bytes.length ? sum + ((bytes[even] ?? 0) << 8) : sum
}

function addressBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail] = address.split('::')
  const front = hexGroups(head)
  const rear = tail === undefined ? [] : hexGroups(tail)
  const all = [...front, ...Array<number>(8 - front.length - rear.length).fill(0), ...rear]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}

function hexGroups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}
