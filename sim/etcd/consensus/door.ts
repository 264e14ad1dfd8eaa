/**
 * The one door through which the state of a member changes, and what a consensus behind it has to do.
 *
 *     service ──propose──▶ Door ──▶ log of every member ──entry──▶ Applier.apply ──▶ State
 *     service ──linearizable()──▶ then reads State
 *
 * - `propose` takes an etcdserverpb.InternalRaftRequest in pieces: its kind, the request's own bytes (as they came from
 *   the client where that is possible: nothing is encoded twice), and in whose name it is asked. It resolves with what
 *   applying it answered, after the entry is durable at a quorum and applied here; it rejects with the GrpcError of the
 *   refusal, and with Unavailable or DeadlineExceeded where there was no answer in time.
 * - `configure` does the same for a raftpb.ConfChange. What may be asked at all is checked before (cluster-service.ts).
 * - `linearizable` resolves once this member has applied all that was committed when it was called (ReadIndex), and
 *   rejects where no quorum confirms a leader. Serializable reads do not call it.
 * - Entries reach `Applier.apply` in order, each once, at start from the log as well. `apply` is deterministic: it looks at
 *   no clock, no random number and nothing of one member's own; expiry of leases, tokens and passwords' hashes are decided
 *   before a request is proposed, so that every member comes to the same state.
 * - `onLeadership` tells who counts time: leases run out at the leader only (lease-clock.ts).
 */
import type { RaftRequestKind } from '../../../lib/etcd/raft-request.ts'
import type { AuthInfo } from '../auth/auth-info.ts'
import type { MembershipChange } from '../cluster/membership-change.ts'

/** What `propose` takes. */
export interface Proposal {
  kind: RaftRequestKind
  body: Uint8Array
  /** The decoded `body`, so that the member that proposes it does not decode it again. */
  request?: unknown
  info?: AuthInfo | undefined
}

/** What applying a request answers: a message of the reply's type, or nothing for what members alone say. */
export type Reply = object | undefined

export interface ConsensusStatus {
  /** 0n: nobody leads. */
  leader: bigint
  term: number
  committedIndex: number
  appliedIndex: number
}

export interface Door {
  readonly status: ConsensusStatus
  propose(proposal: Proposal): Promise<Reply>
  configure(change: MembershipChange): Promise<void>
  linearizable(): Promise<void>
  /** Resolves once the log is applied that far. */
  applied(index: number): Promise<void>
  onLeadership(listener: (leads: boolean) => void): void
  /** For what a leader does by itself: one that was paused may have lost the lead unawares. @throws GrpcError */
  ensureLeadership(): Promise<void>
  /** @throws GrpcError FailedPrecondition */
  moveLeader(target: bigint): Promise<void>
  /** What an orderly end begins with: another leads, where this one did, before it is missed. Its failure is logged. */
  handOver(): Promise<void>
  /** Whether a learner has all that the leader has: only the leader knows. */
  isLearnerReady(id: bigint): boolean
  /** @throws GrpcError Unavailable where too few voters are in touch to take the change. */
  requireHealthy(change: MembershipChange): void
  close(): void
}
