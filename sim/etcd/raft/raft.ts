/**
 * One member of a Raft group, without clock, disk or socket (Ongaro, "Consensus: Bridging Theory and Practice", with etcd's
 * choices where the thesis leaves one). Whoever runs it calls `tick`, hands in messages, and for each `ready()`: writes
 * snapshot, entries and hard state, then sends `messages`, applies `committed`, and calls `advance` with it. `eager` messages
 * need not wait for the disk.
 */
import { ENTRY_TYPE } from '../../../lib/etcd/raft-entry.ts'
import { isForcedByTransfer, standForElection } from './campaign.ts'
import { stepCandidate } from './candidate.ts'
import type { VoterChange } from './configuration.ts'
import { Core, type RaftOptions, type Role } from './core.ts'
import { stepFollower } from './follower.ts'
import { stepLeader } from './leader.ts'
import {
  message,
  NOBODY,
  type ConfState,
  type Entry,
  type HardState,
  type Message,
  type MessageType,
  type NodeId,
  type Snapshot,
} from './message.ts'
import type { RaftLog } from './raft-log.ts'
import type { ReadState } from './read-requests.ts'
import { broadcastAppend, broadcastHeartbeat, commitIfMajority, sendAppend } from './replication.ts'
import { answerVote } from './vote.ts'

export interface Ready {
  /** To be saved before anything else, and taken over by the state machine before `committed`. */
  snapshot: Snapshot | undefined
  /** To be saved; the first one replaces whatever was there from its index on. */
  entries: Entry[]
  /** To be saved where it changed. */
  hardState: HardState | undefined
  /** Whether the above must be on the disk before `messages` go out. */
  mustSync: boolean
  eager: Message[]
  messages: Message[]
  committed: Entry[]
  reads: ReadState[]
}

/** Messages that promise nothing about this member's own disk. */
const EAGER: ReadonlySet<MessageType> = new Set(['append', 'heartbeat', 'snapshot', 'propose', 'readIndex'])

export class Raft {
  readonly #core: Core
  #saved: HardState

  constructor(options: RaftOptions) {
    this.#core = new Core(options)
    this.#saved = { ...options.hardState }
  }

  get id(): NodeId {
    return this.#core.id
  }

  get log(): RaftLog {
    return this.#core.log
  }

  get term(): number {
    return this.#core.term
  }

  get role(): Role {
    return this.#core.role
  }

  /** `NOBODY` where it knows of none. */
  get leader(): NodeId {
    return this.#core.leader
  }

  get confState(): ConfState {
    return this.#core.configuration.confState
  }

  get isLearner(): boolean {
    return this.#core.isLearner
  }

  /** How far a member is, as its leader knows. */
  progressOf(id: NodeId): { match: number; next: number; state: string } | undefined {
    const { role, progress } = this.#core
    return role === 'leader' ? progress.get(id) : undefined
  }

  tick(): void {
    const core = this.#core
    const { electionTicks, heartbeatTicks, checkQuorum, preVote } = core.options
    core.electionElapsed++
    if (core.role !== 'leader') {
      if (!core.mayCampaign || !core.electionIsDue) return
      core.electionElapsed = 0
      return standForElection(core, preVote ? 'preElection' : 'election')
    }
    core.heartbeatElapsed++
    if (core.electionElapsed >= electionTicks) {
      core.electionElapsed = 0
      core.transferee = NOBODY
      if (checkQuorum) this.step(message('checkQuorum', core.id, { from: core.id }))
    }
    if (core.role !== 'leader' || core.heartbeatElapsed < heartbeatTicks) return
    core.heartbeatElapsed = 0
    broadcastHeartbeat(core)
  }

  /** Stands for election now. */
  campaign(): void {
    standForElection(this.#core, this.#core.options.preVote ? 'preElection' : 'election')
  }

  /** Takes a message. False: a proposal or read that nobody can take now. */
  step(message: Message): boolean {
    const core = this.#core
    if (message.term > core.term) {
      if (!this.#meetHigherTerm(message)) return true
    } else if (message.term !== 0 && message.term < core.term) {
      this.#answerLowerTerm(message)
      return true
    }
    if (message.type === 'vote' || message.type === 'preVote') {
      answerVote(core, message)
      return true
    }
    if (core.role === 'leader') return stepLeader(core, message)
    return core.role === 'follower' ? stepFollower(core, message) : stepCandidate(core, message)
  }

  /** Puts entries before the leader. False where there is none to be found, or it is about to hand over. */
  propose(...proposals: readonly { type?: number; data: Buffer }[]): boolean {
    const entries = proposals.map(({ type = ENTRY_TYPE.normal, data }) => ({ type, data, term: 0, index: 0 }))
    return this.step(message('propose', this.id, { from: this.id, entries }))
  }

  /** Asks for an index that a linearizable read has to wait for; it comes in `Ready.reads` with the same context, or never. */
  readIndex(context: Buffer): boolean {
    const entries = [{ type: ENTRY_TYPE.normal, term: 0, index: 0, data: context }]
    return this.step(message('readIndex', this.id, { from: this.id, entries }))
  }

  transferLeadership(to: NodeId): void {
    this.step(message('transferLeader', this.id, { from: to }))
  }

  /** What was sent to that member may not have come. */
  reportUnreachable(id: NodeId): void {
    if (this.role === 'leader') this.step(message('unreachable', this.id, { from: id }))
  }

  reportSnapshot(id: NodeId, arrived: boolean): void {
    if (this.role === 'leader') this.step(message('snapshotStatus', this.id, { from: id, reject: !arrived }))
  }

  /** To be called for each membership change that is applied. @throws Error `removed all voters`. */
  applyConfChange(change: VoterChange): ConfState {
    const core = this.#core
    const next = core.configuration.after(change)
    if (next === core.configuration) return next.confState
    core.setConfiguration(next)
    if (core.role !== 'leader') return next.confState
    if (!next.voters.has(core.id)) core.becomeFollower(core.term, NOBODY)
    else if (commitIfMajority(core)) broadcastAppend(core)
    else for (const id of core.progress.keys()) if (id !== core.id) sendAppend(core, id, false)
    if (core.transferee !== NOBODY && !next.voters.has(core.transferee)) core.transferee = NOBODY
    return next.confState
  }

  get hasReady(): boolean {
    const { log, outbox, readStates } = this.#core
    return (
      outbox.length > 0 ||
      log.hasUnstable ||
      log.hasApplicable ||
      log.unstableSnapshot !== undefined ||
      readStates.length > 0 ||
      this.#changedHardState() !== undefined
    )
  }

  /** What is to be done now. One at a time: `advance` with it comes before the next. */
  ready(): Ready {
    const core = this.#core
    const { log } = core
    const hardState = this.#changedHardState()
    const isOldNews =
      hardState === undefined || (hardState.term === this.#saved.term && hardState.vote === this.#saved.vote)
    const entries = log.unstable()
    const snapshot = log.unstableSnapshot
    const sent = core.outbox.splice(0)
    const isEager = ({ type }: Message): boolean => isOldNews && EAGER.has(type)
    return {
      snapshot,
      entries,
      hardState,
      mustSync: entries.length > 0 || snapshot !== undefined || !isOldNews,
      eager: sent.filter(isEager),
      messages: sent.filter((each) => !isEager(each)),
      committed: log.applicable(),
      reads: core.readStates.splice(0),
    }
  }

  advance({ snapshot, entries, hardState, committed }: Ready): void {
    const core = this.#core
    const { log } = core
    if (hardState) this.#saved = hardState
    if (snapshot) {
      log.snapshotSaved(snapshot.index)
      log.appliedTo(snapshot.index)
    }
    const lastSaved = entries.at(-1)
    if (lastSaved) log.stableTo(lastSaved.index, lastSaved.term)
    const lastApplied = committed.at(-1)
    if (lastApplied) log.appliedTo(lastApplied.index)
    if (core.role !== 'leader') return
    // Its own disk counts as one of the majority.
    core.progress.get(core.id)?.acknowledged(log.stable)
    if (commitIfMajority(core)) broadcastAppend(core)
  }

  #changedHardState(): HardState | undefined {
    const { term, vote, log } = this.#core
    const { committed: commit } = log
    const saved = this.#saved
    const isSame = term === saved.term && vote === saved.vote && commit === saved.commit
    return isSame ? undefined : { term, vote, commit }
  }

  /** False where the message is to be left alone. */
  #meetHigherTerm(message: Message): boolean {
    const core = this.#core
    const { type, from, term, reject } = message
    const isVote = type === 'vote' || type === 'preVote'
    if (isVote && core.isInLease && !isForcedByTransfer(message)) return false
    // A pre-vote, and a grant of one, name a term that nobody has reached yet.
    if (type === 'preVote' || (type === 'preVoteResponse' && !reject)) return true
    core.tellOfHigherTerm(message)
    const isLeaders = type === 'append' || type === 'heartbeat' || type === 'snapshot'
    core.becomeFollower(term, isLeaders ? from : NOBODY)
    return true
  }

  #answerLowerTerm({ type, from }: Message): void {
    const core = this.#core
    const { checkQuorum, preVote } = core.options
    // Its leader may be cut off by a term that nobody won: to hear of that term frees it.
    if ((checkQuorum || preVote) && (type === 'heartbeat' || type === 'append')) core.send('appendResponse', from)
    // Without an answer a pre-candidate with a lower term could wait for ever.
    else if (type === 'preVote') core.send('preVoteResponse', from, { reject: true })
  }
}
