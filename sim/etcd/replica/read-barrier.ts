/** Linearizable reads: those that come while one question is under way are answered by the next (v3_server.go, linearizableReadLoop). */

/** Not answered within this, the question is put again: its leader may be gone. */
const RETRY_MS = 500

interface Waiting {
  resolve: () => void
  deadlineMs: number
  reject: () => void
}

export class ReadBarrier {
  readonly #ask: (context: Buffer) => boolean
  #waiting: Waiting[] = []
  #asked: { waiting: Waiting[]; context: Buffer; askedMs: number; index?: number } | undefined
  #count = 0n
  readonly #salt: bigint

  /** `salt` tells this member's questions apart from all others'. */
  constructor(salt: bigint, ask: (context: Buffer) => boolean) {
    this.#salt = salt
    this.#ask = ask
  }

  /** Resolves once this member has applied all that was committed when it was called. */
  wait(timeoutMs: number, error: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, deadlineMs: Date.now() + timeoutMs, reject: () => reject(error()) })
      if (!this.#asked) this.#next()
    })
  }

  /** The leader has answered. */
  answered(context: Buffer, index: number, appliedIndex: number): void {
    if (!this.#asked?.context.equals(context)) return
    this.#asked.index = index
    this.applied(appliedIndex)
  }

  applied(appliedIndex: number): void {
    const asked = this.#asked
    if (asked?.index === undefined || appliedIndex < asked.index) return
    this.#asked = undefined
    for (const { resolve } of asked.waiting) resolve()
    if (this.#waiting.length > 0) this.#next()
  }

  /** Called with each tick. */
  tick(): void {
    const nowMs = Date.now()
    const inTime = (waiting: Waiting): boolean => {
      if (waiting.deadlineMs > nowMs) return true
      waiting.reject()
      return false
    }
    this.#waiting = this.#waiting.filter(inTime)
    const asked = this.#asked
    if (!asked) return
    asked.waiting = asked.waiting.filter(inTime)
    if (asked.index !== undefined || nowMs - asked.askedMs < RETRY_MS) return
    // Whoever came since may be answered with them.
    this.#waiting = [...asked.waiting, ...this.#waiting]
    this.#asked = undefined
    if (this.#waiting.length > 0) this.#next()
  }

  stop(): void {
    for (const { reject } of [...this.#waiting, ...(this.#asked?.waiting ?? [])]) reject()
    this.#waiting = []
    this.#asked = undefined
  }

  #next(): void {
    const context = Buffer.allocUnsafe(8)
    context.writeBigUInt64BE(BigInt.asUintN(64, this.#salt + this.#count++))
    this.#asked = { waiting: this.#waiting, context, askedMs: Date.now() }
    this.#waiting = []
    // Where nobody leads the tick asks again.
    this.#ask(context)
  }
}
