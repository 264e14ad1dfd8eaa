/** Appends entries to the log and says when they are on the disk: one write and one fsync for all that came meanwhile. */
import {
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { RaftEntry, WalMetadata } from '../../lib/etcd/raft-entry.ts'
import { encodeWalEntry, encodeWalMetadata, readWal, WAL_FILE } from '../../lib/etcd/wal.ts'

export interface WriteAheadLogOptions {
  fsync: boolean
  onFailure: (error: Error) => void
}

export class WriteAheadLog {
  readonly #descriptor: number
  readonly #options: WriteAheadLogOptions
  #length: number
  #frames: Buffer[] = []
  #closed = false

  /** Opens or makes the log below `dataDir`, gives its entries back and cuts off a torn end. */
  static open(dataDir: string, ifNew: WalMetadata, options: WriteAheadLogOptions) {
    const file = join(dataDir, WAL_FILE)
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const existed = existsSync(file)
    const content = existed ? readWal(readFileSync(file)) : { metadata: undefined, entries: [], wholeBytes: 0 }
    const descriptor = openSync(file, existed ? 'r+' : 'wx+', 0o600)
    ftruncateSync(descriptor, content.wholeBytes)
    // The name itself must survive a crash as well.
    if (!existed) syncFolder(dirname(file))
    const log = new WriteAheadLog(descriptor, content.wholeBytes, options)
    if (!content.metadata) log.#frames.push(encodeWalMetadata(ifNew))
    return { log, entries: content.entries, metadata: content.metadata ?? ifNew }
  }

  private constructor(descriptor: number, length: number, options: WriteAheadLogOptions) {
    this.#descriptor = descriptor
    this.#length = length
    this.#options = options
  }

  /** It is on the disk once `flush` has called back. */
  append(entry: RaftEntry): void {
    this.#frames.push(encodeWalEntry(entry))
  }

  /** Writes all that was appended; calls back once it is durable. One at a time. */
  flush(done: () => void): void {
    if (this.#closed) return
    const bytes = this.#frames.length === 1 ? this.#frames[0]! : Buffer.concat(this.#frames)
    this.#frames = []
    try {
      for (let at = 0; at < bytes.length;)
        at += writeSync(this.#descriptor, bytes, at, bytes.length - at, this.#length + at)
    } catch (error) {
      return this.#options.onFailure(error as Error)
    }
    this.#length += bytes.length
    if (!this.#options.fsync) return done()
    fdatasync(this.#descriptor, (error) => {
      if (this.#closed) return
      if (error) this.#options.onFailure(error)
      else done()
    })
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#options.fsync) fsyncSync(this.#descriptor)
    closeSync(this.#descriptor)
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}
