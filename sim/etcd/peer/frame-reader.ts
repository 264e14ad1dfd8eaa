/** Takes a byte stream apart, whatever pieces it comes in. */

/** rafthttp's own limit for one message (msg_codec.go). */
export const MOST_FRAME_BYTES = 512 * 1024 * 1024

export class FrameReader {
  #pieces: Buffer[] = []
  #length = 0
  /** How far `uint64` and `bytes` have read; `commit` drops what lies before. */
  #at = 0

  /** @throws Error for more than one message may be. */
  push(piece: Buffer): void {
    this.#pieces.push(piece)
    this.#length += piece.length
    if (this.#length > 2 * MOST_FRAME_BYTES) throw new Error('error limit exceeded')
  }

  /** Undefined until so many bytes are there. */
  bytes(count: number): Buffer | undefined {
    if (this.#length - this.#at < count) return undefined
    const taken = this.#whole().subarray(this.#at, this.#at + count)
    this.#at += count
    return taken
  }

  /** Big endian. @throws Error for a length that nobody means. */
  uint64(): number | undefined {
    const value = this.bytes(8)?.readBigUInt64BE(0)
    if (value === undefined) return undefined
    if (value > Number.MAX_SAFE_INTEGER) throw new Error('error limit exceeded')
    return Number(value)
  }

  /** A length, and that many bytes. @throws Error `error limit exceeded` */
  frame(most = MOST_FRAME_BYTES): Buffer | undefined {
    const length = this.uint64()
    if (length === undefined) return undefined
    if (length > most) throw new Error('error limit exceeded')
    return this.bytes(length)
  }

  /** What was read is done with. */
  commit(): void {
    if (this.#at === 0) return
    const rest = this.#whole().subarray(this.#at)
    this.#pieces = rest.length > 0 ? [rest] : []
    this.#length = rest.length
    this.#at = 0
  }

  /** What was read was not all that it takes: it will be read again. */
  rewind(): void {
    this.#at = 0
  }

  /** All that is left. */
  rest(): Buffer {
    const rest = this.#whole().subarray(this.#at)
    this.#pieces = []
    this.#length = 0
    this.#at = 0
    return rest
  }

  #whole(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces)]
    return this.#pieces[0]!
  }
}
