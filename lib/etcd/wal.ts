/**
 * The write-ahead log of a simulated member, which both the member and a thief of its disk read. A frame is length (u32),
 * CRC-32 of the payload (u32) and the payload; a torn frame at the end is what a crash left, and ends the log. The first
 * payload is an etcdserverpb.Metadata, each other one a raftpb.Entry; values lie in the clear unless the writer of the
 * value sealed them, as in etcd's own log.
 */
import { crc32 } from 'node:zlib'
import {
  decodeEntry,
  decodeMetadata,
  encodeEntry,
  encodeMetadata,
  type RaftEntry,
  type WalMetadata,
} from './raft-entry.ts'

/** Below the data directory; etcd names its segments by sequence and index. */
export const WAL_FILE = 'member/wal/0000000000000000-0000000000000000.wal'

const HEADER_BYTES = 8

export function encodeWalMetadata(metadata: WalMetadata): Buffer {
  return framed(encodeMetadata(metadata))
}

export function encodeWalEntry(entry: RaftEntry): Buffer {
  return framed(encodeEntry(entry))
}

function framed(payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length)
  frame.writeUInt32BE(payload.length, 0)
  frame.writeUInt32BE(crc32(payload), 4)
  frame.set(payload, HEADER_BYTES)
  return frame
}

export interface WalContent {
  metadata: WalMetadata | undefined
  entries: RaftEntry[]
  /** How many bytes of the log they fill: what lies behind is torn. */
  wholeBytes: number
}

export function readWal(log: Buffer): WalContent {
  const content: WalContent = { metadata: undefined, entries: [], wholeBytes: 0 }
  let at = 0
  while (at + HEADER_BYTES <= log.length) {
    const length = log.readUInt32BE(at)
    const payload = log.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length)
    if (length === 0 || payload.length < length || crc32(payload) !== log.readUInt32BE(at + 4)) break
    if (content.metadata) content.entries.push(decodeEntry(payload))
    else content.metadata = decodeMetadata(payload)
    at += HEADER_BYTES + length
  }
  content.wholeBytes = at
  return content
}
