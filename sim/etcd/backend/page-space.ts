/**
 * Which pages of the file are free. A page that a transaction gave up is free again once no meta page leads to it: that
 * transaction is on the disk, and nobody reads the state before it any more (bbolt, freelist).
 */
export class PageSpace {
  /** Falling, so that the lowest page is taken from the end. */
  #free: number[]
  #pending: { transaction: number; pages: number[] }[] = []
  #givenUp: number[] = []
  /** First page behind all that are in use. */
  highWater: number

  constructor(highWater: number, free: number[] = []) {
    this.highWater = highWater
    this.#free = falling(free)
  }

  get freeCount(): number {
    return this.#free.length
  }

  /** The first of `count` pages in a row: the lowest that are free, else new ones. */
  allocate(count: number): number {
    const free = this.#free
    if (count === 1 && free.length > 0) return free.pop()!
    for (let lowest = free.length - 1; lowest >= count - 1; lowest -= 1) {
      const first = free[lowest]!
      if (free[lowest - count + 1] !== first + count - 1) continue
      free.splice(lowest - count + 1, count)
      return first
    }
    const first = this.highWater
    this.highWater += count
    return first
  }

  giveUp(first: number, count: number): void {
    for (let page = first; page < first + count; page += 1) this.#givenUp.push(page)
  }

  /** What was given up belongs to this transaction, which is on the disk. */
  committed(transaction: number): void {
    if (this.#givenUp.length === 0) return
    this.#pending.push({ transaction, pages: this.#givenUp })
    this.#givenUp = []
  }

  /** Frees what only transactions before `oldestRead` led to: a reader of transaction R needs what later ones gave up. */
  release(oldestRead: number): void {
    const released = this.#pending.filter(({ transaction }) => transaction <= oldestRead)
    if (released.length === 0) return
    this.#pending = this.#pending.filter(({ transaction }) => transaction > oldestRead)
    const pages = falling(released.flatMap((each) => each.pages))
    this.#free = merge(this.#free, pages)
  }
}

function falling(pages: number[]): number[] {
  return pages.sort((one, other) => other - one)
}

function merge(one: readonly number[], other: readonly number[]): number[] {
  if (one.length === 0) return [...other]
  const merged: number[] = []
  let at = 0
  for (const page of one) {
    while (at < other.length && other[at]! > page) merged.push(other[at++]!)
    merged.push(page)
  }
  while (at < other.length) merged.push(other[at++]!)
  return merged
}
