type Compare<T> = (a: T, b: T) => number

const MAX_INSERTION = 12
const SHORTEST_NINTHER = 50
const SHORTEST_SHIFTING = 50
const MAX_SHIFTS = 5

/**
 * Sorts in place and leaves equal elements in the very order in which Go's slices.SortFunc (a pattern-defeating quicksort,
 * arXiv:2106.05123, without blocks) leaves them. Error texts quote the first of several spellings of a name, so the order shows.
 */
export function patternDefeatingSort<T>(data: T[], compare: Compare<T>): T[] {
  new Sorter(data, compare).sort(0, data.length, bitLength(data.length))
  return data
}

const bitLength = (value: number): number => 32 - Math.clz32(value)

class Sorter<T> {
  readonly #data: T[]
  readonly #compare: Compare<T>

  constructor(data: T[], compare: Compare<T>) {
    this.#data = data
    this.#compare = compare
  }

  /** Sorts [from, to); `badPivots` more unbalanced partitions are borne before heap sort takes over. */
  sort(from: number, to: number, badPivots: number): void {
    let balanced = true
    let partitioned = true
    for (;;) {
      const length = to - from
      if (length <= MAX_INSERTION) return this.#insertionSort(from, to)
      if (badPivots === 0) return this.#heapSort(from, to)
      if (!balanced) {
        this.#breakPatterns(from, length)
        badPivots--
      }
      const chosen = this.#choosePivot(from, length)
      let { pivot } = chosen
      if (chosen.hint === 'decreasing') {
        this.#reverse(from, to)
        pivot = to - 1 - (pivot - from)
      }
      if (balanced && partitioned && chosen.hint !== 'unknown' && this.#shiftFew(from, to)) return undefined
      // Nothing here is smaller than what stands before, so the pivot has equals: they are put first and left alone.
      if (from > 0 && !this.#less(from - 1, pivot)) {
        from = this.#partitionEqual(from, to, pivot)
        continue
      }
      const { middle, already } = this.#partition(from, to, pivot)
      partitioned = already
      balanced = Math.min(middle - from, to - middle) >= Math.trunc(length / 8)
      if (middle - from < to - middle) {
        this.sort(from, middle, badPivots)
        from = middle + 1
      } else {
        this.sort(middle + 1, to, badPivots)
        to = middle
      }
    }
  }

  #less(a: number, b: number): boolean {
    return this.#compare(this.#at(a), this.#at(b)) < 0
  }

  #at(index: number): T {
    if (index < 0 || index >= this.#data.length) throw new RangeError(`[sort_index] ${index}: lies outside of the list`)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an element may be undefined itself
    return this.#data[index] as T
  }

  #swap(a: number, b: number): void {
    const kept = this.#at(a)
    this.#data[a] = this.#at(b)
    this.#data[b] = kept
  }

  #reverse(from: number, to: number): void {
    for (let i = from, j = to - 1; i < j; i++, j--) this.#swap(i, j)
  }

  #insertionSort(from: number, to: number): void {
    for (let i = from + 1; i < to; i++) this.#shiftLeft(i, from)
  }

  #shiftLeft(index: number, from: number): void {
    for (let i = index; i > from && this.#less(i, i - 1); i--) this.#swap(i, i - 1)
  }

  #heapSort(from: number, to: number): void {
    const length = to - from
    for (let root = Math.trunc((length - 1) / 2); root >= 0; root--) this.#siftDown(root, length, from)
    for (let last = length - 1; last >= 0; last--) {
      this.#swap(from, from + last)
      this.#siftDown(0, last, from)
    }
  }

  #siftDown(root: number, length: number, from: number): void {
    for (let child = 2 * root + 1; child < length; child = 2 * root + 1) {
      if (child + 1 < length && this.#less(from + child, from + child + 1)) child++
      if (!this.#less(from + root, from + child)) return
      this.#swap(from + root, from + child)
      root = child
    }
  }

  /** Three swaps around the middle with places that an xorshift generator names, which starts from the length. */
  #breakPatterns(from: number, length: number): void {
    const middle = from + Math.trunc(length / 4) * 2
    const mask = (1 << bitLength(length)) - 1
    let state = BigInt(length)
    for (let index = middle - 1; index <= middle + 1; index++) {
      state ^= BigInt.asUintN(64, state << 13n)
      state ^= state >> 7n
      state ^= BigInt.asUintN(64, state << 17n)
      const place = Number(BigInt.asUintN(32, state)) & mask
      this.#swap(index, from + (place >= length ? place - length : place))
    }
  }

  #choosePivot(from: number, length: number): { pivot: number; hint: 'increasing' | 'decreasing' | 'unknown' } {
    let swaps = 0
    const median = (a: number, b: number, c: number): number => {
      const order = (x: number, y: number): [number, number] => {
        if (!this.#less(y, x)) return [x, y]
        swaps++
        return [y, x]
      }
      const [low, high] = order(a, b)
      const [middle] = order(high, c)
      return order(low, middle)[1]
    }
    const quarter = Math.trunc(length / 4)
    const places = [1, 2, 3].map((part) => from + quarter * part)
    const [i = 0, j = 0, k = 0] = length >= SHORTEST_NINTHER ? places.map((at) => median(at - 1, at, at + 1)) : places
    const pivot = median(i, j, k)
    if (swaps === 0) return { pivot, hint: 'increasing' }
    return { pivot, hint: swaps === 12 ? 'decreasing' : 'unknown' }
  }

  /** True where the range came out sorted after a few shifts. */
  #shiftFew(from: number, to: number): boolean {
    let i = from + 1
    for (let step = 0; step < MAX_SHIFTS; step++) {
      while (i < to && !this.#less(i, i - 1)) i++
      if (i === to) return true
      if (to - from < SHORTEST_SHIFTING) return false
      this.#swap(i, i - 1)
      if (i - from >= 2) this.#shiftLeft(i - 1, 0)
      if (to - i >= 2) for (let j = i + 1; j < to && this.#less(j, j - 1); j++) this.#swap(j, j - 1)
    }
    return false
  }

  #partition(from: number, to: number, pivot: number): { middle: number; already: boolean } {
    this.#swap(from, pivot)
    let i = from + 1
    let j = to - 1
    for (let swaps = 0; ; swaps++) {
      while (i <= j && this.#less(i, from)) i++
      while (i <= j && !this.#less(j, from)) j--
      if (i > j) {
        this.#swap(j, from)
        return { middle: j, already: swaps === 0 }
      }
      this.#swap(i++, j--)
    }
  }

  /** Where the elements that equal the pivot end. */
  #partitionEqual(from: number, to: number, pivot: number): number {
    this.#swap(from, pivot)
    let i = from + 1
    let j = to - 1
    for (;;) {
      while (i <= j && !this.#less(from, i)) i++
      while (i <= j && this.#less(from, j)) j--
      if (i > j) return i
      this.#swap(i++, j--)
    }
  }
}
