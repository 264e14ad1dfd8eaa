/** What members say to each other: raftpb.Message as a plain value. */
import type { RaftSnapshot } from '../../../lib/etcd/raft-snapshot.ts'
import type { RaftEntry as Entry } from '../../../lib/etcd/raft-entry.ts'

export type { ConfState, HardState, RaftEntry as Entry } from '../../../lib/etcd/raft-entry.ts'

/** A member id, a uint64. */
export type NodeId = bigint

export const NOBODY: NodeId = 0n

/** raftpb.MessageType, in the order of its numbers. The first two, and those about reports, never travel. */
export const MESSAGE_TYPES = [
  'hup',
  'beat',
  'propose',
  'append',
  'appendResponse',
  'vote',
  'voteResponse',
  'snapshot',
  'heartbeat',
  'heartbeatResponse',
  'unreachable',
  'snapshotStatus',
  'checkQuorum',
  'transferLeader',
  'timeoutNow',
  'readIndex',
  'readIndexResponse',
  'preVote',
  'preVoteResponse',
] as const

export type MessageType = (typeof MESSAGE_TYPES)[number]

export interface Message {
  type: MessageType
  to: NodeId
  from: NodeId
  /** 0 for what is forwarded to the leader, whatever its term. */
  term: number
  /** Term of the entry at `index`. */
  logTerm: number
  /** The entry before `entries`; in answers, the last one that matches, or the one refused. */
  index: number
  entries: readonly Entry[]
  commit: number
  snapshot: Snapshot | undefined
  reject: boolean
  /** Where the refuser's log may still match. */
  rejectHint: number
  /** A read's name, or `CampaignTransfer`. */
  context: Buffer
}

export type Snapshot = RaftSnapshot

export const NO_BYTES = Buffer.alloc(0)

const NO_ENTRIES: readonly Entry[] = []

/** A message with everything that is not named left at zero. */
export function message(type: MessageType, to: NodeId, fields: Partial<Message> = {}): Message {
  return {
    type,
    to,
    from: fields.from ?? NOBODY,
    term: fields.term ?? 0,
    logTerm: fields.logTerm ?? 0,
    index: fields.index ?? 0,
    entries: fields.entries ?? NO_ENTRIES,
    commit: fields.commit ?? 0,
    snapshot: fields.snapshot,
    reject: fields.reject ?? false,
    rejectHint: fields.rejectHint ?? 0,
    context: fields.context ?? NO_BYTES,
  }
}

/** How logs and headers write an id (client/pkg/types, ID.String). */
export function hexOf(id: NodeId): string {
  return id.toString(16)
}
