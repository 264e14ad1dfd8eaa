/**
 * A member's part in the group: Raft with a clock, a disk, peers and a state machine (server/etcdserver/raft.go and server.go).
 * What is proposed here is answered with what applying it at this member gave.
 */
import { isDeepStrictEqual } from 'node:util'
import { ENTRY_TYPE } from '../../../lib/etcd/raft-entry.ts'
import type { Transport } from '../peer/transport.ts'
import { voterChangesOf } from '../raft/conf-change.ts'
import { Configuration, type VoterChange } from '../raft/configuration.ts'
import {
  NO_BYTES,
  NOBODY,
  type ConfState,
  type Entry,
  type Message,
  type NodeId,
  type Snapshot,
} from '../raft/message.ts'
import { RaftLog } from '../raft/raft-log.ts'
import { Raft, type Ready } from '../raft/raft.ts'
import { Proposals, type Proposal, type ProposalErrors } from './proposals.ts'
import type { RaftStorage, StoredRaft } from './raft-storage.ts'
import { ReadBarrier } from './read-barrier.ts'
import type { StateMachine } from './state-machine.ts'

export interface ReplicaOptions<Result> {
  id: NodeId
  storage: RaftStorage
  stored: StoredRaft
  /** Who votes and who learns as of the snapshot, or of later entries that `machine` calls void when they come again. */
  confState: Pick<ConfState, 'voters' | 'learners'>
  machine: StateMachine<Result>
  transport: Transport
  heartbeatMs: number
  electionMs: number
  preVote: boolean
  /** A snapshot after so many entries (`--snapshot-count`). */
  snapshotCount: number
  /** Entries that stay in the log behind it, for members that are a little behind (`--snapshot-catchup-entries`, 5000). */
  catchUpEntries: number
  random: (limit: number) => number
  tell: (line: string) => void
  errors: ProposalErrors & { readTimedOut: () => Error }
  /** Raft or the disk have come to an end: nothing may be acknowledged any more. */
  onPanic: (error: Error) => void
  /** The group has taken this member out. */
  onRemoved: () => void
}

/** One message's entries, and messages in flight, as etcd has them (server/etcdserver/bootstrap.go). */
const MOST_MESSAGE_BYTES = 1024 * 1024
const MOST_INFLIGHT = 512

/** server/etcdserver/server.go, isActive. */
const MOST_TICKS_LATE = 3

export class Replica<Result> {
  readonly #options: ReplicaOptions<Result>
  readonly #raft: Raft
  readonly #proposals: Proposals<Result>
  readonly #reads: ReadBarrier
  readonly #timer: NodeJS.Timeout
  readonly #listeners = new Set<() => void>()
  #appliedIndex: number
  #appliedTerm: number
  #snapshotIndex: number
  #leader: NodeId = NOBODY
  #tickedAtMs = Date.now()
  #isPumping = false
  #isStopped = false

  constructor(options: ReplicaOptions<Result>) {
    this.#options = options
    const { id, stored, heartbeatMs, electionMs } = options
    const compacted = { index: stored.snapshot?.index ?? 0, term: stored.snapshot?.term ?? 0 }
    const committed = Math.max(stored.hardState.commit, compacted.index)
    this.#appliedIndex = compacted.index
    this.#appliedTerm = compacted.term
    this.#snapshotIndex = compacted.index
    this.#raft = new Raft({
      id,
      log: new RaftLog({ compacted, entries: stored.entries, committed, applied: compacted.index }),
      hardState: { ...stored.hardState, commit: committed },
      configuration: new Configuration(options.confState),
      electionTicks: Math.floor(electionMs / heartbeatMs),
      heartbeatTicks: 1,
      random: options.random,
      preVote: options.preVote,
      checkQuorum: true,
      mostMessageBytes: MOST_MESSAGE_BYTES,
      mostInflight: MOST_INFLIGHT,
      snapshot: () => this.#snapshotOfNow(),
      tell: options.tell,
    })
    this.#proposals = new Proposals((proposals) => this.#take(proposals), options.errors)
    this.#reads = new ReadBarrier(id, (context) => this.#step((raft) => raft.readIndex(context)))
    this.#timer = setInterval(() => this.#tick(), heartbeatMs)
    this.#pump()
  }

  get raft(): Raft {
    return this.#raft
  }

  get appliedIndex(): number {
    return this.#appliedIndex
  }

  get leads(): boolean {
    return this.#raft.role === 'leader'
  }

  /** Whether the clock has gone on up to now: it stands still while the process is paused (raft.go, latestTickTs). */
  get isTicking(): boolean {
    return Date.now() - this.#tickedAtMs < MOST_TICKS_LATE * this.#options.heartbeatMs
  }

  /** Called after each change of what Raft says of the leader, and of what is applied. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves with what applying it gave. */
  propose(proposal: Proposal, timeoutMs: number): Promise<Result> {
    return this.#proposals.add(proposal, timeoutMs)
  }

  /** Resolves once this member has applied all that was committed when it was called, by the word of a leader that still leads. */
  linearizable(timeoutMs: number): Promise<void> {
    return this.#reads.wait(timeoutMs, this.#options.errors.readTimedOut)
  }

  /** Takes what a peer sent. @throws Error for what is not for this member. */
  process(message: Message): void {
    if (message.to !== this.#options.id) throw new Error('cannot process message to mismatch member')
    // Never between members: nobody else's clock or transport has a say here.
    if (LOCAL.has(message.type)) throw new Error('raft: cannot step raft local message')
    this.#step((raft) => raft.step(message))
  }

  reportUnreachable(peer: NodeId): void {
    this.#step((raft) => raft.reportUnreachable(peer))
  }

  reportSnapshot(peer: NodeId, arrived: boolean): void {
    this.#step((raft) => raft.reportSnapshot(peer, arrived))
  }

  transferLeadership(to: NodeId): void {
    this.#step((raft) => raft.transferLeadership(to))
  }

  /** Does not wait out the first election timeout: the others are there, and no leader has been heard. */
  hurryElection(): void {
    this.#step((raft) => raft.campaign())
  }

  stop(): void {
    this.#isStopped = true
    clearInterval(this.#timer)
    this.#proposals.stop()
    this.#reads.stop()
  }

  #tick(): void {
    this.#tickedAtMs = Date.now()
    this.#step((raft) => raft.tick())
    this.#proposals.tick()
    this.#reads.tick()
  }

  #take(proposals: readonly Proposal[]): boolean {
    return this.#step((raft) => raft.propose(...proposals))
  }

  #step<T>(act: (raft: Raft) => T): T {
    let result: T
    try {
      result = act(this.#raft)
    } catch (error) {
      this.#panic(error)
      throw error
    }
    this.#pump()
    return result
  }

  #panic(error: unknown): void {
    this.stop()
    this.#options.onPanic(error instanceof Error ? error : new Error(String(error)))
  }

  /** One Ready after the other; what comes meanwhile waits for the next. */
  #pump(): void {
    if (this.#isPumping || this.#isStopped) return
    this.#isPumping = true
    this.#run().catch((error: unknown) => this.#panic(error))
  }

  async #run(): Promise<void> {
    const { storage } = this.#options
    while (this.#raft.hasReady && !this.#isStopped) {
      const ready = this.#raft.ready()
      for (const message of ready.eager) this.#send(message)
      if (ready.snapshot) await this.#takeOver(ready.snapshot)
      if (ready.entries.length > 0 || ready.hardState) storage.append(ready.entries, ready.hardState)
      if (ready.mustSync) await storage.synced()
      if (this.#isStopped) return
      for (const message of ready.messages) this.#send(message)
      for (const entry of ready.committed) this.#apply(entry)
      this.#raft.advance(ready)
      this.#answer(ready)
      if (this.#appliedIndex - this.#snapshotIndex >= this.#options.snapshotCount) await this.#compact()
    }
    this.#isPumping = false
  }

  #answer({ reads }: Ready): void {
    for (const { context, index } of reads) this.#reads.answered(context, index, this.#appliedIndex)
    this.#reads.applied(this.#appliedIndex)
    const { leader } = this.#raft
    if (leader !== this.#leader) {
      this.#leader = leader
      if (leader !== NOBODY) this.#proposals.flush()
    }
    for (const listener of this.#listeners) listener()
  }

  #apply(entry: Entry): void {
    const { machine } = this.#options
    const id = entry.data.length === 0 || this.#proposals.isEmpty ? 0n : machine.requestId(entry)
    const { result, isVoid = false } = machine.apply(entry, this.#proposals.known(id))
    this.#appliedIndex = entry.index
    this.#appliedTerm = entry.term
    if (entry.type !== ENTRY_TYPE.normal) for (const change of voterChangesOf(entry)) this.#applyChange(change, isVoid)
    if (id !== 0n) this.#proposals.applied(id, result)
  }

  #applyChange({ type, nodeId }: VoterChange, isVoid: boolean): void {
    const { voters, learners } = this.#raft.applyConfChange({ type, nodeId: isVoid ? NOBODY : nodeId })
    const { id, onRemoved } = this.#options
    if (!isVoid && nodeId === id && !voters.includes(id) && !learners.includes(id)) onRemoved()
  }

  #send(message: Message): void {
    if (message.type !== 'snapshot') return this.#options.transport.send(message)
    this.#sendSnapshot(message).catch(() => this.reportSnapshot(message.to, false))
  }

  /** What Raft has in mind is only where it stands: the state goes along as it is by now. */
  async #sendSnapshot(message: Message): Promise<void> {
    const { transport, machine } = this.#options
    const { confState } = this.#raft
    const { database, ...image } = await machine.image()
    if (isDeepStrictEqual(confState, this.#raft.confState)) {
      return transport.sendSnapshot({ ...message, snapshot: { ...image, confState } }, database)
    }
    // Who the members were as of that entry is not known any more: the next one will say.
    database.destroy()
    this.reportSnapshot(message.to, false)
  }

  #snapshotOfNow(): Snapshot {
    const { confState } = this.#raft
    return { index: this.#appliedIndex, term: this.#appliedTerm, confState, data: NO_BYTES }
  }

  async #takeOver(snapshot: Snapshot): Promise<void> {
    const { storage, machine } = this.#options
    await storage.saveSnapshot(snapshot)
    await machine.restore(snapshot)
    this.#appliedIndex = snapshot.index
    this.#appliedTerm = snapshot.term
    this.#snapshotIndex = snapshot.index
  }

  async #compact(): Promise<void> {
    const { storage, machine } = this.#options
    const snapshot = this.#snapshotOfNow()
    const data = await machine.checkpoint()
    await storage.saveSnapshot({ ...snapshot, data })
    this.#snapshotIndex = snapshot.index
    this.#raft.log.compact(snapshot.index - this.#options.catchUpEntries)
  }
}

const LOCAL: ReadonlySet<Message['type']> = new Set(['hup', 'beat', 'unreachable', 'snapshotStatus', 'checkQuorum'])
