/**
 * What a member keeps on its disk: the log, which acknowledges, and the db, which follows in batches.
 *
 *     member/wal/<sequence>-<index>.wal     every entry, before anybody is told that it was taken
 *     member/snap/db                        the state that applying the entries makes, some 100 ms behind
 *     member/snap/<term>-<index>.snap       how far the log is not needed any more
 *
 * A batch goes to the db together with the index of the last entry that it holds (meta/consistent_index). After a crash the
 * state of that index is in the db and every entry behind it in the log: applying those again brings all back.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { BboltError, DB_FILE } from '../../../lib/etcd/bbolt-read.ts'
import type { RaftSnapshot } from '../../../lib/etcd/raft-snapshot.ts'
import { crc32c } from '../../../lib/etcd/crc32c.ts'
import type { ConfState, HardState, RaftEntry, WalMetadata } from '../../../lib/etcd/raft-entry.ts'
import { readWal, WAL_FOLDER, type WalContents } from '../../../lib/etcd/wal-read.ts'
import { timed, type DiskMetrics } from '../metrics/disk-metrics.ts'
import { BboltFile } from './bbolt-file.ts'
import { databaseChunks, type DatabaseChunk } from './database-chunks.ts'
import { Panic } from './panic.ts'
import { ReceivedDatabases } from './received-database.ts'
import type { ScanVisitor } from './tree-page.ts'
import { BUCKETS, type BucketName, META } from './schema.ts'
import { loadSnapshots, saveSnapshot } from './snap-folder.ts'
import { syncFolder, WriteAheadLog } from './write-ahead-log.ts'

/** etcd's --backend-batch-interval and --backend-batch-limit. */
const BATCH_INTERVAL_MS = 100
const BATCH_OPERATIONS = 10_000
const DEFRAG_OPERATIONS = 10_000

export interface BackendSettings {
  dataDir: string
  fsync: boolean
  /** The disk failed: nothing that is not acknowledged yet will be. */
  onFailure: (error: Error) => void
  log?: (level: 'info' | 'warn', message: string, fields: Record<string, unknown>) => void
  metrics?: DiskMetrics
}

/** What a start found. */
export interface StoredState {
  /** Whose log it is; `undefined` where there is none yet. */
  metadata: WalMetadata | undefined
  hardState: HardState | undefined
  snapshot: RaftSnapshot | undefined
  /** Behind the snapshot. Those up to `consistentIndex` are in the db already. */
  entries: RaftEntry[]
  consistentIndex: number
}

export class Backend {
  readonly #settings: BackendSettings
  readonly #dbPath: string
  readonly #snapFolder: string
  readonly #received: ReceivedDatabases
  #dbExisted: boolean
  #db: BboltFile
  #log: WriteAheadLog | undefined
  #applied = { index: 0, term: 0 }
  #timer: NodeJS.Timeout | undefined
  /** Commits, defragmentation and the end come one after the other. */
  #work: Promise<void> = Promise.resolve()
  #isClosed = false

  /** @throws WalError, Panic, Error where the disk holds something else than a member left there. */
  static open(settings: BackendSettings): { backend: Backend; state: StoredState } {
    const snapFolder = join(settings.dataDir, dirname(DB_FILE))
    mkdirSync(snapFolder, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(snapFolder)) {
      // What a crash left of a defragmentation or of a snapshot on its way.
      if (name.startsWith('tmp') || name.startsWith('db.tmp')) rmSync(join(snapFolder, name), { force: true })
    }
    const backend = new Backend(settings, snapFolder)
    try {
      return { backend, state: backend.#readState() }
    } catch (error) {
      backend.#db.close()
      throw error
    }
  }

  private constructor(settings: BackendSettings, snapFolder: string) {
    this.#settings = settings
    this.#snapFolder = snapFolder
    this.#received = new ReceivedDatabases(snapFolder, settings)
    this.#dbPath = join(settings.dataDir, DB_FILE)
    this.#dbExisted = existsSync(this.#dbPath)
    this.#db = this.#openDb()
  }

  #openDb(): BboltFile {
    try {
      this.#db = new BboltFile(this.#dbPath, { ...this.#settings, lock: true }).growInSteps()
    } catch (error) {
      if (!(error instanceof BboltError) && !(error instanceof RangeError)) throw error
      throw new Panic('failed to open database', { path: this.#dbPath, error: error.message })
    }
    for (const bucket of BUCKETS) this.#db.createBucket(bucket)
    this.#applied = { index: this.#number(META.consistentIndex), term: this.#number(META.term) }
    return this.#db
  }

  get sizeBytes(): number {
    return this.#db.sizeBytes
  }

  get sizeInUseBytes(): number {
    return this.#db.sizeInUseBytes
  }

  /** Begins the log of a new member. */
  startLog(metadata: WalMetadata): void {
    this.#log = WriteAheadLog.create(join(this.#settings.dataDir, WAL_FOLDER), metadata, this.#settings)
  }

  /** Entries take the place of what the log has from the first one's index on. */
  append(entries: readonly RaftEntry[], hardState?: HardState): void {
    this.#openLog().append(entries, hardState)
  }

  /** Resolves once everything appended so far would survive a crash. */
  synced(): Promise<void> {
    return this.#openLog().synced()
  }

  put(bucket: BucketName, key: string, value: Uint8Array): void {
    this.#db.put(bucket, key, value)
    this.#written()
  }

  delete(bucket: BucketName, key: string): void {
    if (this.#db.delete(bucket, key)) this.#written()
  }

  /** What was put last, in a batch that is not committed yet or on the disk. Keys are latin1 text. */
  get(bucket: BucketName, key: string): Uint8Array | undefined {
    return this.#db.get(bucket, key)
  }

  /** In order of keys, from the first on that is not less. */
  entries(bucket: BucketName, from = ''): Generator<[key: string, value: Uint8Array]> {
    return this.#db.entries(bucket, from)
  }

  /** Tells of each entry in order where in a page of the file its key, its value and its end are; the page stays as it is. */
  scan(bucket: BucketName, visit: ScanVisitor): void {
    this.#db.scan(bucket, visit)
  }

  /** Everything that this entry did has been put: the next commit may say so. */
  applied({ index, term }: Pick<RaftEntry, 'index' | 'term'>): void {
    this.#applied = { index, term }
    this.#arm()
  }

  /** Who votes and learns, as the last change of the configuration left it. */
  setConfState(confState: ConfState): void {
    const { voters, learners, autoLeave } = confState
    // Ids do not fit a JavaScript number, so the text is put together by hand.
    const list = (name: string, ids: readonly bigint[]): string =>
      ids.length > 0 ? `"${name}":[${ids.join(',')}],` : ''
    const text = `{${list('voters', voters)}${list('learners', learners)}"auto_leave":${autoLeave}}`
    this.put('meta', META.confState, Buffer.from(text))
  }

  /** Everything that was put so far is in the file. */
  commit(): Promise<void> {
    return this.#afterAll(() => this.#commit())
  }

  /**
   * Marks that all up to the snapshot's index is in the db (`commit` before) or in one that was received, so that the log
   * before it may go.
   */
  async saveSnapshot(snapshot: RaftSnapshot): Promise<void> {
    const { index, term, confState } = snapshot
    saveSnapshot(this.#snapFolder, snapshot, this.#settings)
    await this.#openLog().markSnapshot({ index, term, confState })
    this.#openLog().release(index)
    this.#received.release(index, (path) => this.#say('info', 'found orphaned .snap.db file; deleting', { path }))
  }

  /** Keeps another member's db aside, until `takeReceived` or a start makes it this member's own. */
  receive(index: number, database: AsyncIterable<Uint8Array>): Promise<void> {
    return timed(this.#settings.metrics?.received, () => this.#received.keep(index, database))
  }

  /** The db is the received one from now on; what was put before is gone. @throws BboltError */
  takeReceived(index: number): Promise<void> {
    return this.#afterAll(async () => {
      this.#received.moveTo(this.#dbPath, index)
      this.#db.closeWhenRead()
      this.#openDb()
    })
  }

  /**
   * The db as it is now, in chunks, and then the SHA-256 of it all (api/v3rpc/maintenance.go, Snapshot). The state does
   * not change while it is read, whatever is written meanwhile.
   */
  async snapshot(): Promise<{
    bytes: number
    /** The last entry that it has. */
    index: number
    term: number
    chunks: Generator<DatabaseChunk>
  }> {
    let [index, term] = [0, 0]
    let reader: ReturnType<BboltFile['openReader']> | undefined
    await this.#afterAll(async () => {
      await this.#commit()
      index = this.#number(META.consistentIndex)
      term = this.#number(META.term)
      reader = this.#db.openReader()
    })
    const beginMs = performance.now()
    const chunks = databaseChunks(reader!, () =>
      this.#settings.metrics?.snapshot.observe((performance.now() - beginMs) / 1000),
    )
    return { bytes: reader!.bytes, index, term, chunks }
  }

  /** Writes the db anew without what is free in it; what was deleted is gone from the disk then, but for the log. */
  async defragment(): Promise<void> {
    const { metrics } = this.#settings
    metrics?.isDefragmenting.set(1)
    await timed(metrics?.defragment, () => this.#defragment()).finally(() => metrics?.isDefragmenting.set(0))
  }

  #defragment(): Promise<void> {
    return this.#afterAll(async () => {
      await this.#commit()
      const path = `${this.#dbPath}.tmp.${process.pid}`
      rmSync(path, { force: true })
      // Entries may have been applied since, and are copied with the rest.
      this.#putIndex()
      const fresh = new BboltFile(path, { ...this.#settings, lock: true })
      for (const bucket of this.#db.bucketNames) {
        fresh.createBucket(bucket)
        for (const [key, value] of this.#db.entries(bucket)) {
          fresh.put(bucket, key, value)
          if (fresh.operations > DEFRAG_OPERATIONS) fresh.commitSync()
        }
      }
      fresh.commitSync()
      renameSync(path, this.#dbPath)
      if (this.#settings.fsync) syncFolder(this.#snapFolder)
      // A reader of the old file goes on with it.
      this.#db.closeWhenRead()
      this.#db = fresh.growInSteps()
    })
  }

  /** Over all buckets but for what members write on their own (backend.go, Hash; schema, DefaultIgnores). */
  hash(): number {
    let crc = 0
    for (const bucket of this.#db.bucketNames) {
      crc = crc32c(crc, Buffer.from(bucket, 'latin1'))
      for (const [key, value] of this.#db.entries(bucket)) {
        if (bucket === 'meta' && UNHASHED.has(key)) continue
        crc = crc32c(crc32c(crc, Buffer.from(key, 'latin1')), value)
      }
    }
    return crc
  }

  /** Commits what is left. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    await this.commit()
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#log?.close()
    this.#db.closeWhenRead()
  }

  #readState(): StoredState {
    const walFolder = join(this.#settings.dataDir, WAL_FOLDER)
    if (!existsSync(walFolder)) {
      const consistentIndex = this.#applied.index
      return { metadata: undefined, hardState: undefined, snapshot: undefined, entries: [], consistentIndex }
    }
    const { contents, snapshot } = this.#readLog(walFolder)
    if (snapshot && this.#applied.index < snapshot.index) this.#recoverReceived(snapshot.index)
    const consistentIndex = this.#applied.index
    if (snapshot && !this.#dbExisted) throw new Error(`database file (${this.#dbPath}) of the backend is missing`)
    if (snapshot && consistentIndex < snapshot.index && consistentIndex !== 0) {
      throw new Error(
        `database file (${this.#dbPath} index ${consistentIndex}) does not match with snapshot (index ${snapshot.index})`,
      )
    }
    if (contents.tail.isTorn) this.#say('info', 'repaired WAL', { error: 'unexpected EOF' })
    this.#log = WriteAheadLog.reopen(walFolder, contents, this.#settings)
    for (const name of readdirSync(walFolder)) {
      if (!name.endsWith('.wal') && !name.endsWith('.tmp'))
        this.#say('warn', 'ignored file in WAL directory', { path: name })
    }
    const { metadata, state: hardState, entries } = contents
    if (!metadata) throw new Panic('cannot use none as id')
    return { metadata, hardState, snapshot, entries, consistentIndex }
  }

  /** A crash came between the log's word of a snapshot from elsewhere and its db. */
  #recoverReceived(index: number): void {
    if (!this.#received.has(index)) return
    this.#received.moveTo(this.#dbPath, index)
    this.#dbExisted = true
    this.#db.close()
    this.#openDb()
  }

  /** The log behind the newest snapshot that it speaks of: one that a crash kept out of the log does not count. */
  #readLog(walFolder: string): { contents: WalContents; snapshot: RaftSnapshot | undefined } {
    const onBroken = (name: string, error: string): void =>
      this.#say('warn', 'failed to read a snap file', { path: join(this.#snapFolder, name), error })
    for (const snapshot of loadSnapshots(this.#snapFolder, onBroken)) {
      const contents = readWal(walFolder, snapshot)
      const isKnown = contents.snapshots.some(({ index, term }) => index === snapshot.index && term === snapshot.term)
      if (isKnown && snapshot.index <= (contents.state?.commit ?? 0)) return { contents, snapshot }
    }
    return { contents: readWal(walFolder), snapshot: undefined }
  }

  #number(key: string): number {
    const value = this.#db.get('meta', key)
    return value?.length === 8 ? Number(Buffer.from(value).readBigUInt64BE(0)) : 0
  }

  #say(level: 'info' | 'warn', message: string, fields: Record<string, unknown>): void {
    this.#settings.log?.(level, message, fields)
  }

  #openLog(): WriteAheadLog {
    if (!this.#log) throw new Error('[no_log] a new member has no log before startLog')
    return this.#log
  }

  #written(): void {
    if (this.#db.operations >= BATCH_OPERATIONS) void this.commit()
    else this.#arm()
  }

  #arm(): void {
    if (this.#isClosed) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.commit()
    }, BATCH_INTERVAL_MS)
  }

  async #commit(): Promise<void> {
    this.#putIndex()
    if (this.#db.operations > 0) await timed(this.#settings.metrics?.commit, () => this.#db.commit())
  }

  /** What an entry puts and that it did is one step for the event loop, so that no batch holds a part of it. */
  #putIndex(): void {
    const { index, term } = this.#applied
    if (index === this.#number(META.consistentIndex)) return
    this.#db.put('meta', META.consistentIndex, be64(index))
    this.#db.put('meta', META.term, be64(term))
  }

  #afterAll(act: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(act).catch((error: unknown) => this.#settings.onFailure(error as Error))
    return this.#work
  }
}

const UNHASHED: ReadonlySet<string> = new Set([META.consistentIndex, META.term, META.storageVersion])

function be64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
