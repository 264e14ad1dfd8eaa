/**
 * Writes etcd's log (server/storage/wal): what is appended is on the disk when `synced` resolves, one fsync for all that
 * came while the last one ran.
 */
import {
  closeSync,
  copyFileSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { encodeEntry, encodeHardState, encodeMetadata, encodeSnapshotMark } from '../../../lib/etcd/raft-entry.ts'
import type { HardState, RaftEntry, SnapshotMark, WalMetadata } from '../../../lib/etcd/raft-entry.ts'
import { parseWalSegmentName, walSegmentName, type WalContents } from '../../../lib/etcd/wal-read.ts'
import { encodeWalRecord, WAL_RECORD } from '../../../lib/etcd/wal-record.ts'
import type { DiskMetrics } from '../metrics/disk-metrics.ts'

/** A segment is laid out this long, as a hole; the first record that reaches behind it is the segment's last. */
export const SEGMENT_BYTES = 64_000_000
/** etcd's --max-wals: so many segments stay, needed or not. */
const MOST_SEGMENTS = 5

export interface WalSettings {
  fsync: boolean
  /** After this nothing is durable any more. */
  onFailure: (error: Error) => void
  segmentBytes?: number
  metrics?: DiskMetrics
}

export class WriteAheadLog {
  readonly #folder: string
  readonly #settings: WalSettings
  readonly #metadata: Buffer
  #descriptor: number
  #sequence: number
  #offset: number
  #crc: number
  #state: HardState | undefined
  #lastIndex: number
  #unwritten: Buffer[] = []
  #waiting: (() => void)[] = []
  #isScheduled = false
  #isSyncing = false
  #isUnsynced = false
  /** Segments that were cut off while an fsync of theirs was under way. */
  #retired: number[] = []
  #spares = 0

  private constructor(
    folder: string,
    settings: WalSettings,
    metadata: Buffer,
    at: { descriptor: number; sequence: number; offset: number; crc: number; lastIndex: number },
    state?: HardState,
  ) {
    this.#folder = folder
    this.#settings = settings
    this.#metadata = metadata
    this.#descriptor = at.descriptor
    this.#sequence = at.sequence
    this.#offset = at.offset
    this.#crc = at.crc
    this.#lastIndex = at.lastIndex
    this.#state = state
    this.#makeSpare()
  }

  /** Makes the log folder, all at once: it is there with its first records, or it is not there. */
  static create(folder: string, metadata: WalMetadata, settings: WalSettings): WriteAheadLog {
    const temporary = `${folder}.tmp`
    rmSync(temporary, { recursive: true, force: true })
    mkdirSync(temporary, { recursive: true, mode: 0o700 })
    const file = join(temporary, walSegmentName(0, 0))
    const descriptor = openSync(file, 'wx+', 0o600)
    ftruncateSync(descriptor, settings.segmentBytes ?? SEGMENT_BYTES)
    const metadataBytes = encodeMetadata(metadata)
    const head = new RecordChain(0)
    head.add(WAL_RECORD.crc, Buffer.alloc(0))
    head.add(WAL_RECORD.metadata, metadataBytes)
    head.add(WAL_RECORD.snapshot, encodeSnapshotMark({ index: 0, term: 0 }))
    const bytes = Buffer.concat(head.frames)
    writeAll(descriptor, bytes, 0)
    if (settings.fsync) fdatasyncSync(descriptor)
    renameSync(temporary, folder)
    if (settings.fsync) syncFolder(dirname(folder))
    const at = { descriptor, sequence: 0, offset: bytes.length, crc: head.crc, lastIndex: 0 }
    return new WriteAheadLog(folder, settings, metadataBytes, at)
  }

  /** Goes on behind what was read; a torn end is kept aside as `<segment>.broken` and zeroed. */
  static reopen(folder: string, contents: WalContents, settings: WalSettings): WriteAheadLog {
    const name = contents.segments.at(-1)!
    const file = join(folder, name)
    if (contents.tail.isTorn) copyFileSync(file, `${file}.broken`)
    const descriptor = openSync(file, 'r+')
    const { offset, crc } = contents.tail
    // Also what lies behind a zero length: new records must not run into it.
    ftruncateSync(descriptor, offset)
    ftruncateSync(descriptor, settings.segmentBytes ?? SEGMENT_BYTES)
    if (settings.fsync) fsyncSync(descriptor)
    const { sequence } = parseWalSegmentName(name)!
    const lastIndex = contents.entries.at(-1)?.index ?? contents.snapshots.at(-1)?.index ?? 0
    const at = { descriptor, sequence, offset, crc, lastIndex }
    return new WriteAheadLog(folder, settings, contents.metadataBytes, at, contents.state)
  }

  /** Entries and, where it has changed, the state; durable once `synced` resolves. */
  append(entries: readonly RaftEntry[], state?: HardState): void {
    for (const entry of entries) {
      this.#add(WAL_RECORD.entry, encodeEntry(entry))
      this.#lastIndex = entry.index
    }
    if (state) {
      this.#state = state
      this.#add(WAL_RECORD.state, encodeHardState(state))
    }
    if (this.#offset >= (this.#settings.segmentBytes ?? SEGMENT_BYTES)) this.#attempt(() => this.#cut())
  }

  /** Says that a snapshot up to there is on the disk, so that the log before it may go. */
  markSnapshot(mark: SnapshotMark): Promise<void> {
    this.#add(WAL_RECORD.snapshot, encodeSnapshotMark(mark))
    this.#lastIndex = Math.max(this.#lastIndex, mark.index)
    return this.synced()
  }

  /** Resolves once everything appended so far is on the disk (without fsync: with the kernel, which outlives kill -9). */
  synced(): Promise<void> {
    if (this.#unwritten.length === 0 && !this.#isUnsynced && !this.#isSyncing) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#schedule()
    })
  }

  /** Removes segments whose entries all lie before `index`, but for the latest few. */
  release(index: number): void {
    const names = readdirSync(this.#folder)
      .filter((name) => parseWalSegmentName(name))
      .sort()
    const firstNeeded = names.findLastIndex((name) => parseWalSegmentName(name)!.firstIndex <= index)
    for (const name of names.slice(0, Math.max(0, Math.min(firstNeeded, names.length - MOST_SEGMENTS)))) {
      rmSync(join(this.#folder, name), { force: true })
    }
  }

  /** Nothing may be appended afterwards. */
  async close(): Promise<void> {
    await this.synced()
    closeSync(this.#descriptor)
    rmSync(this.#spareFile(), { force: true })
  }

  #add(type: number, data: Buffer): void {
    const { frame, crc } = encodeWalRecord(type, data, this.#crc)
    this.#crc = crc
    this.#offset += frame.length
    this.#unwritten.push(frame)
  }

  /** At the end of this turn of the event loop, so that all who came in it share one write and one fsync. */
  #schedule(): void {
    if (this.#isScheduled || this.#isSyncing) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#attempt(() => this.#flush())
    })
  }

  #flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#writeOut()
    if (!this.#settings.fsync) {
      for (const resolve of waiting) resolve()
      return
    }
    this.#isUnsynced = false
    this.#isSyncing = true
    const beginMs = performance.now()
    fdatasync(this.#descriptor, (error) => {
      this.#settings.metrics?.walFsync.observe((performance.now() - beginMs) / 1000)
      this.#isSyncing = false
      for (const descriptor of this.#retired.splice(0)) closeSync(descriptor)
      if (error) return this.#settings.onFailure(error)
      for (const resolve of waiting) resolve()
      if (this.#waiting.length > 0) this.#schedule()
    })
  }

  #writeOut(): void {
    if (this.#unwritten.length === 0) return
    const bytes = this.#unwritten.length === 1 ? this.#unwritten[0]! : Buffer.concat(this.#unwritten)
    this.#unwritten = []
    const beginMs = performance.now()
    writeAll(this.#descriptor, bytes, this.#offset - bytes.length)
    this.#settings.metrics?.walWrite.observe((performance.now() - beginMs) / 1000)
    this.#settings.metrics?.walBytes.add(bytes.length)
    this.#isUnsynced = this.#settings.fsync
  }

  /** The next segment begins with what a reader of it alone must know; its name appears when it is whole. */
  #cut(): void {
    this.#writeOut()
    ftruncateSync(this.#descriptor, this.#offset)
    if (this.#settings.fsync) fdatasyncSync(this.#descriptor)
    this.#isUnsynced = false
    if (this.#isSyncing) this.#retired.push(this.#descriptor)
    else closeSync(this.#descriptor)
    const spare = this.#spareFile()
    const head = new RecordChain(this.#crc)
    head.add(WAL_RECORD.crc, Buffer.alloc(0))
    head.add(WAL_RECORD.metadata, this.#metadata)
    if (this.#state) head.add(WAL_RECORD.state, encodeHardState(this.#state))
    const bytes = Buffer.concat(head.frames)
    this.#descriptor = openSync(spare, 'r+')
    writeAll(this.#descriptor, bytes, 0)
    if (this.#settings.fsync) fdatasyncSync(this.#descriptor)
    this.#sequence += 1
    renameSync(spare, join(this.#folder, walSegmentName(this.#sequence, this.#lastIndex + 1)))
    if (this.#settings.fsync) syncFolder(this.#folder)
    this.#offset = bytes.length
    this.#crc = head.crc
    this.#spares += 1
    this.#makeSpare()
  }

  /** etcd lays out the segment after this one ahead of time. */
  #makeSpare(): void {
    const descriptor = openSync(this.#spareFile(), 'w', 0o600)
    ftruncateSync(descriptor, this.#settings.segmentBytes ?? SEGMENT_BYTES)
    closeSync(descriptor)
  }

  #spareFile(): string {
    return join(this.#folder, `${this.#spares % 2}.tmp`)
  }

  #attempt(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#settings.onFailure(error as Error)
    }
  }
}

/** Records one after the other, each with the CRC of all before. */
class RecordChain {
  readonly frames: Buffer[] = []
  crc: number

  constructor(crc: number) {
    this.crc = crc
  }

  add(type: number, data: Buffer): this {
    const { frame, crc } = encodeWalRecord(type, data, this.crc)
    this.crc = crc
    this.frames.push(frame)
    return this
  }
}

function writeAll(descriptor: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at, bytes.length - at, position + at)
}

export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}
