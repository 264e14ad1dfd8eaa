/** What HTTP/2 (RFC 9113) carries: the bodies of its DATA frames, and its header fields. */
import { HeaderReader, type HeaderField } from './hpack.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const FRAME_HEADER_BYTES = 9
const FRAME = { data: 0, headers: 1, settings: 4, pushPromise: 5, continuation: 9 } as const
const END_HEADERS = 0x04
const PADDED = 0x08
const PRIORITY = 0x20
const PRIORITY_BYTES = 5

/** A block in pieces longer than this is nobody's honest one: kube-apiserver takes 1 MiB of headers. */
const LONGEST_BLOCK_BYTES = 4 * 1024 * 1024

export interface Http2Direction {
  /** By stream, in the order in which streams first sent. */
  bodies: Buffer[]
  /** Header blocks in the order in which they came, as far as they can be read from the connection's first byte. */
  headers: HeaderField[][]
}

/** Undefined where the stream is not HTTP/2. */
export function readHttp2(bytes: Buffer, from: 'client' | 'server'): Http2Direction | undefined {
  if (from === 'client' && !bytes.subarray(0, PREFACE.length).equals(PREFACE)) return undefined
  // A server's first frame is its SETTINGS (section 3.4).
  if (from === 'server' && bytes[3] !== FRAME.settings) return undefined
  const streams = new Map<number, Buffer[]>()
  const headers: HeaderField[][] = []
  const reader = new HeaderReader()
  let block: Buffer[] = []
  let blockBytes = 0
  for (const { type, flags, stream, payload } of frames(bytes, from === 'client' ? PREFACE.length : 0)) {
    if (type === FRAME.data) {
      const chunks = streams.get(stream)
      if (chunks === undefined) streams.set(stream, [unpadded(flags, payload)])
      else chunks.push(unpadded(flags, payload))
    }
    if (type === FRAME.headers || type === FRAME.pushPromise) {
      const content = unpadded(flags, payload)
      const before = type === FRAME.pushPromise ? 4 : flags & PRIORITY ? PRIORITY_BYTES : 0
      block = [content.subarray(before)]
      blockBytes = content.length
    } else if (type === FRAME.continuation && blockBytes <= LONGEST_BLOCK_BYTES) {
      block.push(payload)
      blockBytes += payload.length
    } else continue
    if (!(flags & END_HEADERS)) continue
    const fields = reader.read(Buffer.concat(block))
    if (fields) headers.push(fields)
  }
  return { bodies: [...streams.values()].map((chunks) => Buffer.concat(chunks)), headers }
}

interface Frame {
  type: number
  flags: number
  stream: number
  payload: Buffer
}

/** The last may be cut short. */
function* frames(bytes: Buffer, from: number): Generator<Frame> {
  for (let at = from; at + FRAME_HEADER_BYTES <= bytes.length;) {
    const length = bytes.readUIntBE(at, 3)
    const payload = bytes.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + length)
    const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff
    yield { type: bytes.readUInt8(at + 3), flags: bytes.readUInt8(at + 4), stream, payload }
    at += FRAME_HEADER_BYTES + length
  }
}

function unpadded(flags: number, payload: Buffer): Buffer {
  return flags & PADDED ? payload.subarray(1, Math.max(1, payload.length - (payload[0] ?? 0))) : payload
}
