/** Reads pcapng (draft-ietf-opsawg-pcapng) in either byte order: our own captures, and those of tcpdump and Wireshark. */
import { CaptureError } from './capture-error.ts'
import { BLOCK, BYTE_ORDER_MAGIC, LINKTYPE_RAW, SECRETS_TLS_KEY_LOG } from './pcapng.ts'

export interface CapturedPacket {
  /** Microseconds since the epoch. */
  timeUs: number
  /** From the IP header on. */
  ip: Buffer
  comment?: string
}

export interface Capture {
  packets: CapturedPacket[]
  /** IPv4 address -> host name. */
  names: Map<string, string>
  /** All TLS key logs inside, in the NSS format. */
  keyLog: string
}

/** Bytes before the IP header by link type: BSD null, Ethernet, raw, Linux cooked 1 and 2. */
const LINK_HEADER_BYTES: ReadonlyMap<number, number> = new Map([
  [0, 4],
  [1, 14],
  [LINKTYPE_RAW, 0],
  [113, 16],
  [276, 20],
])

interface Interface {
  linkHeaderBytes: number | undefined
  ticksPerUs: number
}

interface Reader {
  u16(at: number): number
  u32(at: number): number
}

/** A last block that is not whole is left out: the tap may still be writing. */
export function readCapture(file: Buffer): Capture {
  const capture: Capture = { packets: [], names: new Map(), keyLog: '' }
  let interfaces: Interface[] = []
  let read: Reader | undefined
  for (let at = 0; at + 12 <= file.length;) {
    if (file.readUInt32LE(at) === BLOCK.section) {
      read = readerFor(file, at + 8)
      interfaces = []
    }
    if (read === undefined) throw new CaptureError('begins with no section header: not a pcapng file')
    const type = read.u32(at)
    const length = read.u32(at + 4)
    if (length < 12 || length % 4 !== 0) throw new CaptureError(`block of ${length} bytes at offset ${at}`)
    if (at + length > file.length) break
    const body = { start: at + 8, end: at + length - 4 }
    if (type === BLOCK.interface && length >= 20) interfaces.push(readInterface(file, read, body))
    else if (type === BLOCK.enhancedPacket && length >= 32) readPacket(file, read, body, interfaces, capture)
    else if (type === BLOCK.nameResolution) readNames(file, read, body, capture)
    else if (type === BLOCK.decryptionSecrets && length >= 20) readSecrets(file, read, body, capture)
    at += length
  }
  if (read === undefined) throw new CaptureError('is shorter than a section header')
  return capture
}

interface Span {
  start: number
  end: number
}

function readerFor(file: Buffer, magicAt: number): Reader {
  if (file.readUInt32LE(magicAt) === BYTE_ORDER_MAGIC) {
    return { u16: (at) => file.readUInt16LE(at), u32: (at) => file.readUInt32LE(at) }
  }
  if (file.readUInt32BE(magicAt) === BYTE_ORDER_MAGIC) {
    return { u16: (at) => file.readUInt16BE(at), u32: (at) => file.readUInt32BE(at) }
  }
  throw new CaptureError('has a section of unknown byte order')
}

function readInterface(file: Buffer, read: Reader, { start, end }: Span): Interface {
  let ticksPerUs = 1
  for (const option of tagged(read, { start: start + 8, end })) {
    if (option.code !== 9 || option.end - option.start < 1) continue
    const resolution = file[option.start] ?? 6
    ticksPerUs = resolution & 0x80 ? 2 ** (resolution & 0x7f) / 1e6 : 10 ** (resolution - 6)
  }
  return { linkHeaderBytes: LINK_HEADER_BYTES.get(read.u16(start)), ticksPerUs }
}

function readPacket(file: Buffer, read: Reader, { start, end }: Span, interfaces: Interface[], to: Capture): void {
  const source = interfaces[read.u32(start)]
  if (source === undefined) throw new CaptureError(`packet at offset ${start} names no interface`)
  const captured = read.u32(start + 12)
  if (start + 20 + captured > end) throw new CaptureError(`packet at offset ${start} is longer than its block`)
  if (source.linkHeaderBytes === undefined || captured < source.linkHeaderBytes) return
  const packet: CapturedPacket = {
    timeUs: (read.u32(start + 4) * 0x1_0000_0000 + read.u32(start + 8)) / source.ticksPerUs,
    ip: file.subarray(start + 20 + source.linkHeaderBytes, start + 20 + captured),
  }
  for (const option of tagged(read, { start: start + 20 + ((captured + 3) & ~3), end })) {
    if (option.code === 1) packet.comment = file.toString('utf8', option.start, option.end)
  }
  to.packets.push(packet)
}

function readNames(file: Buffer, read: Reader, body: Span, to: Capture): void {
  for (const record of tagged(read, body)) {
    if (record.code !== 1 || record.end - record.start < 5) continue
    const address = file.subarray(record.start, record.start + 4).join('.')
    const [name] = file.toString('utf8', record.start + 4, record.end).split('\0')
    if (name) to.names.set(address, name)
  }
}

function readSecrets(file: Buffer, read: Reader, { start, end }: Span, to: Capture): void {
  if (read.u32(start) !== SECRETS_TLS_KEY_LOG) return
  to.keyLog += file.toString('utf8', start + 8, Math.min(end, start + 8 + read.u32(start + 4)))
}

/** Code, length, value, padded to 32 bits, up to code 0. */
function* tagged(read: Reader, { start, end }: Span): Generator<Span & { code: number }> {
  for (let at = start; at + 4 <= end;) {
    const code = read.u16(at)
    const length = read.u16(at + 2)
    if (code === 0 || at + 4 + length > end) return
    yield { code, start: at + 4, end: at + 4 + length }
    at += 4 + ((length + 3) & ~3)
  }
}
