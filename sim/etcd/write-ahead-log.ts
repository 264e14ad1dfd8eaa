/** Appends records to the log and says when they are on the disk: one fsync for all that came while the last one ran. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
  fdatasync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { encodeWalRecord, readWal, WAL_FILE, type WalRecord } from '../../lib/etcd/wal.ts'

export class WriteAheadLog {
  readonly #descriptor: number
  readonly #fsync: boolean
  readonly #onFailure: (error: Error) => void
  #waiting: Array<() => void> = []
  #syncing = false
  #length: number

  /** Opens or makes the log below `dataDir`, gives its records back and cuts off a torn end. */
  static open(dataDir: string, options: { fsync: boolean; onFailure: (error: Error) => void }) {
    const file = join(dataDir, WAL_FILE)
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const existed = existsSync(file)
    const { records, wholeBytes } = existed ? readWal(readFileSync(file)) : { records: [], wholeBytes: 0 }
    const descriptor = openSync(file, existed ? 'r+' : 'wx+', 0o600)
    ftruncateSync(descriptor, wholeBytes)
    // The name itself must survive a crash as well.
    if (!existed) syncFolder(dirname(file))
    return { log: new WriteAheadLog(descriptor, wholeBytes, options), records, existed }
  }

  private constructor(
    descriptor: number,
    length: number,
    options: { fsync: boolean; onFailure: (error: Error) => void },
  ) {
    this.#descriptor = descriptor
    this.#length = length
    this.#fsync = options.fsync
    this.#onFailure = options.onFailure
  }

  get bytes(): number {
    return this.#length
  }

  /** Written at once, durable when `synced` resolves. */
  append(record: WalRecord): void {
    const frame = encodeWalRecord(record)
    try {
      for (let at = 0; at < frame.length;)
        at += writeSync(this.#descriptor, frame, at, frame.length - at, this.#length + at)
    } catch (error) {
      this.#onFailure(error as Error)
      throw error
    }
    this.#length += frame.length
    this.#dirty = true
  }

  #dirty = false

  /** Resolves once everything appended so far is on the disk. */
  synced(): Promise<void> {
    if (!this.#fsync || (!this.#dirty && !this.#syncing)) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      if (!this.#syncing) this.#sync()
    })
  }

  close(): void {
    if (this.#fsync) fsyncSync(this.#descriptor)
    closeSync(this.#descriptor)
  }

  #sync(): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#dirty = false
    this.#syncing = true
    fdatasync(this.#descriptor, (error) => {
      this.#syncing = false
      if (error) return this.#onFailure(error)
      for (const resolve of waiting) resolve()
      if (this.#waiting.length > 0) this.#sync()
    })
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}
