/** What HTTP/2 (RFC 9113) carries in its DATA frames. Header blocks are compressed by HPACK and stay unread. */

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const FRAME_HEADER_BYTES = 9
const DATA = 0
const SETTINGS = 4
const PADDED = 0x08

/** Bodies by stream, in the order in which streams first sent; undefined where the stream is not HTTP/2. */
export function http2Bodies(bytes: Buffer, from: 'client' | 'server'): Buffer[] | undefined {
  if (from === 'client' && !bytes.subarray(0, PREFACE.length).equals(PREFACE)) return undefined
  // A server's first frame is its SETTINGS (section 3.4).
  if (from === 'server' && bytes[3] !== SETTINGS) return undefined
  const streams = new Map<number, Buffer[]>()
  let at = from === 'client' ? PREFACE.length : 0
  while (at + FRAME_HEADER_BYTES <= bytes.length) {
    const length = bytes.readUIntBE(at, 3)
    const type = bytes[at + 3]
    const flags = bytes[at + 4] ?? 0
    const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff
    const payload = bytes.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + length)
    at += FRAME_HEADER_BYTES + length
    if (type !== DATA) continue
    const data = flags & PADDED ? payload.subarray(1, Math.max(1, length - (payload[0] ?? 0))) : payload
    const chunks = streams.get(stream)
    if (chunks === undefined) streams.set(stream, [data])
    else chunks.push(data)
  }
  return [...streams.values()].map((chunks) => Buffer.concat(chunks))
}
