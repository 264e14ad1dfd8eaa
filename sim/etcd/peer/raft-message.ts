/** raftpb.Message in protobuf, as members put it on the wire. */
import { ProtoWriter, readProto } from '../../../lib/etcd/protobuf.ts'
import { decodeEntry, encodeEntry, voters } from '../../../lib/etcd/raft-entry.ts'
import { decodeRaftSnapshot, encodeRaftSnapshot } from '../../../lib/etcd/raft-snapshot.ts'
import { message, MESSAGE_TYPES, NO_BYTES, type Message } from '../raft/message.ts'

/** etcd writes every field that is a number, also the zero ones. */
export function encodeMessage(message: Message): Buffer {
  const { type, to, from, term, logTerm, index, entries, commit, snapshot, reject, rejectHint, context } = message
  const writer = new ProtoWriter(128)
    .numberAlways(1, MESSAGE_TYPES.indexOf(type))
    .bigintAlways(2, to)
    .bigintAlways(3, from)
    .numberAlways(4, term)
    .numberAlways(5, logTerm)
    .numberAlways(6, index)
  for (const entry of entries) writer.bytesAlways(7, encodeEntry(entry))
  writer.numberAlways(8, commit)
  // Members before 3.6 cannot do without one.
  writer.bytesAlways(9, snapshot ? encodeRaftSnapshot(snapshot) : NO_SNAPSHOT)
  writer.numberAlways(10, reject ? 1 : 0).numberAlways(11, rejectHint)
  return writer.bytes(12, context).finish()
}

/** @throws Error with Go's words for bytes that are no message, or whose numbers no log will ever reach. */
export function decodeMessage(bytes: Uint8Array): Message {
  const decoded = message('hup', 0n)
  const entries: Message['entries'][number][] = []
  let type = 0
  readProto(bytes, ({ field, number, bigint, bytes: content }) => {
    if (!Number.isSafeInteger(number) && field !== 2 && field !== 3) {
      throw new Error(`proto: field ${field}: wants a number below 2^53, came ${bigint()}`)
    }
    if (field === 1) type = number
    else if (field === 2) decoded.to = bigint()
    else if (field === 3) decoded.from = bigint()
    else if (field === 4) decoded.term = number
    else if (field === 5) decoded.logTerm = number
    else if (field === 6) decoded.index = number
    else if (field === 7) entries.push(decodeEntry(content))
    else if (field === 8) decoded.commit = number
    else if (field === 9) decoded.snapshot = decodeRaftSnapshot(content)
    else if (field === 10) decoded.reject = number !== 0
    else if (field === 11) decoded.rejectHint = number
    else if (field === 12) decoded.context = Buffer.from(content)
  })
  const name = MESSAGE_TYPES[type]
  if (name === undefined) throw new Error(`proto: raftpb.Message: there is no message type ${type}`)
  decoded.type = name
  decoded.entries = entries
  // Only a MsgSnap means it.
  if (name !== 'snapshot') decoded.snapshot = undefined
  return decoded
}

const NO_SNAPSHOT = encodeRaftSnapshot({ index: 0, term: 0, confState: voters(), data: NO_BYTES })
