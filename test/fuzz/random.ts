/** A small deterministic generator (sfc32), so that a seed names a run. */
export class Random {
  #a = 0x9e3779b9
  #b = 0x243f6a88
  #c: number
  #d: number

  constructor(seed: number) {
    this.#c = seed | 0
    this.#d = Math.trunc(seed / 2 ** 32) | 1
    for (let i = 0; i < 16; i++) this.#next()
  }

  /** 0 <= n < limit */
  below(limit: number): number {
    return Math.floor((this.#next() / 2 ** 32) * limit)
  }

  chance(probability: number): boolean {
    return this.#next() / 2 ** 32 < probability
  }

  pick<T>(list: readonly T[]): T {
    const chosen = list[this.below(list.length)]
    if (chosen === undefined) throw new Error('[fuzz_random] list: needs an element to pick, is empty')
    return chosen
  }

  /** Up to `most` elements, some perhaps twice. */
  some<T>(list: readonly T[], most: number): T[] {
    return Array.from({ length: this.below(most + 1) }, () => this.pick(list))
  }

  shuffled<T>(list: readonly T[]): T[] {
    return list
      .map((element) => [this.#next(), element] as const)
      .toSorted((a, b) => a[0] - b[0])
      .map(([, element]) => element)
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }
}
