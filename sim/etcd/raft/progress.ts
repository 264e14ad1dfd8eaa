/** What a leader knows of one member's log, and how fast it may send (raft's tracker/progress.go). */
import type { Entry } from './message.ts'

/**
 * `probe`: one message at a time, to find where the logs match; `replicate`: entries as they come, up to a number of messages
 * in flight; `snapshot`: nothing until the snapshot has arrived or failed.
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot'

export class Progress {
  state: ProgressState = 'probe'
  /** The last entry that is known to be there. */
  match: number
  /** The next entry to send. */
  next: number
  /** Index of the snapshot under way, 0 for none. */
  pendingSnapshot = 0
  /** Heard from since the leader last asked who is there. */
  recentlyActive = false
  /** A probe is under way; the next answer to a heartbeat lifts it. */
  #isProbing = false
  /** Last index of each message in flight. */
  readonly #inflight: number[] = []
  readonly #mostInflight: number

  constructor({ match, next, mostInflight }: { match: number; next: number; mostInflight: number }) {
    this.match = match
    this.next = next
    this.#mostInflight = mostInflight
  }

  get isPaused(): boolean {
    if (this.state === 'probe') return this.#isProbing
    return this.state === 'snapshot' || this.isFull
  }

  get isFull(): boolean {
    return this.#inflight.length >= this.#mostInflight
  }

  probe(): void {
    // A snapshot that arrived is known to match.
    const next = this.match + 1
    this.next = this.state === 'snapshot' ? Math.max(next, this.pendingSnapshot + 1) : next
    this.#reset('probe')
  }

  replicate(): void {
    this.#reset('replicate')
    this.next = this.match + 1
  }

  waitForSnapshot(index: number): void {
    this.#reset('snapshot')
    this.pendingSnapshot = index
    this.next = index + 1
  }

  snapshotFailed(): void {
    this.pendingSnapshot = 0
    this.probe()
  }

  /** Nothing more until an answer, or the next heartbeat. */
  pause(): void {
    this.#isProbing = true
  }

  heard(): void {
    this.recentlyActive = true
    this.#isProbing = false
    // An answer may have been lost: one more message is worth a try.
    if (this.isFull) this.#inflight.shift()
  }

  sent(entries: readonly Entry[]): void {
    const last = entries.at(-1)
    if (this.state === 'probe') this.#isProbing = true
    if (this.state !== 'replicate' || last === undefined) return
    this.next = last.index + 1
    this.#inflight.push(last.index)
  }

  /** The member has everything up to `index`. False where that was known. */
  acknowledged(index: number): boolean {
    while (this.#inflight.length > 0 && this.#inflight[0]! <= index) this.#inflight.shift()
    this.next = Math.max(this.next, index + 1)
    if (index <= this.match) return false
    this.match = index
    this.#isProbing = false
    return true
  }

  /** The member refused what came after `index`; the logs may match at `hint`. False for a refusal out of date. */
  refused(index: number, hint: number): boolean {
    if (this.state === 'replicate') {
      if (index <= this.match) return false
      this.probe()
      return true
    }
    if (this.next - 1 !== index) return false
    this.next = Math.max(Math.min(index, hint + 1), this.match + 1)
    this.#isProbing = false
    return true
  }

  #reset(state: ProgressState): void {
    this.state = state
    this.pendingSnapshot = 0
    this.#isProbing = false
    this.#inflight.length = 0
  }
}
