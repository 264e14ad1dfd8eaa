/** Events of a simulated world in the order of their time; at the same time, in the order they were made. */
interface Event {
  time: number
  order: number
  act: () => void
}

export class EventQueue {
  now = 0
  readonly #heap: Event[] = []
  #made = 0

  after(delay: number, act: () => void): void {
    const event = { time: this.now + delay, order: this.#made++, act }
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  /** Runs the next event. False where there is none. */
  step(): boolean {
    const heap = this.#heap
    const first = heap[0]
    if (!first) return false
    const last = heap.pop()!
    if (heap.length > 0) this.#sink(last)
    this.now = first.time
    first.act()
    return true
  }

  #sink(event: Event): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, event)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = event
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.time < other.time || (one.time === other.time && one.order < other.order)
}
