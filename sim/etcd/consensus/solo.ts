/** The door of a member that is alone: it agrees with itself as soon as its disk does. */
import { ENTRY_TYPE, encodeConfChange, type HardState, type RaftEntry } from '../../../lib/etcd/raft-entry.ts'
import { encodeRaftRequest } from '../../../lib/etcd/raft-request.ts'
import type { Applied, Applier, Known } from '../apply/applier.ts'
import { confChangeOf, type MembershipChange } from '../cluster/membership-change.ts'
import type { Members } from '../cluster/members.ts'
import { ERRORS } from '../errors.ts'
import type { ConsensusStatus, Door, Proposal, Reply } from './door.ts'
import { RequestIds } from './request-ids.ts'

interface Waiting {
  entry: RaftEntry
  known?: Known
  resolve: (applied: Applied) => void
}

export interface SoloOptions {
  memberId: bigint
  applier: Applier
  members: Members
  storage: {
    append(entries: readonly RaftEntry[], state?: HardState): void
    /** Resolves once everything appended so far is on the disk. */
    synced(): Promise<void>
  }
  /** What the log held at start, behind what the state has already. */
  entries: readonly RaftEntry[]
  /** The last entry that the state has, and what was voted: nothing, for a new member. */
  start: { index: number; term: number }
  /** Called after so many entries (`--snapshot-count`): the log may be cut. */
  snapshotCount: number
  onSnapshotDue: (last: { index: number; term: number }) => void
  /** What a member that had no log begins with. */
  bootstrap: MembershipChange
  maxRequestBytes: number
  /** After this a request that no quorum takes is given up (server/config/config.go, ReqTimeout). */
  requestTimeoutMs: number
}

export class Solo implements Door {
  readonly #options: SoloOptions
  readonly #ids: RequestIds
  readonly #term: number
  #index: number
  #snapshotIndex: number
  #waiting: Waiting[] = []
  #isFlushing = false
  #isScheduled = false
  #listener: (leads: boolean) => void = () => {}

  constructor(options: SoloOptions) {
    this.#options = options
    this.#ids = new RequestIds(options.memberId)
    const { start } = options
    for (const entry of options.entries) options.applier.apply(entry)
    const last = options.entries.at(-1) ?? (start.index > 0 ? start : undefined)
    this.#index = last?.index ?? 0
    this.#snapshotIndex = this.#index
    const lastTerm = Math.max(last?.term ?? 0, start.term)
    // As etcd's own log begins: the member itself in term 1, then an election, and what its leader begins with.
    if (!last) this.#bootstrap()
    this.#term = Math.max(lastTerm, 1) + 1
    this.#append(ENTRY_TYPE.normal, Buffer.alloc(0), () => {})
  }

  get status(): ConsensusStatus {
    const { index } = this.#options.applier
    return {
      leader: this.#hasQuorum() ? this.#options.memberId : 0n,
      term: this.#term,
      committedIndex: index,
      appliedIndex: index,
    }
  }

  async propose({ kind, body, request, info }: Proposal): Promise<Reply> {
    const data = encodeRaftRequest({
      id: this.#ids.next(),
      kind,
      body,
      ...(info ? { username: info.username, authRevision: Number(info.revision) } : {}),
    })
    if (data.length > this.#options.maxRequestBytes) throw ERRORS.requestTooLarge()
    const known = request === undefined ? undefined : { kind, request, info }
    return this.#agreed(ENTRY_TYPE.normal, data, known)
  }

  async configure(change: MembershipChange): Promise<void> {
    await this.#agreed(ENTRY_TYPE.confChange, encodeConfChange(confChangeOf(change, this.#ids.next())))
  }

  /** Whatever was acknowledged is applied, so that there is nothing to wait for, unless others would have a say. */
  async linearizable(): Promise<void> {
    if (!this.#hasQuorum()) return this.#timeOut()
  }

  async applied(index: number): Promise<void> {
    if (index > this.#options.applier.index) throw ERRORS.invalidAuthToken()
  }

  onLeadership(listener: (leads: boolean) => void): void {
    this.#listener = listener
    listener(true)
  }

  async moveLeader(target: bigint): Promise<void> {
    if (target !== this.#options.memberId) throw ERRORS.badLeaderTransferee()
  }

  /** No learner ever hears from a member that is alone. */
  isLearnerReady(): boolean {
    return false
  }

  requireHealthy(): void {}

  close(): void {
    this.#listener(false)
  }

  /** One vote is a quorum of one. */
  #hasQuorum(): boolean {
    return this.#options.members.voters().length <= 1
  }

  async #agreed(type: number, data: Buffer, known?: Known): Promise<Reply> {
    if (!this.#hasQuorum()) await this.#timeOut()
    const { reply, error } = await new Promise<Applied>((resolve) => this.#append(type, data, resolve, known))
    if (error) throw error
    return reply
  }

  #append(type: number, data: Buffer, resolve: Waiting['resolve'], known?: Known): void {
    this.#index += 1
    const entry = { type, term: this.#term, index: this.#index, data }
    this.#options.storage.append([entry])
    this.#waiting.push(known ? { entry, known, resolve } : { entry, resolve })
    if (this.#isFlushing || this.#isScheduled) return
    this.#isScheduled = true
    // At the end of the turn, so that all requests that came with it are written together.
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#isScheduled = false
    this.#isFlushing = true
    const flushed = this.#waiting
    this.#waiting = []
    const { storage, applier, memberId } = this.#options
    // What is on the disk of the only voter is agreed.
    storage.append([], { term: this.#term, vote: memberId, commit: this.#index })
    void storage.synced().then(() => {
      this.#isFlushing = false
      for (const { entry, known, resolve } of flushed) resolve(applier.apply(entry, known))
      this.#snapshotIfDue()
      if (this.#waiting.length > 0) this.#flush()
    })
  }

  #bootstrap(): void {
    const { bootstrap, storage, applier } = this.#options
    const data = encodeConfChange(confChangeOf(bootstrap, 0n))
    const entry = { type: ENTRY_TYPE.confChange, term: 1, index: 1, data }
    storage.append([entry], { term: 1, vote: 0n, commit: 1 })
    applier.apply(entry)
    this.#index = 1
  }

  #snapshotIfDue(): void {
    const { applier, snapshotCount, onSnapshotDue } = this.#options
    const { index, term } = applier
    if (index - this.#snapshotIndex <= snapshotCount) return
    this.#snapshotIndex = index
    onSnapshotDue({ index, term })
  }

  #timeOut(): Promise<never> {
    return new Promise((_, reject) => {
      setTimeout(() => reject(ERRORS.timeout()), this.#options.requestTimeoutMs).unref()
    })
  }
}
