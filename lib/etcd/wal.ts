/**
 * The write-ahead log of a simulated member, which both the member and a thief of its disk read. A frame is length (u32),
 * CRC-32 of the payload (u32) and the payload; a torn frame at the end is what a crash left, and ends the log.
 *
 * Payload: a kind byte, then for `revision` the revision (u64) and its operations, each an operation byte, a length (u32)
 * and a mvccpb.KeyValue; values lie in the clear unless the writer of the value sealed them, as in etcd's own log.
 */
import { crc32 } from 'node:zlib'
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { KeyValueSchema, type KeyValue } from './kv_pb.ts'

/** Below the data directory; etcd names its segments by sequence and index. */
export const WAL_FILE = 'member/wal/0000000000000000-0000000000000000.wal'

const KINDS = { revision: 1, compact: 2, leaseGrant: 3, leaseRevoke: 4 } as const
const OPERATIONS = { put: 1, delete: 2 } as const

export interface WalOperation {
  kind: 'put' | 'delete'
  /** A deletion carries the key and its mod_revision alone. */
  kv: KeyValue
}

export type WalRecord =
  | { kind: 'revision'; revision: bigint; operations: readonly WalOperation[] }
  | { kind: 'compact'; revision: bigint }
  | { kind: 'leaseGrant'; id: bigint; ttlSeconds: bigint }
  | { kind: 'leaseRevoke'; id: bigint }

const HEADER_BYTES = 8

export function encodeWalRecord(record: WalRecord): Buffer {
  const payload = payloadOf(record)
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  header.writeUInt32BE(payload.length, 0)
  header.writeUInt32BE(crc32(payload), 4)
  return Buffer.concat([header, payload])
}

function payloadOf(record: WalRecord): Buffer {
  switch (record.kind) {
    case 'revision': {
      const pieces = [numbers(KINDS.revision, record.revision)]
      for (const { kind, kv } of record.operations) {
        const bytes = toBinary(KeyValueSchema, kv)
        const head = Buffer.allocUnsafe(5)
        head[0] = OPERATIONS[kind]
        head.writeUInt32BE(bytes.length, 1)
        pieces.push(head, Buffer.from(bytes))
      }
      return Buffer.concat(pieces)
    }
    case 'compact':
      return numbers(KINDS.compact, record.revision)
    case 'leaseGrant':
      return numbers(KINDS.leaseGrant, record.id, record.ttlSeconds)
    case 'leaseRevoke':
      return numbers(KINDS.leaseRevoke, record.id)
  }
}

function numbers(kind: number, ...values: bigint[]): Buffer {
  const bytes = Buffer.alloc(1 + values.length * 8)
  bytes[0] = kind
  for (const [index, value] of values.entries()) bytes.writeBigInt64BE(value, 1 + index * 8)
  return bytes
}

/** Every whole record, and how many bytes of the log they fill: what lies behind is torn. */
export function readWal(log: Buffer): { records: WalRecord[]; wholeBytes: number } {
  const records: WalRecord[] = []
  let at = 0
  while (at + HEADER_BYTES <= log.length) {
    const length = log.readUInt32BE(at)
    const payload = log.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length)
    if (length === 0 || payload.length < length || crc32(payload) !== log.readUInt32BE(at + 4)) break
    records.push(recordOf(payload))
    at += HEADER_BYTES + length
  }
  return { records, wholeBytes: at }
}

function recordOf(payload: Buffer): WalRecord {
  const first = payload.readBigInt64BE(1)
  switch (payload[0]) {
    case KINDS.revision:
      return { kind: 'revision', revision: first, operations: operationsOf(payload.subarray(9)) }
    case KINDS.compact:
      return { kind: 'compact', revision: first }
    case KINDS.leaseGrant:
      return { kind: 'leaseGrant', id: first, ttlSeconds: payload.readBigInt64BE(9) }
    case KINDS.leaseRevoke:
      return { kind: 'leaseRevoke', id: first }
    default:
      throw new Error(`[wal_record] a record of kind ${payload[0]}: this log was written by another version`)
  }
}

function operationsOf(bytes: Buffer): WalOperation[] {
  const operations: WalOperation[] = []
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32BE(at + 1)
    const kv = fromBinary(KeyValueSchema, bytes.subarray(at + 5, at + 5 + length))
    operations.push({ kind: bytes[at] === OPERATIONS.put ? 'put' : 'delete', kv })
    at += 5 + length
  }
  return operations
}
