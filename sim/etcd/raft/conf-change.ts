/** What an entry of the log says about the voters: a raftpb.ConfChange, or a ConfChangeV2 that is as simple. */
import { readProto } from '../../../lib/etcd/protobuf.ts'
import { decodeConfChange, ENTRY_TYPE } from '../../../lib/etcd/raft-entry.ts'
import type { VoterChange } from './configuration.ts'
import type { Entry } from './message.ts'
import { RaftPanic } from './raft-log.ts'

/** @throws RaftPanic for several changes at once, which etcd never proposes (joint consensus). */
export function voterChangesOf({ type, data, index }: Entry): VoterChange[] {
  if (type === ENTRY_TYPE.confChange) return data.length === 0 ? [] : [decodeConfChange(data)]
  const changes: VoterChange[] = []
  readProto(data, ({ field, bytes }) => {
    if (field !== 2) return
    const change = { type: 0, nodeId: 0n }
    readProto(bytes, ({ field: part, number, bigint }) => {
      if (part === 1) change.type = number
      else if (part === 2) change.nodeId = bigint()
    })
    changes.push(change)
  })
  if (changes.length > 1) {
    throw new RaftPanic(`entry ${index}: a membership change of one member at a time is known, came ${changes.length}`)
  }
  return changes
}
