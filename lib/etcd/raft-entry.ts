/** raftpb.Entry, HardState, ConfChange, ConfState and walpb.Snapshot; etcd writes their fields also when they are zero. */
import { ProtoWriter, readProto } from './protobuf.ts'

export const ENTRY_TYPE = { normal: 0, confChange: 1, confChangeV2: 2 } as const

export interface RaftEntry {
  type: number
  term: number
  index: number
  /** An InternalRaftRequest or a ConfChange; empty for the entry that a new leader begins with. */
  data: Buffer
}

export function encodeEntry({ type, term, index, data }: RaftEntry): Buffer {
  const writer = new ProtoWriter(data.length + 48).numberAlways(1, type).numberAlways(2, term).numberAlways(3, index)
  return (data.length > 0 ? writer.bytesAlways(4, data) : writer).finish()
}

export function decodeEntry(bytes: Uint8Array): RaftEntry {
  const entry: RaftEntry = { type: 0, term: 0, index: 0, data: Buffer.alloc(0) }
  readProto(bytes, ({ field, number, bytes: data }) => {
    if (field === 1) entry.type = number
    else if (field === 2) entry.term = number
    else if (field === 3) entry.index = number
    else if (field === 4) entry.data = data
  })
  return entry
}

export interface HardState {
  term: number
  /** Member id; 0n: nobody. */
  vote: bigint
  commit: number
}

export function encodeHardState({ term, vote, commit }: HardState): Buffer {
  return new ProtoWriter(48).numberAlways(1, term).bigintAlways(2, vote).numberAlways(3, commit).finish()
}

export function decodeHardState(bytes: Uint8Array): HardState {
  const state: HardState = { term: 0, vote: 0n, commit: 0 }
  readProto(bytes, ({ field, number, bigint }) => {
    if (field === 1) state.term = number
    else if (field === 2) state.vote = bigint()
    else if (field === 3) state.commit = number
  })
  return state
}

/** etcdserverpb.Metadata: whose log this is. */
export interface WalMetadata {
  nodeId: bigint
  clusterId: bigint
}

export function encodeMetadata({ nodeId, clusterId }: WalMetadata): Buffer {
  return new ProtoWriter(48).bigintAlways(1, nodeId).bigintAlways(2, clusterId).finish()
}

export function decodeMetadata(bytes: Uint8Array): WalMetadata {
  const metadata: WalMetadata = { nodeId: 0n, clusterId: 0n }
  readProto(bytes, ({ field, bigint }) => {
    if (field === 1) metadata.nodeId = bigint()
    else if (field === 2) metadata.clusterId = bigint()
  })
  return metadata
}

export const CONF_CHANGE = { addNode: 0, removeNode: 1, updateNode: 2, addLearnerNode: 3 } as const

export interface ConfChange {
  id: bigint
  type: number
  nodeId: bigint
  /** The member as JSON. */
  context: Buffer
}

export function encodeConfChange({ id, type, nodeId, context }: ConfChange): Buffer {
  return new ProtoWriter(context.length + 64)
    .bigintAlways(1, id)
    .numberAlways(2, type)
    .bigintAlways(3, nodeId)
    .bytes(4, context)
    .finish()
}

export function decodeConfChange(bytes: Uint8Array): ConfChange {
  const change: ConfChange = { id: 0n, type: 0, nodeId: 0n, context: Buffer.alloc(0) }
  readProto(bytes, ({ field, number, bigint, bytes: data }) => {
    if (field === 1) change.id = bigint()
    else if (field === 2) change.type = number
    else if (field === 3) change.nodeId = bigint()
    else if (field === 4) change.context = data
  })
  return change
}

export interface ConfState {
  voters: bigint[]
  learners: bigint[]
  votersOutgoing: bigint[]
  learnersNext: bigint[]
  autoLeave: boolean
}

export function voters(...ids: bigint[]): ConfState {
  return { voters: ids, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }
}

export function encodeConfState(state: ConfState): Buffer {
  const writer = new ProtoWriter(64)
  for (const id of state.voters) writer.bigintAlways(1, id)
  for (const id of state.learners) writer.bigintAlways(2, id)
  for (const id of state.votersOutgoing) writer.bigintAlways(3, id)
  for (const id of state.learnersNext) writer.bigintAlways(4, id)
  return writer.numberAlways(5, state.autoLeave ? 1 : 0).finish()
}

export function decodeConfState(bytes: Uint8Array): ConfState {
  const state = voters()
  readProto(bytes, ({ field, number, bigint }) => {
    if (field === 1) state.voters.push(bigint())
    else if (field === 2) state.learners.push(bigint())
    else if (field === 3) state.votersOutgoing.push(bigint())
    else if (field === 4) state.learnersNext.push(bigint())
    else if (field === 5) state.autoLeave = number !== 0
  })
  return state
}

/** What the log says of a snapshot (walpb.Snapshot): up to where the log is not needed any more. */
export interface SnapshotMark {
  index: number
  term: number
  confState?: ConfState
}

export function encodeSnapshotMark({ index, term, confState }: SnapshotMark): Buffer {
  const writer = new ProtoWriter(64).numberAlways(1, index).numberAlways(2, term)
  if (confState) writer.bytesAlways(3, encodeConfState(confState))
  return writer.finish()
}

export function decodeSnapshotMark(bytes: Uint8Array): SnapshotMark {
  const mark: SnapshotMark = { index: 0, term: 0 }
  readProto(bytes, ({ field, number, bytes: data }) => {
    if (field === 1) mark.index = number
    else if (field === 2) mark.term = number
    else if (field === 3) mark.confState = decodeConfState(data)
  })
  return mark
}
