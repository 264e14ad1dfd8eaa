/** Reads the log folder of a member, as the member does at start and a thief of its disk afterwards. */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { decodeEntry, decodeHardState, decodeMetadata, decodeSnapshotMark } from './raft-entry.ts'
import type { HardState, RaftEntry, SnapshotMark, WalMetadata } from './raft-entry.ts'
import { FRAME_BYTES, readWalRecord, WAL_RECORD, walRecordEnd } from './wal-record.ts'

/** Below the data directory. */
export const WAL_FOLDER = 'member/wal'

/** Sequence and index of the first entry, both sixteen hex digits. */
export function walSegmentName(sequence: number, firstIndex: number): string {
  return `${sequence.toString(16).padStart(16, '0')}-${firstIndex.toString(16).padStart(16, '0')}.wal`
}

/** `undefined` for any other file. */
export function parseWalSegmentName(name: string): { sequence: number; firstIndex: number } | undefined {
  const match = /^([0-9a-f]{16})-([0-9a-f]{16})\.wal$/.exec(name)
  return match ? { sequence: parseInt(match[1]!, 16), firstIndex: parseInt(match[2]!, 16) } : undefined
}

export interface WalContents {
  metadata: WalMetadata | undefined
  /** The metadata record as it stands, for the head of the next segment. */
  metadataBytes: Buffer
  state: HardState | undefined
  /** In order of index, behind the snapshot; an entry that was written again replaces the older one and all behind it. */
  entries: RaftEntry[]
  /** Marks of snapshots in the order they were made; the first one is of index 0. */
  snapshots: SnapshotMark[]
  /** Names of the segments that were read, in order. */
  segments: string[]
  /** Where in the last segment the next record goes, and what its CRC goes on from. */
  tail: { offset: number; crc: number; isTorn: boolean }
}

export class WalError extends Error {
  override readonly name = 'WalError'
}

/**
 * Reads the log behind the snapshot at `index` (0: all of it).
 * @throws WalError for a log that was changed or has a hole; one that a crash cut short ends where it was cut.
 */
export function readWal(folder: string, { index } = { index: 0 }): WalContents {
  const contents: WalContents = {
    metadata: undefined,
    metadataBytes: Buffer.alloc(0),
    state: undefined,
    entries: [],
    snapshots: [],
    segments: segmentsFrom(folder, index),
    tail: { offset: 0, crc: 0, isTorn: false },
  }
  const last = contents.segments.length - 1
  for (const [number, name] of contents.segments.entries()) {
    contents.tail = readSegment(join(folder, name), contents, { index, isLast: number === last })
  }
  return contents
}

/** The names from the segment on that holds the entry behind `index`. */
function segmentsFrom(folder: string, index: number): string[] {
  const names = readdirSync(folder)
    .filter((name) => parseWalSegmentName(name))
    .sort()
  const parsed = names.map((name) => parseWalSegmentName(name)!)
  const first = parsed.findLastIndex(({ firstIndex }) => firstIndex <= index)
  if (first === -1) throw new WalError(`wal: file not found which matches the snapshot index '${index}'`)
  for (let at = first + 1; at < parsed.length; at += 1) {
    if (parsed[at]!.sequence === parsed[at - 1]!.sequence + 1) continue
    throw new WalError(`wal: file sequence numbers (starting from ${first}) do not increase continuously`)
  }
  return names.slice(first)
}

function readSegment(
  file: string,
  contents: WalContents,
  { index, isLast }: { index: number; isLast: boolean },
): WalContents['tail'] {
  const segment = new SegmentBytes(file)
  let offset = 0
  let { crc } = contents.tail
  try {
    for (;;) {
      const read = readWalRecord(segment.upToRecordAt(offset), offset, crc)
      // A file that is no log at all, which etcd takes for one of which nothing was written.
      if (read.kind === 'corrupt' && offset === 0 && contents.metadata === undefined && isLast) {
        return { offset, crc, isTorn: true }
      }
      if (read.kind === 'corrupt') throw new WalError(`${read.text}: in file '${file}' at position: ${offset}`)
      if (read.kind === 'torn' && !isLast)
        throw new WalError(`unexpected EOF: in file '${file}' at position: ${offset}`)
      if (read.kind !== 'record') return { offset, crc, isTorn: read.kind === 'torn' }
      take(contents, read.record.type, read.record.data, index)
      offset = read.next
      crc = read.crc
    }
  } finally {
    segment.close()
  }
}

function take(contents: WalContents, type: number, data: Buffer, index: number): void {
  switch (type) {
    case WAL_RECORD.metadata:
      if (contents.metadata && !contents.metadataBytes.equals(data)) {
        throw new WalError('wal: conflicting metadata found')
      }
      contents.metadataBytes = data
      contents.metadata = decodeMetadata(data)
      return
    case WAL_RECORD.state:
      contents.state = decodeHardState(data)
      return
    case WAL_RECORD.snapshot:
      contents.snapshots.push(decodeSnapshotMark(data))
      return
    case WAL_RECORD.crc:
      return
    case WAL_RECORD.entry: {
      const entry = decodeEntry(data)
      if (entry.index <= index) return
      const place = entry.index - index - 1
      if (place > contents.entries.length) {
        throw new WalError(
          `wal: slice bounds out of range, snapshot[Index: ${index}], current entry[Index: ${entry.index}]`,
        )
      }
      contents.entries.length = place
      contents.entries.push(entry)
      return
    }
    default:
      throw new WalError(`unexpected block type ${type}`)
  }
}

const CHUNK_BYTES = 256 * 1024

/** A segment is as long as it may grow and mostly holes, so it is read no further than its records go. */
class SegmentBytes {
  readonly #descriptor: number
  readonly #size: number
  #bytes: Buffer = Buffer.alloc(0)

  constructor(file: string) {
    this.#descriptor = openSync(file, 'r')
    this.#size = fstatSync(this.#descriptor).size
  }

  upToRecordAt(offset: number): Buffer {
    this.#read(offset + FRAME_BYTES)
    if (this.#bytes.length >= offset + FRAME_BYTES) this.#read(walRecordEnd(this.#bytes, offset).next)
    return this.#bytes
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #read(end: number): void {
    const have = this.#bytes.length
    if (end <= have || have >= this.#size) return
    const want = Math.min(this.#size, Math.max(end, have * 2, CHUNK_BYTES))
    // Entries keep views of what was read before, so it is left as it is and copied.
    const bytes = Buffer.allocUnsafe(want)
    this.#bytes.copy(bytes)
    let at = have
    while (at < want) {
      const count = readSync(this.#descriptor, bytes, at, want - at, at)
      if (count === 0) break
      at += count
    }
    this.#bytes = bytes.subarray(0, at)
  }
}
