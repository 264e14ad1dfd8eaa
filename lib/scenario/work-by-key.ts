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

  /** Batches for one worker, first those that it prefers, until nothing waits and no other worker has anything in hand that could bring more. */
  async *batches(
    signal?: AbortSignal,
    prefers: (key: string) => boolean = () => false,
  ): AsyncGenerator<{ key: string; tasks: T[] }> {
    for (;;) {
      if (signal?.aborted) break
      const next = [...this.#waiting].find(([key]) => prefers(key)) ?? [...this.#waiting][0]
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
