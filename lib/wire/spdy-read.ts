/** What SPDY/3.1 carries in its data frames (SPDY draft 3.1 section 2.2.2), stream by stream. Header blocks stay unread. */
export function spdyStreams(bytes: Buffer): Buffer[] {
  const streams = new Map<number, Buffer[]>()
  for (let at = 0; at + 8 <= bytes.length;) {
    const first = bytes.readUInt32BE(at)
    const length = bytes.readUIntBE(at + 5, 3)
    const payload = bytes.subarray(at + 8, at + 8 + length)
    at += 8 + length
    const isControl = first >= 0x8000_0000
    if (isControl) continue
    const chunks = streams.get(first)
    if (chunks === undefined) streams.set(first, [payload])
    else chunks.push(payload)
  }
  return [...streams.values()].map((chunks) => Buffer.concat(chunks))
}
