/** Bytes that one side pushes and the other awaits. */
export class ByteQueue implements AsyncIterable<Buffer> {
  readonly #pieces: Buffer[] = []
  #ended = false
  #wake: (() => void) | undefined

  push(bytes: Buffer): void {
    if (this.#ended || bytes.length === 0) return
    this.#pieces.push(bytes)
    this.#wake?.()
  }

  /** Puts back what was taken and not used. */
  unread(bytes: Buffer): void {
    if (bytes.length > 0) this.#pieces.unshift(bytes)
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  /** The next piece; undefined at the end, or once the signal says so. One taker at a time. */
  async next(signal?: AbortSignal): Promise<Buffer | undefined> {
    for (;;) {
      if (signal?.aborted) return undefined
      const piece = this.#pieces.shift()
      if (piece || this.#ended) return piece
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        signal?.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    return this.until()
  }

  /** Piece by piece, to the end or until the signal says so. */
  async *until(signal?: AbortSignal): AsyncGenerator<Buffer> {
    for (let piece = await this.next(signal); piece; piece = await this.next(signal)) yield piece
  }
}
