/** Keys to bring in order, each once however often it was added, with a growing pause after failures: client-go util/workqueue. */

const FIRST_RETRY_MS = 20
const LAST_RETRY_MS = 5000

export interface WorkQueueOptions {
  sync: (key: string) => Promise<void>
  onError: (key: string, error: Error) => void
}

/**
 * One key at a time. A key that is added while it is worked on is worked on again. Work never begins within `add`: who adds is done
 * first with whatever it was doing.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions
  readonly #waiting = new Set<string>()
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #failures = new Map<string, number>()
  #isWorking = false
  #isStopped = false

  constructor(options: WorkQueueOptions) {
    this.#options = options
  }

  add(key: string): void {
    if (this.#isStopped) return
    clearTimeout(this.#timers.get(key))
    this.#timers.delete(key)
    this.#waiting.add(key)
    if (this.#isWorking) return
    this.#isWorking = true
    queueMicrotask(() => void this.#work())
  }

  /** The sooner of two wishes counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#isStopped || this.#timers.has(key)) return
    this.#timers.set(
      key,
      setTimeout(() => this.add(key), delayMs),
    )
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#waiting.clear()
  }

  async #work(): Promise<void> {
    for (let key = first(this.#waiting); key !== undefined; key = first(this.#waiting)) {
      this.#waiting.delete(key)
      try {
        await this.#options.sync(key)
        this.#failures.delete(key)
      } catch (error) {
        if (this.#isStopped) break
        this.#options.onError(key, error as Error)
        const failures = this.#failures.get(key) ?? 0
        this.#failures.set(key, failures + 1)
        this.addAfter(key, Math.min(FIRST_RETRY_MS * 2 ** failures, LAST_RETRY_MS))
      }
    }
    this.#isWorking = false
  }
}

function first(keys: ReadonlySet<string>): string | undefined {
  return keys.values().next().value
}
