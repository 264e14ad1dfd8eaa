/** One direction of a connection with its faults: what passes in the place of what was sent. */
import type { Fault } from './fault.ts'
import { Tamper } from './tamper.ts'

/** What becomes of the connection after the bytes. */
export type PassageEnding = 'fin' | 'cut' | 'reset' | 'freeze'

export interface Step {
  bytes: Buffer
  /** How much later they pass. */
  delayMs: number
  ending?: PassageEnding
}

const NOTHING = Buffer.alloc(0)

export class Passage {
  readonly #faults: readonly Fault[]
  readonly #tampers: readonly Tamper[]
  readonly #delayMs: number
  #passed = 0
  #ended = false
  /** What came after a freeze, until it thaws. */
  #frozen: Buffer | undefined
  #thawed = false

  /** Faults of this direction; `fromStart` says whether the connection is seen from its first byte. */
  constructor(faults: readonly Fault[], fromStart = true) {
    this.#faults = faults
    this.#tampers = fromStart
      ? faults.flatMap((fault) => (fault.kind === 'tamper' ? [new Tamper(fault.edit)] : []))
      : []
    this.#delayMs = Math.max(0, ...faults.map((fault) => (fault.kind === 'delay' ? fault.ms : 0)))
  }

  push(chunk: Buffer): Step {
    if (this.#ended) return this.#step(NOTHING)
    let bytes = chunk
    let isOver = false
    for (const tamper of this.#tampers) {
      const tampered = tamper.push(bytes)
      bytes = tampered.bytes
      isOver ||= tampered.fin ?? false
    }
    const stop = this.#stopWithin(bytes.length)
    if (stop !== undefined) {
      const passing = bytes.subarray(0, stop.at)
      this.#passed += passing.length
      if (stop.ending !== undefined) this.#ended = stop.ending !== 'freeze'
      if (stop.ending === 'freeze') this.#frozen = bytes.subarray(stop.at)
      return this.#step(passing, stop.ending)
    }
    this.#passed += bytes.length
    this.#ended ||= isOver
    return this.#step(bytes, isOver ? 'fin' : undefined)
  }

  /** What is still held when the sender has said its last. */
  end(): Step {
    return this.#step(this.#ended ? NOTHING : Buffer.concat(this.#tampers.map((tamper) => tamper.end())))
  }

  /** A frozen direction goes on, with what it held. */
  thaw(): Step {
    const bytes = this.#frozen ?? NOTHING
    this.#frozen = undefined
    this.#thawed = true
    this.#passed += bytes.length
    return this.#step(bytes)
  }

  #step(bytes: Buffer, ending?: PassageEnding): Step {
    return { bytes, delayMs: this.#delayMs, ...(ending === undefined ? {} : { ending }) }
  }

  /** The first fault that stops these bytes, and at which of them. */
  #stopWithin(length: number): { at: number; ending?: PassageEnding } | undefined {
    let first: { at: number; ending?: PassageEnding } | undefined
    for (const fault of this.#faults) {
      if (fault.kind === 'delay' || fault.kind === 'tamper' || (fault.kind === 'freeze' && this.#thawed)) continue
      const at = Math.max(0, (fault.afterBytes ?? 0) - this.#passed)
      // A limit that these bytes just reach is reached: `cut` after all of them does not wait for another.
      const isReached = fault.kind === 'drop' || fault.kind === 'freeze' ? at < length : at <= length
      if (!isReached || (first !== undefined && first.at <= at)) continue
      const ending = ENDINGS[fault.kind]
      first = { at, ...(ending === undefined ? {} : { ending }) }
    }
    return first
  }
}

const ENDINGS: Readonly<Record<string, PassageEnding>> = {
  'half-close': 'fin',
  cut: 'cut',
  reset: 'reset',
  freeze: 'freeze',
}
