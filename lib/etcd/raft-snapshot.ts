/** raftpb.Snapshot, as it lies in a file and as members send it. */
import { ProtoWriter, readProto } from './protobuf.ts'
import { decodeConfState, encodeConfState, voters, type ConfState } from './raft-entry.ts'

export interface RaftSnapshot {
  index: number
  term: number
  confState: ConfState
  /** In a file the members, as etcd's v2 store wrote them; the keys themselves are in the db. */
  data: Buffer
}

export function encodeRaftSnapshot({ index, term, confState, data }: RaftSnapshot): Buffer {
  const metadata = new ProtoWriter(64)
    .bytesAlways(1, encodeConfState(confState))
    .numberAlways(2, index)
    .numberAlways(3, term)
    .finish()
  return new ProtoWriter(data.length + metadata.length + 24).bytes(1, data).bytesAlways(2, metadata).finish()
}

export function decodeRaftSnapshot(bytes: Uint8Array): RaftSnapshot {
  const snapshot: RaftSnapshot = { index: 0, term: 0, confState: voters(), data: Buffer.alloc(0) }
  readProto(bytes, ({ field, bytes: content }) => {
    if (field === 1) snapshot.data = Buffer.from(content)
    if (field !== 2) return
    readProto(content, ({ field: part, number, bytes: state }) => {
      if (part === 1) snapshot.confState = decodeConfState(state)
      else if (part === 2) snapshot.index = number
      else if (part === 3) snapshot.term = number
    })
  })
  return snapshot
}
