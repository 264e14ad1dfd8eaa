/** What a member of a Raft group knows, and how its role changes. Who says what is in follower.ts, candidate.ts and leader.ts. */
import { ENTRY_TYPE } from '../../../lib/etcd/raft-entry.ts'
import type { Configuration } from './configuration.ts'
import {
  hexOf,
  message,
  NOBODY,
  type Entry,
  type HardState,
  type Message,
  type MessageType,
  type NodeId,
  type Snapshot,
} from './message.ts'
import { Progress } from './progress.ts'
import type { RaftLog } from './raft-log.ts'
import { ReadRequests, type ReadState } from './read-requests.ts'

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader'

export interface RaftOptions {
  id: NodeId
  log: RaftLog
  hardState: HardState
  configuration: Configuration
  /** Ticks without a leader after which a member stands for election: this many, up to twice as many less one. */
  electionTicks: number
  /** Ticks between two heartbeats of a leader. */
  heartbeatTicks: number
  /** 0 <= n < limit. */
  random: (limit: number) => number
  /** Ask whether one could win before raising the term (thesis section 9.6). */
  preVote: boolean
  /** A leader that hears no majority steps down, and a follower that hears its leader lets nobody disturb it. */
  checkQuorum: boolean
  mostMessageBytes: number
  mostInflight: number
  /** What a member that is too far behind gets; undefined while there is none. Its index has been applied. */
  snapshot: () => Snapshot | undefined
  /** The lines that etcd logs of an election. */
  tell: (line: string) => void
}

/** In the wire format an append is a MsgApp; logs say so. */
const LOG_NAMES: Partial<Record<MessageType, string>> = {
  append: 'MsgApp',
  appendResponse: 'MsgAppResp',
  vote: 'MsgVote',
  voteResponse: 'MsgVoteResp',
  preVote: 'MsgPreVote',
  preVoteResponse: 'MsgPreVoteResp',
  heartbeat: 'MsgHeartbeat',
  heartbeatResponse: 'MsgHeartbeatResp',
  snapshot: 'MsgSnap',
  timeoutNow: 'MsgTimeoutNow',
  readIndexResponse: 'MsgReadIndexResp',
}

export class Core {
  readonly id: NodeId
  readonly options: RaftOptions
  readonly log: RaftLog
  readonly outbox: Message[] = []
  readonly readStates: ReadState[] = []
  /** Of a leader. */
  readonly progress = new Map<NodeId, Progress>()
  readonly reads = new ReadRequests()
  /** Reads that wait for this leader's first commit. */
  readonly earlyReads: Message[] = []
  /** Of a candidate. */
  readonly votes = new Map<NodeId, boolean>()
  configuration: Configuration
  term: number
  vote: NodeId
  leader: NodeId = NOBODY
  role: Role = 'follower'
  electionElapsed = 0
  heartbeatElapsed = 0
  /** To whom leadership is being handed over. */
  transferee: NodeId = NOBODY
  /** The last membership change in the log; there is no second one before it is applied. */
  pendingConfIndex = 0
  #electionTimeout = 0

  constructor(options: RaftOptions) {
    this.id = options.id
    this.options = options
    this.log = options.log
    this.configuration = options.configuration
    this.term = options.hardState.term
    this.vote = options.hardState.vote
    this.becomeFollower(this.term, NOBODY)
  }

  get isLearner(): boolean {
    return this.configuration.learners.has(this.id)
  }

  get mayCampaign(): boolean {
    return this.configuration.voters.has(this.id) && this.log.unstableSnapshot === undefined
  }

  get electionIsDue(): boolean {
    return this.electionElapsed >= this.#electionTimeout
  }

  /** A leader has been heard lately: nobody else is to be elected. */
  get isInLease(): boolean {
    return this.options.checkQuorum && this.leader !== NOBODY && this.electionElapsed < this.options.electionTicks
  }

  becomeFollower(term: number, leader: NodeId): void {
    const isNews = term !== this.term || this.role !== 'follower'
    this.#reset(term)
    this.role = 'follower'
    this.#follow(leader)
    if (isNews) this.tell(`became follower at term ${term}`)
  }

  /** Neither the term nor the vote changes. */
  becomePreCandidate(): void {
    this.votes.clear()
    this.role = 'preCandidate'
    this.#follow(NOBODY)
    this.tell(`became pre-candidate at term ${this.term}`)
  }

  becomeCandidate(): void {
    this.#reset(this.term + 1)
    this.vote = this.id
    this.role = 'candidate'
    this.#follow(NOBODY)
    this.tell(`became candidate at term ${this.term}`)
  }

  becomeLeader(): void {
    this.#reset(this.term)
    this.role = 'leader'
    this.#follow(this.id)
    this.progress.get(this.id)?.replicate()
    // There may be one that is not applied yet: to wait is cheaper than to look.
    this.pendingConfIndex = this.log.lastIndex
    this.appendAsLeader([{ type: ENTRY_TYPE.normal, data: Buffer.alloc(0) }])
    this.tell(`became leader at term ${this.term}`)
  }

  appendAsLeader(entries: readonly Pick<Entry, 'type' | 'data'>[]): void {
    const first = this.log.lastIndex + 1
    this.log.append(entries.map(({ type, data }, at): Entry => ({ type, data, term: this.term, index: first + at })))
  }

  /** Fills in who says it, and the term, where a message does not bring its own. */
  send(type: MessageType, to: NodeId, fields: Partial<Message> = {}): void {
    this.outbox.push(message(type, to, { term: this.term, ...fields, from: fields.from ?? this.id }))
  }

  setConfiguration(configuration: Configuration): void {
    this.configuration = configuration
    const members = new Set(configuration.members)
    for (const id of this.progress.keys()) if (!members.has(id)) this.progress.delete(id)
    for (const id of members) {
      if (this.progress.has(id)) continue
      const fresh = this.#freshProgress(id)
      // It has had no chance to be heard yet.
      fresh.recentlyActive = true
      this.progress.set(id, fresh)
    }
    const listed = (ids: Iterable<NodeId>): string => `(${[...ids].join(' ')})`
    const learners = configuration.learners.size > 0 ? ` learners=${listed(configuration.learners)}` : ''
    this.tell(`switched to configuration voters=${listed(configuration.voters)}${learners}`)
  }

  tell(line: string): void {
    this.options.tell(`${hexOf(this.id)} ${line}`)
  }

  tellOfHigherTerm({ type, from, term }: Message): void {
    const name = LOG_NAMES[type] ?? type
    this.tell(`[term: ${this.term}] received a ${name} message with higher term from ${hexOf(from)} [term: ${term}]`)
  }

  #follow(leader: NodeId): void {
    const before = this.leader
    this.leader = leader
    if (before === leader) return
    const [one, other] = [hexOf(before), hexOf(leader)]
    const what =
      before === NOBODY
        ? `elected leader ${other}`
        : leader === NOBODY
          ? `lost leader ${one}`
          : `changed leader from ${one} to ${other}`
    this.options.tell(`raft.node: ${hexOf(this.id)} ${what} at term ${this.term}`)
  }

  #reset(term: number): void {
    if (term !== this.term) {
      this.term = term
      this.vote = NOBODY
    }
    this.electionElapsed = 0
    this.heartbeatElapsed = 0
    this.#electionTimeout = this.options.electionTicks + this.options.random(this.options.electionTicks)
    this.transferee = NOBODY
    this.pendingConfIndex = 0
    this.votes.clear()
    this.reads.clear()
    this.earlyReads.length = 0
    this.progress.clear()
    for (const id of this.configuration.members) this.progress.set(id, this.#freshProgress(id))
  }

  #freshProgress(id: NodeId): Progress {
    const { log, options } = this
    // Of its own log a member knows what is on its disk.
    const match = id === this.id ? log.stable : 0
    return new Progress({ match, next: log.lastIndex + 1, mostInflight: options.mostInflight })
  }
}
