/**
 * One record of etcd's write-ahead log (server/storage/wal, encoder.go and decoder.go): eight bytes of length, whose top
 * byte says how many bytes of padding follow, then a walpb.Record with a CRC-32C that runs on from record to record.
 */
import { crc32c } from './crc32c.ts'
import { ProtoWriter, readProto } from './protobuf.ts'

export const WAL_RECORD = { metadata: 1, entry: 2, state: 3, crc: 4, snapshot: 5 } as const

export interface WalRecord {
  type: number
  crc: number
  data: Buffer
}

export const FRAME_BYTES = 8
const ALIGNMENT = 8
const NOUGHT = Buffer.alloc(FRAME_BYTES)

/** The frame, and the CRC that the next record goes on from. A crc record says what it goes on from itself. */
export function encodeWalRecord(type: number, data: Uint8Array, previousCrc: number): { frame: Buffer; crc: number } {
  const crc = crc32c(previousCrc, data)
  const writer = new ProtoWriter(FRAME_BYTES + data.length + 48).raw(NOUGHT).numberAlways(1, type).numberAlways(2, crc)
  if (data.length > 0) writer.bytesAlways(3, data)
  const length = writer.length - FRAME_BYTES
  const padding = (ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT
  const frame = writer.raw(NOUGHT.subarray(0, padding)).finish()
  frame.writeUInt32LE(length, 0)
  frame[7] = padding === 0 ? 0 : 0x80 | padding
  return { frame, crc }
}

export type WalReadResult =
  | { kind: 'record'; record: WalRecord; next: number; crc: number }
  /** Nothing but zeros or the end of the file. */
  | { kind: 'end' }
  /** A record that a crash cut short. */
  | { kind: 'torn' }
  | { kind: 'corrupt'; text: string }

/** Where the record at `at` ends, which needs its first eight bytes alone. */
export function walRecordEnd(bytes: Buffer, at: number): { length: number; next: number } {
  const length = bytes.readUInt32LE(at) + (bytes.readUInt32LE(at + 4) & 0x00ffffff) * 2 ** 32
  const top = bytes[at + 7]!
  return { length, next: at + FRAME_BYTES + length + (top & 0x80 ? top & 0x07 : 0) }
}

/** Reads the record at `at` of a whole segment (or of its beginning as far as that record). `crc`: what those before left. */
export function readWalRecord(bytes: Buffer, at: number, crc: number): WalReadResult {
  if (at + FRAME_BYTES > bytes.length) return bytes.length === at ? { kind: 'end' } : { kind: 'torn' }
  const { length, next } = walRecordEnd(bytes, at)
  if (next === at + FRAME_BYTES) return { kind: 'end' }
  const start = at + FRAME_BYTES
  if (next > bytes.length) return endsEarly(bytes.subarray(start), length)
  const record: WalRecord = { type: 0, crc: 0, data: NOUGHT.subarray(0, 0) }
  try {
    readProto(bytes.subarray(start, start + length), ({ field, number, bytes: data }) => {
      if (field === 1) record.type = number
      else if (field === 2) record.crc = number
      else if (field === 3) record.data = data
    })
  } catch (error) {
    return wasTorn(bytes, start, next) ? { kind: 'torn' } : { kind: 'corrupt', text: (error as Error).message }
  }
  if (record.type === WAL_RECORD.crc) {
    // The first one of a segment says what the segment before ended with.
    if (crc !== 0 && record.crc !== crc) return { kind: 'corrupt', text: 'wal: crc mismatch' }
    return { kind: 'record', record, next, crc: record.crc }
  }
  const now = crc32c(crc, record.data)
  if (now === record.crc) return { kind: 'record', record, next, crc: now }
  if (wasTorn(bytes, start, next)) return { kind: 'torn' }
  return { kind: 'corrupt', text: `walpb: crc mismatch: expected: ${hex(record.crc)} computed: ${hex(now)}` }
}

function hex(crc: number): string {
  return crc.toString(16)
}

/**
 * A record that goes on behind the end of the file: cut off, if what is there agrees with its length. etcd takes every
 * such record for a torn one and drops it with all that follows, also where only a bit of the length has flipped; here
 * that is corruption, because dropping acknowledged writes is worse than not starting.
 */
function endsEarly(body: Buffer, length: number): WalReadResult {
  const told = lengthByHead(body)
  if (told === 'cut' || told === length) return { kind: 'torn' }
  return { kind: 'corrupt', text: `wal: max entry size limit exceeded, recBytes: ${length}` }
}

/** How long a record is by its own beginning: type, crc and the length of its data. `cut`: not even that is there. */
function lengthByHead(body: Buffer): number | 'cut' | undefined {
  let at = 0
  let last = 0
  for (const tag of RECORD_TAGS) {
    if (at === body.length) return 'cut'
    if (body[at++] !== tag) return undefined
    last = 0
    for (let factor = 1; ; factor *= 0x80) {
      if (at === body.length) return 'cut'
      if (factor > 2 ** 28) return undefined
      const byte = body[at++]!
      last += (byte & 0x7f) * factor
      if (byte < 0x80) break
    }
  }
  return at + last
}

const RECORD_TAGS = [0x08, 0x10, 0x1a] as const

const SECTOR_BYTES = 512

/** Whether the record was cut short and not changed: a whole sector of it was never written (decoder.go, isTornEntry). */
function wasTorn(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    const sectorEnd = Math.min(end, at - (at % SECTOR_BYTES) + SECTOR_BYTES)
    if (isZero(bytes, at, sectorEnd)) return true
    at = sectorEnd
  }
  return false
}

export function isZero(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (bytes[at] !== 0) return false
  return true
}
