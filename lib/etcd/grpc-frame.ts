/** gRPC's length-prefixed messages: one byte "compressed", four bytes length, the message. */
import { GrpcError } from './grpc-status.ts'

const HEADER_BYTES = 5

export function grpcFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + message.length)
  frame[0] = 0
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, HEADER_BYTES)
  return frame
}

/** Puts chunks of a stream together into messages. */
export class GrpcFrameReader {
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #length = 0

  /** `maxBytes` bounds one message; more is ResourceExhausted with grpc-go's text. */
  constructor(maxBytes: number = Number.MAX_SAFE_INTEGER) {
    this.#maxBytes = maxBytes
  }

  /** The messages that are whole with this chunk. @throws GrpcError */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    const messages: Buffer[] = []
    for (
      let size = this.#nextSize();
      size !== undefined && this.#length >= HEADER_BYTES + size;
      size = this.#nextSize()
    ) {
      const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
      messages.push(all.subarray(HEADER_BYTES, HEADER_BYTES + size))
      const rest = all.subarray(HEADER_BYTES + size)
      this.#chunks = rest.length > 0 ? [rest] : []
      this.#length = rest.length
    }
    return messages
  }

  /** Bytes of a message that has begun and is not whole. */
  get pending(): number {
    return this.#length
  }

  #nextSize(): number | undefined {
    if (this.#length < HEADER_BYTES) return undefined
    if (this.#chunks[0]!.length < HEADER_BYTES) this.#chunks = [Buffer.concat(this.#chunks)]
    const head = this.#chunks[0]!
    if (head[0] !== 0) {
      throw new GrpcError('Unimplemented', `grpc: Decompressor is not installed for grpc-encoding "identity"`)
    }
    const size = head.readUInt32BE(1)
    if (size > this.#maxBytes) {
      throw new GrpcError('ResourceExhausted', `grpc: received message larger than max (${size} vs. ${this.#maxBytes})`)
    }
    return size
  }
}
