/** The door of a member of a cluster: what passes it goes through a Raft log that the members hold in common. */
import { randomInt } from 'node:crypto'
import { Readable } from 'node:stream'
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { decodeConfChange, ENTRY_TYPE, encodeConfChange, type ConfState } from '../../../lib/etcd/raft-entry.ts'
import { decodeRaftRequest, encodeRaftRequest } from '../../../lib/etcd/raft-request.ts'
import { durationText } from '../../../lib/settings/duration.ts'
import type { DatabaseChunk } from '../backend/database-chunks.ts'
import type { Applied, Applier, Known } from '../apply/applier.ts'
import { confChangeOf, membershipChangeOf, type MembershipChange } from '../cluster/membership-change.ts'
import type { Members } from '../cluster/members.ts'
import { ERRORS } from '../errors.ts'
import { log } from '../log.ts'
import type { PeerMetrics } from '../metrics/peer-metrics.ts'
import type { ServerMetrics } from '../metrics/server-metrics.ts'
import type { PeerIdentity } from '../peer/identity.ts'
import type { PeerDialing } from '../peer/peer-connection.ts'
import { Transport } from '../peer/transport.ts'
import { hexOf, type Entry, type Message, type NodeId, type Snapshot } from '../raft/message.ts'
import { Replica } from '../replica/replica.ts'
import type { RaftStorage, StoredRaft } from '../replica/raft-storage.ts'
import type { StateMachine } from '../replica/state-machine.ts'
import type { ConsensusStatus, Door, Proposal, Reply } from './door.ts'
import { healthProblem, longestConnected } from './quorum-health.ts'
import { RequestIds } from './request-ids.ts'

/** The disk of a member (sim/etcd/backend/backend.ts). */
export interface ReplicatedStorage extends RaftStorage {
  commit(): Promise<void>
  snapshot(): Promise<{ index: number; term: number; chunks: Iterable<DatabaseChunk> }>
  receive(index: number, database: AsyncIterable<Uint8Array>): Promise<void>
  takeReceived(index: number): Promise<void>
}

export interface ReplicatedOptions {
  identity: PeerIdentity
  dialing: PeerDialing
  applier: Applier
  members: Members
  storage: ReplicatedStorage
  stored: StoredRaft
  /** The state has every entry up to here already. */
  consistentIndex: number
  /** Who votes and learns as of there: the members at first, of a new cluster. */
  confState: Pick<ConfState, 'voters' | 'learners'>
  /** Where the other members are, as far as that is known at start. */
  peers: readonly { id: NodeId; peerUrls: readonly string[] }[]
  heartbeatMs: number
  electionMs: number
  metrics: { peers: PeerMetrics; server: ServerMetrics }
  preVote: boolean
  snapshotCount: number
  catchUpEntries: number
  maxRequestBytes: number
  /** After this a request that no quorum takes is given up (server/config/config.go, ReqTimeout). */
  requestTimeoutMs: number
  /** The members, for a snapshot's file. */
  membership: () => Buffer
  /** The state is what the db says from now on, which a leader has sent. */
  reload: () => void
  onPanic: (error: Error) => void
  onRemoved: () => void
}

/** How far behind its leader a learner may be to be promoted (readyPercentThreshold). */
const READY_SHARE = 0.9
const POLL_MS = 20
/** A member that reads of its own removal goes on a little, to tell the others that it has (server.go, stopWithDelay). */
const REMOVED_MS = 1000

export class Replicated implements Door {
  readonly transport: Transport
  readonly #options: ReplicatedOptions
  readonly #ids: RequestIds
  readonly #replica: Replica<Applied>
  #isLeading = false

  constructor(options: ReplicatedOptions) {
    this.#options = options
    const { identity, dialing, electionMs, heartbeatMs, confState } = options
    this.#ids = new RequestIds(identity.id)
    this.transport = new Transport({
      identity,
      dialing,
      metrics: options.metrics.peers,
      events: {
        onMessage: (message) => this.#hear(message),
        onUnreachable: (peer) => this.#replica.reportUnreachable(peer),
        onSnapshotSent: (peer, arrived) => this.#replica.reportSnapshot(peer, arrived),
        // After what the peer's log line says of it.
        onRemoved: () => setTimeout(options.onRemoved, 0),
      },
    })
    this.#replica = new Replica<Applied>({
      ...options,
      id: identity.id,
      onRemoved: () => setTimeout(options.onRemoved, REMOVED_MS),
      electionMs: Math.max(electionMs, heartbeatMs),
      machine: this.#machine(),
      transport: this.transport,
      random: randomInt,
      tell: (line) => log('info', line),
      errors: {
        notTaken: () => new GrpcError('DeadlineExceeded', 'context deadline exceeded'),
        notApplied: ERRORS.timeout,
        stopped: ERRORS.stopped,
        readTimedOut: ERRORS.timeout,
      },
    })
    this.#replica.onChange(() => options.metrics.server.led(this.#replica.raft.leader))
    for (const { id, peerUrls } of options.peers) this.transport.add(id, peerUrls)
    // Nobody else would stand, so there is nobody to wait for (--initial-election-tick-advance).
    const { voters } = this.#replica.raft.confState
    if (confState.voters.length <= 1 && voters.length === 1 && voters[0] === identity.id) this.#replica.hurryElection()
  }

  get status(): ConsensusStatus {
    const { leader, term, log: raftLog } = this.#replica.raft
    return { leader, term, committedIndex: raftLog.committed, appliedIndex: this.#replica.appliedIndex }
  }

  async propose({ kind, body, request, info }: Proposal): Promise<Reply> {
    const id = this.#ids.next()
    const data = encodeRaftRequest({
      id,
      kind,
      body,
      ...(info ? { username: info.username, authRevision: Number(info.revision) } : {}),
    })
    if (data.length > this.#options.maxRequestBytes) throw ERRORS.requestTooLarge()
    const known: Known | undefined = request === undefined ? undefined : { kind, request, info }
    return this.#agreed(id, ENTRY_TYPE.normal, data, known)
  }

  async configure(change: MembershipChange): Promise<void> {
    const id = this.#ids.next()
    await this.#agreed(id, ENTRY_TYPE.confChange, encodeConfChange(confChangeOf(change, id)))
  }

  async linearizable(): Promise<void> {
    try {
      await this.#replica.linearizable(this.#options.requestTimeoutMs)
    } catch (error) {
      this.#options.metrics.server.readIndexesFailed.inc()
      throw error
    }
  }

  async applied(index: number): Promise<void> {
    const isThere = (): boolean => this.#replica.appliedIndex >= index
    if (!isThere()) await this.#until(isThere, ERRORS.timeout)
  }

  onLeadership(listener: (leads: boolean) => void): void {
    listener(this.#isLeading)
    this.#replica.onChange(() => {
      if (this.#isLeading === this.#replica.leads) return
      this.#isLeading = this.#replica.leads
      listener(this.#isLeading)
    })
  }

  async ensureLeadership(): Promise<void> {
    // Its clock goes, so that it has counted the others' answers (server.go, isActive).
    if (this.#replica.isTicking) return
    await this.linearizable()
    if (!this.#replica.leads) throw ERRORS.leaderChanged()
  }

  async moveLeader(target: bigint): Promise<void> {
    if (!this.#replica.leads) throw ERRORS.notLeader()
    if (target === this.#options.identity.id) return
    const member = this.#options.members.get(target)
    if (!member || member.isLearner) throw ERRORS.badLeaderTransferee()
    await this.#transfer(target)
  }

  async handOver(): Promise<void> {
    const { identity, members } = this.#options
    const fields = { 'local-member-id': hexOf(identity.id), 'current-leader-member-id': hexOf(this.status.leader) }
    if (!this.#replica.leads) return log('info', 'skipped leadership transfer; local server is not leader', fields)
    const voters = members.voters()
    if (voters.length <= 1) return log('info', 'skipped leadership transfer for single voting member cluster', fields)
    const target = longestConnected(voters, (id) => this.transport.get(id)?.activeSinceMs)
    try {
      if (target === undefined) throw ERRORS.unhealthy()
      await this.#transfer(target)
    } catch (error) {
      const told = { 'local-member-id': hexOf(identity.id), error: (error as Error).message }
      log('warn', 'leadership transfer failed', told)
    }
  }

  isLearnerReady(id: bigint): boolean {
    const { raft } = this.#replica
    const learner = raft.progressOf(id)
    return learner !== undefined && learner.match >= raft.log.lastIndex * READY_SHARE
  }

  requireHealthy(change: MembershipChange): void {
    const { members, identity } = this.#options
    const activeSinceMs = (id: NodeId): number | undefined => this.transport.get(id)?.activeSinceMs
    const problem = healthProblem(change, { self: identity.id, voters: members.voters(), activeSinceMs })
    if (problem) throw problem
  }

  /** Takes what a peer sent. @throws Error with etcd's words for what it refuses. */
  process(message: Message): void {
    const { identity, members } = this.#options
    const [own, from, to] = [identity.id, message.from, message.to].map(hexOf)
    if (members.isRemoved(message.from)) {
      log('warn', 'rejected Raft message from removed member', { 'local-member-id': own, 'removed-member-id': from })
      throw new Error('cannot process message from removed member')
    }
    if (message.to !== identity.id) {
      log('warn', 'rejected Raft message to mismatch member', { 'local-member-id': own, 'mismatch-member-id': to })
      throw new Error('cannot process message to mismatch member')
    }
    this.#replica.process(message)
  }

  async takeSnapshot(message: Message, database: AsyncIterable<Buffer>): Promise<void> {
    await this.#options.storage.receive(message.snapshot?.index ?? 0, database)
    this.process(message)
  }

  close(): void {
    this.#replica.stop()
    this.transport.stop()
  }

  #hear(message: Message): void {
    try {
      this.process(message)
    } catch (error) {
      log('warn', 'failed to process Raft message', { error: (error as Error).message })
    }
  }

  async #agreed(id: bigint, type: number, data: Buffer, known?: Known): Promise<Reply> {
    const { metrics, requestTimeoutMs } = this.#options
    const { proposalsPending, proposalsFailed } = metrics.server
    proposalsPending.add(1)
    const { reply, error } = await this.#replica
      .propose({ id, type, data, known }, requestTimeoutMs)
      .catch((failure: Error) => {
        proposalsFailed.inc()
        throw failure
      })
      .finally(() => proposalsPending.add(-1))
    // What was applied and refused has not failed.
    if (error) throw error
    return reply
  }

  async #transfer(target: NodeId): Promise<void> {
    const [self, to] = [this.#options.identity.id, target].map(hexOf)
    const beginMs = performance.now()
    const asked = { 'local-member-id': self, 'current-leader-member-id': self, 'transferee-member-id': to }
    log('info', 'leadership transfer starting', asked)
    this.#replica.transferLeadership(target)
    await this.#until(() => this.status.leader === target, ERRORS.timeoutLeaderTransfer)
    const done = { 'local-member-id': self, 'old-leader-member-id': self, 'new-leader-member-id': to }
    log('info', 'leadership transfer finished', { ...done, took: durationText(performance.now() - beginMs) })
  }

  #until(isSo: () => boolean, error: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      const deadlineMs = Date.now() + this.#options.requestTimeoutMs
      const timer = setInterval(() => {
        const isDone = isSo()
        if (!isDone && Date.now() < deadlineMs) return
        clearInterval(timer)
        if (isDone) resolve()
        else reject(error())
      }, POLL_MS)
    })
  }

  #machine(): StateMachine<Applied> {
    const { applier, storage, consistentIndex, membership, reload } = this.#options
    let appliedBefore = consistentIndex
    return {
      apply: (entry, known) => {
        // The db has it, from before the start or from the leader.
        if (entry.index <= appliedBefore) return { result: {}, isVoid: true }
        const result = applier.apply(entry, known as Known | undefined)
        if (entry.type !== ENTRY_TYPE.normal && entry.data.length > 0 && !result.error) this.#followMembership(entry)
        return { result, isVoid: result.error !== undefined }
      },
      requestId: ({ type, data }) =>
        type === ENTRY_TYPE.normal ? decodeRaftRequest(data).id : decodeConfChange(data).id,
      image: async () => {
        const { index, term, chunks } = await storage.snapshot()
        return { index, term, data: membership(), database: Readable.from(databaseOf(chunks)) }
      },
      receive: ({ index }, database) => storage.receive(index, database),
      restore: async ({ index }: Snapshot) => {
        const { snapshotApplying } = this.#options.metrics.server
        snapshotApplying.set(1)
        try {
          await storage.takeReceived(index)
          reload()
        } finally {
          snapshotApplying.set(0)
        }
        appliedBefore = index
        this.#meetMembers()
      },
      checkpoint: async () => {
        const data = membership()
        await storage.commit()
        return data
      },
    }
  }

  #followMembership({ data }: Entry): void {
    const change = membershipChangeOf(decodeConfChange(data))
    if (change.kind === 'add') this.transport.add(change.id, change.peerUrls)
    else if (change.kind === 'update') this.transport.update(change.id, change.peerUrls)
    else if (change.kind === 'remove' && change.id !== this.#options.identity.id) this.transport.remove(change.id)
  }

  #meetMembers(): void {
    const { members } = this.#options
    for (const { id, peerUrls } of members.all()) this.transport.add(id, peerUrls)
    for (const id of this.transport.ids) if (!members.get(id)) this.transport.remove(id)
  }
}

/** All of it but the checksum at the end, which is for those who keep it as a file. */
function* databaseOf(chunks: Iterable<DatabaseChunk>): Generator<Buffer> {
  let last: Buffer | undefined
  for (const { blob } of chunks) {
    if (last) yield last
    last = blob
  }
}
