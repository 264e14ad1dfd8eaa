/** WebSocket frames (RFC 6455 section 5) without extensions, and Kubernetes' channels inside them. */

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface Frame {
  opcode: number
  fin: boolean
  /** Unmasked. */
  payload: Buffer
}

/** Cuts a byte stream into frames as they become whole. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  /** Of a frame that is not whole yet. */
  get pendingBytes(): number {
    return this.#rest.length
  }

  push(chunk: Buffer): Frame[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const frames: Frame[] = []
    for (let next = this.#next(); next !== undefined; next = this.#next()) frames.push(next)
    return frames
  }

  #next(): Frame | undefined {
    const bytes = this.#rest
    if (bytes.length < 2) return undefined
    const short = (bytes[1] ?? 0) & 0x7f
    const masked = ((bytes[1] ?? 0) & 0x80) !== 0
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
    const start = 2 + lengthBytes + (masked ? 4 : 0)
    if (bytes.length < start) return undefined
    const length = lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : bytes.readUIntBE(4, 6)
    if (bytes.length < start + length) return undefined
    this.#rest = bytes.subarray(start + length)
    const payload = Buffer.from(bytes.subarray(start, start + length))
    if (masked) unmask(payload, bytes.subarray(start - 4, start))
    return { opcode: (bytes[0] ?? 0) & 0x0f, fin: ((bytes[0] ?? 0) & 0x80) !== 0, payload }
  }
}

/** One frame, unmasked, as a server sends it. */
export function serverFrame(opcode: number, payload: Buffer): Buffer {
  return frameOf({ opcode, fin: true, payload }, false)
}

/** One frame; a client's says that it is masked, and the key may be zero (section 5.3). */
export function frameOf({ opcode, fin, payload }: Frame, isMasked: boolean): Buffer {
  const { length } = payload
  const head = Buffer.alloc(length < 126 ? 2 : length < 0x10000 ? 4 : 10)
  head[0] = (fin ? 0x80 : 0) | opcode
  if (length < 126) head[1] = length
  else if (length < 0x10000) {
    head[1] = 126
    head.writeUInt16BE(length, 2)
  } else {
    head[1] = 127
    head.writeUIntBE(length, 4, 6)
  }
  if (!isMasked) return Buffer.concat([head, payload])
  head[1] = (head[1] ?? 0) | 0x80
  return Buffer.concat([head, Buffer.alloc(4), payload])
}

/** Whole messages: data frames, continued ones joined. */
export function messagesOf(frames: readonly Frame[]): Buffer[] {
  const messages: Buffer[] = []
  let parts: Buffer[] = []
  for (const { opcode, fin, payload } of frames) {
    if (opcode > OPCODE.binary) continue
    if (opcode !== OPCODE.continuation) parts = []
    parts.push(payload)
    if (fin) messages.push(Buffer.concat(parts))
  }
  return messages
}

/** The bytes of each channel of `channel.k8s.io`: a message's first byte says which. */
export function channelsOf(messages: readonly Buffer[]): Map<number, Buffer> {
  const channels = new Map<number, Buffer[]>()
  for (const message of messages) {
    const channel = message[0]
    if (channel === undefined) continue
    const parts = channels.get(channel)
    if (parts === undefined) channels.set(channel, [message.subarray(1)])
    else parts.push(message.subarray(1))
  }
  return new Map([...channels].map(([channel, parts]) => [channel, Buffer.concat(parts)]))
}

function unmask(payload: Buffer, key: Buffer): void {
  for (let at = 0; at < payload.length; at++) payload[at] = (payload[at] ?? 0) ^ (key[at & 3] ?? 0)
}
