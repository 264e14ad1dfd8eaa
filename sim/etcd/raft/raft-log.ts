/** A member's log: what is appended, what of it is stable, committed and applied. */
import type { Entry, Snapshot } from './message.ts'

/** A broken promise of the log: the real one panics with this text, exit code 2. */
export class RaftPanic extends Error {}

export interface LogStart {
  /** The last entry that is gone, 0 and 0 where none is. */
  compacted: { index: number; term: number }
  entries: readonly Entry[]
  committed: number
  applied: number
}

export class RaftLog {
  /** Entries after `#compacted`, without a gap. */
  #entries: Entry[]
  #compacted: { index: number; term: number }
  #committed: number
  #applied: number
  /** Everything up to here is on the disk. */
  #stable: number
  /** Received, and not yet saved and applied. */
  #unstableSnapshot: Snapshot | undefined

  constructor({ compacted, entries, committed, applied }: LogStart) {
    this.#compacted = { ...compacted }
    this.#entries = [...entries]
    this.#stable = this.lastIndex
    this.#committed = committed
    this.#applied = applied
    if (committed > this.lastIndex) throw outOfRange(committed, this.lastIndex)
  }

  get lastIndex(): number {
    return this.#compacted.index + this.#entries.length
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#compacted.term
  }

  get firstIndex(): number {
    return this.#compacted.index + 1
  }

  get committed(): number {
    return this.#committed
  }

  get applied(): number {
    return this.#applied
  }

  get stable(): number {
    return this.#stable
  }

  get unstableSnapshot(): Snapshot | undefined {
    return this.#unstableSnapshot
  }

  /** Undefined where the entry is not there any more, or not yet. */
  termAt(index: number): number | undefined {
    if (index === this.#compacted.index) return this.#compacted.term
    return this.#entries[index - this.firstIndex]?.term
  }

  /** Entries from `from` to `to`, both included, and not more than `mostBytes` of data but for the first. */
  slice(from: number, to: number, mostBytes = Infinity): Entry[] {
    const start = from - this.firstIndex
    const end = Math.min(to, this.lastIndex) - this.firstIndex + 1
    if (mostBytes === Infinity) return this.#entries.slice(start, end)
    let bytes = 0
    let stop = start
    for (; stop < end; stop++) {
      bytes += this.#entries[stop]!.data.length
      if (bytes > mostBytes && stop > start) break
    }
    return this.#entries.slice(start, stop)
  }

  /** Whether a log that ends so is at least as far as this one. */
  isUpToDate(index: number, term: number): boolean {
    return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex)
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) this.#entries.push(entry)
  }

  /**
   * A leader's entries after (`index`, `logTerm`): the index of the last one, or undefined where that does not match.
   * @throws RaftPanic where they contradict what is committed.
   */
  take(index: number, logTerm: number, entries: readonly Entry[]): number | undefined {
    if (this.termAt(index) !== logTerm) return undefined
    const first = entries.findIndex((entry) => this.termAt(entry.index) !== entry.term)
    if (first !== -1) {
      const conflict = entries[first]!.index
      if (conflict <= this.#committed) {
        throw new RaftPanic(`entry ${conflict} conflict with committed entry [committed(${this.#committed})]`)
      }
      this.#truncate(conflict - 1)
      this.append(first === 0 ? entries : entries.slice(first))
    }
    return index + entries.length
  }

  /** The last entry at or before `index` with a term not above `term`: where two logs may still agree. */
  lastNotAbove(index: number, term: number): { index: number; term: number } {
    for (let at = index; at > 0; at--) {
      const own = this.termAt(at)
      // Compacted: it is the other side that has to find out.
      if (own === undefined) return { index: at, term: 0 }
      if (own <= term) return { index: at, term: own }
    }
    return { index: 0, term: 0 }
  }

  /** @throws RaftPanic where the entry is not there: this member has lost what it once had. */
  commitTo(index: number): void {
    if (index <= this.#committed) return
    if (index > this.lastIndex) throw outOfRange(index, this.lastIndex)
    this.#committed = index
  }

  unstable(): Entry[] {
    return this.slice(Math.max(this.#stable + 1, this.firstIndex), this.lastIndex)
  }

  get hasUnstable(): boolean {
    return this.lastIndex > this.#stable
  }

  /** Entries that may be applied now. None while a snapshot waits, which comes before them. */
  applicable(): Entry[] {
    return this.hasApplicable ? this.slice(this.#applied + 1, this.#committed) : []
  }

  get hasApplicable(): boolean {
    return this.#committed > this.#applied && this.#unstableSnapshot === undefined
  }

  /** The disk has everything up to this entry, unless it was replaced in the meantime. */
  stableTo(index: number, term: number): void {
    if (index > this.#stable && this.termAt(index) === term) this.#stable = index
  }

  snapshotSaved(index: number): void {
    if (this.#unstableSnapshot?.index === index) this.#unstableSnapshot = undefined
  }

  appliedTo(index: number): void {
    this.#applied = Math.max(this.#applied, index)
  }

  /** Drops entries up to `index`, which has been applied. */
  compact(index: number): void {
    const term = this.termAt(index)
    if (index <= this.#compacted.index || term === undefined || index > this.#applied) return
    this.#entries = this.#entries.slice(index - this.#compacted.index)
    this.#compacted = { index, term }
  }

  /** A leader's snapshot takes the place of all there is. */
  restore(snapshot: Snapshot): void {
    this.#compacted = { index: snapshot.index, term: snapshot.term }
    this.#entries = []
    this.#committed = snapshot.index
    this.#stable = snapshot.index
    this.#unstableSnapshot = snapshot
  }

  #truncate(last: number): void {
    this.#entries.length = last - this.#compacted.index
    this.#stable = Math.min(this.#stable, last)
  }
}

function outOfRange(index: number, last: number): RaftPanic {
  const text = `tocommit(${index}) is out of range [lastIndex(${last})]. Was the raft log corrupted, truncated, or lost?`
  return new RaftPanic(text)
}
