/** Keys in order, in runs of bounded length: a new one moves one run's tail, not that of a million keys. */
const LONGEST_RUN = 512

export class SortedKeys {
  #runs: string[][] = []

  clear(): void {
    this.#runs = []
  }

  add(key: string): void {
    const at = this.#runOf(key)
    const run = this.#runs[at]
    if (!run) return void this.#runs.push([key])
    run.splice(lowerBound(run, key), 0, key)
    if (run.length > LONGEST_RUN) this.#runs.splice(at + 1, 0, run.splice(LONGEST_RUN / 2))
  }

  delete(key: string): void {
    const at = this.#runOf(key)
    const run = this.#runs[at]
    if (!run) return
    const index = lowerBound(run, key)
    if (run[index] !== key) return
    run.splice(index, 1)
    if (run.length === 0) this.#runs.splice(at, 1)
  }

  /** Keys from `start` on. */
  *from(start: string): Generator<string> {
    for (let at = this.#runOf(start); at < this.#runs.length; at += 1) {
      const run = this.#runs[at]!
      for (let index = run[0]! < start ? lowerBound(run, start) : 0; index < run.length; index += 1) yield run[index]!
    }
  }

  /** The run that holds a key, or would: the last whose first key is not above it. */
  #runOf(key: string): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#runs[middle]![0]! <= key) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }
}

function lowerBound(run: readonly string[], key: string): number {
  let low = 0
  let high = run.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (run[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}
