import type { Socket } from 'node:net'

/** How much may be under way in one direction of a delayed link: a sender beyond it is held back. */
const MOST_DELAYED_BYTES = 1024 * 1024

/** setTimeout counts whole milliseconds, and may wake a little early. */
const EARLY_MS = 0.5

/** Writes to a socket later, in the order in which they were asked for; whatever follows waits for them. */
export class LateWrites {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #queue: { dueMs: number; act: () => void }[] = []
  #timer: NodeJS.Timeout | undefined
  #bytes = 0
  #lastDueMs = 0

  constructor(source: Socket, sink: Socket) {
    this.#source = source
    this.#sink = sink
  }

  get isFull(): boolean {
    return this.#bytes > MOST_DELAYED_BYTES
  }

  /** Whether a write with that delay is to be handed over here: it is late, or something before it is. */
  takes(delayMs: number): boolean {
    return delayMs > 0 || this.#queue.length > 0
  }

  write(bytes: Buffer, delayMs: number): void {
    this.#bytes += bytes.length
    if (this.isFull) this.#source.pause()
    this.#later(delayMs, () => {
      const wasFull = this.isFull
      this.#bytes -= bytes.length
      const hasRoom = !this.#sink.writable || this.#sink.write(bytes)
      if (wasFull && !this.isFull && hasRoom) this.#source.resume()
    })
  }

  /** At once where nothing is late, otherwise after all that is. */
  afterwards(act: () => void): void {
    if (this.#queue.length === 0) act()
    else this.#later(0, act)
  }

  /** A delay that has become shorter does not overtake. */
  #later(delayMs: number, act: () => void): void {
    this.#lastDueMs = Math.max(this.#lastDueMs, performance.now() + delayMs)
    this.#queue.push({ dueMs: this.#lastDueMs, act })
    this.#arm()
  }

  #arm(): void {
    const [first] = this.#queue
    if (first === undefined || this.#timer !== undefined) return
    const sleepMs = Math.max(0, first.dueMs - performance.now())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      const nowMs = performance.now() + EARLY_MS
      for (let [next] = this.#queue; next !== undefined && next.dueMs <= nowMs; [next] = this.#queue) {
        next.act()
        this.#queue.shift()
      }
      this.#arm()
    }, sleepMs)
  }
}
