/** Work waiting by key; whoever takes a key takes all that waits under it, while work in hand may still bring more. */
export class WorkByKey<T> {
  readonly #waiting = new Map<string, T[]>()
  #inHand = 0
  #wake: (() => void)[] = []

  add(key: string, item: T): void {
    const items = this.#waiting.get(key)
    if (items) items.push(item)
    else this.#waiting.set(key, [item])
    this.#wakeAll()
  }

  /** Batches for one worker, the cheapest first, until nothing waits and nobody has anything in hand that could bring more. */
  async *batches(
    signal?: AbortSignal,
    cost: (key: string) => number = () => 0,
  ): AsyncGenerator<{ key: string; tasks: T[] }> {
    for (;;) {
      if (signal?.aborted) break
      const next = cheapest(this.#waiting, cost)
      if (!next) {
        if (this.#inHand === 0) break
        await new Promise<void>((resolve) => this.#wake.push(resolve))
        continue
      }
      const [key, tasks] = next
      this.#waiting.delete(key)
      this.#inHand += 1
      try {
        yield { key, tasks }
      } finally {
        this.#inHand -= 1
        this.#wakeAll()
      }
    }
    this.#wakeAll()
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}

function cheapest<T>(waiting: ReadonlyMap<string, T>, cost: (key: string) => number): [string, T] | undefined {
  let best: { entry: [string, T]; cost: number } | undefined
  for (const entry of waiting) {
    const its = cost(entry[0])
    if (best === undefined || its < best.cost) best = { entry, cost: its }
  }
  return best?.entry
}
