/** A bbolt file that is written to: what changes stays in memory until a commit, after which a crash finds all of it or none. */
import { closeSync, fdatasync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import {
  BUCKET_ELEMENT,
  BUCKET_HEADER_BYTES,
  encodeMetaPage,
  PAGE_BYTES,
  PAGE_HEADER_BYTES,
  PAGE_KIND,
  readBranch,
  readLeaf,
  readPageHeader,
  writePageHeader,
  type Meta,
} from '../../../lib/etcd/bbolt-page.ts'
import { BboltError, newestMeta, rootOfBucket } from '../../../lib/etcd/bbolt-read.ts'
import { lockFile } from './file-lock.ts'
import { PageSpace } from './page-space.ts'
import type { ScanVisitor } from './tree-page.ts'
import { HIGHEST_TREE, Tree, type PageStore, type TreeSettings } from './tree.ts'

/** Revisions come in order, so their pages are filled almost; elsewhere half (backend/batch_tx.go, UnsafeSeqPut). */
const SEQUENTIAL_BUCKET = 'key'
const SEQUENTIAL_FILL = 0.9
const FILL = 0.5

/** The file grows by this at a time, as a hole (bbolt, DefaultAllocSize). */
const GROWTH_BYTES = 16 * 1024 * 1024
const PAGES_AHEAD = 32
const SMALLEST_MAP_BYTES = 32 * 1024

export class BboltFile {
  readonly #descriptor: number
  readonly #fsync: boolean
  readonly #store: PageStore
  readonly #space: PageSpace
  #meta: Meta
  #fileBytes: number
  #buckets = new Map<string, Tree>()
  #tree: Tree
  #unwritten: { page: number; bytes: Buffer }[] = []
  /** The states that somebody reads. */
  readonly #readers = new Set<Meta>()
  #operations = 0

  /** Opens the file or makes it; `lock` keeps all others out. @throws BboltError, RangeError for one that is broken. */
  constructor(path: string, { fsync, lock = false }: { fsync: boolean; lock?: boolean }) {
    this.#fsync = fsync
    this.#descriptor = openFile(path)
    if (lock) lockFile(this.#descriptor)
    try {
      this.#fileBytes = fstatSync(this.#descriptor).size
      const meta = this.#fileBytes === 0 ? this.#initialise() : this.#readMeta()
      this.#meta = meta
      this.#store = {
        pageBytes: meta.pageBytes,
        read: (page) => this.#read(page),
        sequentialReader: () => this.#sequentialReader(),
        allocate: (count) => this.#space.allocate(count),
        giveUp: (first, count) => this.#space.giveUp(first, count),
        write: (page, bytes) => void this.#unwritten.push({ page, bytes }),
      }
      this.#space = new PageSpace(meta.highWater, freePages(meta, this.#usedPages()))
      this.#tree = Tree.atPage(this.#store, { fill: FILL, elementFlags: BUCKET_ELEMENT }, meta.root)
      for (const [name, value] of this.#tree.entries()) {
        this.#buckets.set(name, Tree.ofBucket(this.#store, settingsOf(name), value as Buffer))
      }
    } catch (error) {
      closeSync(this.#descriptor)
      throw error
    }
  }

  /** As etcd counts it: up to the last page in use, which the file may well be longer than. */
  get sizeBytes(): number {
    return this.#meta.highWater * this.#meta.pageBytes
  }

  get sizeInUseBytes(): number {
    return this.sizeBytes - this.#space.freeCount * this.#meta.pageBytes
  }

  /** Puts and deletions that no commit has written yet. */
  get operations(): number {
    return this.#operations
  }

  get bucketNames(): string[] {
    return [...this.#buckets.keys()].sort()
  }

  createBucket(name: string): void {
    if (this.#buckets.has(name)) return
    this.#buckets.set(name, Tree.empty(this.#store, settingsOf(name)))
    this.#operations += 1
  }

  put(bucket: string, key: string, value: Uint8Array): void {
    this.createBucket(bucket)
    this.#buckets.get(bucket)!.put(key, value)
    this.#operations += 1
  }

  /** Whether it was there. */
  delete(bucket: string, key: string): boolean {
    if (!this.#buckets.get(bucket)?.delete(key)) return false
    this.#operations += 1
    return true
  }

  get(bucket: string, key: string): Uint8Array | undefined {
    return this.#buckets.get(bucket)?.get(key)
  }

  /** In order of keys, from the first on that is not less; the bucket must not be written to meanwhile. */
  *entries(bucket: string, from = ''): Generator<[key: string, value: Uint8Array]> {
    yield* this.#buckets.get(bucket)?.entries(from) ?? []
  }

  scan(bucket: string, visit: ScanVisitor): void {
    this.#buckets.get(bucket)?.scan(visit)
  }

  /** One at a time: the next one begins when this one has resolved. */
  async commit(): Promise<void> {
    if (this.#operations === 0) return
    const meta = this.#writePages()
    await this.#sync()
    this.#writeMeta(meta)
    await this.#sync()
    this.#finish(meta)
  }

  commitSync(): void {
    if (this.#operations === 0) return
    const meta = this.#writePages()
    if (this.#fsync) fdatasyncSync(this.#descriptor)
    this.#writeMeta(meta)
    if (this.#fsync) fdatasyncSync(this.#descriptor)
    this.#finish(meta)
  }

  /** The file as of the last commit, in chunks; its pages stay as they are until `close`. */
  openReader(): BboltSnapshot {
    // One object for each reader.
    const meta = { ...this.#meta }
    this.#readers.add(meta)
    return {
      bytes: meta.highWater * meta.pageBytes,
      read: (chunk, position) => this.#readSnapshot(meta, chunk, position),
      close: () => {
        this.#readers.delete(meta)
        if (this.#closesWhenRead && this.#readers.size === 0) this.close()
      },
    }
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  /** At once, or when the last reader has come to its end. Nothing may be written any more. */
  closeWhenRead(): void {
    if (this.#readers.size === 0) this.close()
    else this.#closesWhenRead = true
  }

  #closesWhenRead = false

  #readSnapshot(meta: Meta, chunk: Buffer, position: number): number {
    const count = readSync(this.#descriptor, chunk, 0, chunk.length, position)
    // The meta pages in the file may be those of later transactions by now (bbolt, Tx.WriteTo).
    for (const slot of [0, 1]) {
      const start = slot * meta.pageBytes
      if (position > start || position + count < start + meta.pageBytes) continue
      encodeMetaPage({ ...meta, transaction: meta.transaction - slot }, slot).copy(chunk, start - position)
    }
    return count
  }

  /** What a new file begins with: two meta pages, one page that is free, and an empty tree of buckets (bbolt, db.init). */
  #initialise(): Meta {
    const [pageBytes, root, highWater] = [PAGE_BYTES, 3, 4]
    const pages = Buffer.alloc(highWater * pageBytes)
    for (const transaction of [0, 1]) {
      encodeMetaPage({ pageBytes, root, highWater, transaction }).copy(pages, transaction * pageBytes)
    }
    writePageHeader(pages.subarray(2 * pageBytes), { id: 2, kind: PAGE_KIND.freelist, count: 0, overflow: 0 })
    writePageHeader(pages.subarray(root * pageBytes), { id: root, kind: PAGE_KIND.leaf, count: 0, overflow: 0 })
    writeAll(this.#descriptor, pages, 0)
    if (this.#fsync) fdatasyncSync(this.#descriptor)
    this.#fileBytes = pages.length
    return { pageBytes, root, highWater, transaction: 1 }
  }

  #readMeta(): Meta {
    const meta = newestMeta((bytes, position) => readSync(this.#descriptor, bytes, 0, bytes.length, position))
    if (!meta) throw new BboltError('invalid database')
    if (meta.highWater * meta.pageBytes > this.#fileBytes) {
      throw new BboltError(`file size too small: ${this.#fileBytes} bytes for ${meta.highWater} pages`)
    }
    return meta
  }

  #read(page: number): Buffer {
    const { pageBytes, highWater } = this.#meta
    const limit = Math.max(highWater, this.#space.highWater)
    if (page < 2 || page >= limit) throw new BboltError(`page ${page}: out of bounds: ${limit}`)
    const first = this.#readPages(page, 1)
    const { overflow } = readPageHeader(first)
    if (page + overflow >= limit) throw new BboltError(`page ${page}: its overflow is out of bounds: ${limit}`)
    return overflow === 0 ? first : this.#readPages(page, overflow + 1, pageBytes)
  }

  /** What a clean page of the tree holds does not change, so what was read ahead stays right. */
  #sequentialReader(): (page: number) => Buffer {
    const { pageBytes, highWater } = this.#meta
    let first = 0
    let ahead: Buffer = Buffer.alloc(0)
    return (page) => {
      if (page < 2 || page >= highWater) return this.#read(page)
      if (page < first || (page - first + 1) * pageBytes > ahead.length) {
        first = page
        ahead = this.#readPages(page, Math.min(PAGES_AHEAD, highWater - page))
      }
      const start = (page - first) * pageBytes
      const { overflow } = readPageHeader(ahead.subarray(start, start + pageBytes))
      const end = start + (overflow + 1) * pageBytes
      return end <= ahead.length ? ahead.subarray(start, end) : this.#read(page)
    }
  }

  #readPages(page: number, count: number, pageBytes = this.#meta.pageBytes): Buffer {
    const bytes = Buffer.allocUnsafeSlow(count * pageBytes)
    const got = readSync(this.#descriptor, bytes, 0, bytes.length, page * pageBytes)
    if (got < bytes.length) throw new BboltError(`page ${page}: unexpected EOF`)
    return bytes
  }

  /** Marks every page that the tree of buckets leads to. @throws BboltError where two places lead to the same page. */
  #usedPages(): Uint8Array {
    const { pageBytes, highWater, root } = this.#meta
    const used = new Uint8Array(highWater)
    const header = Buffer.alloc(PAGE_HEADER_BYTES)
    const walk = (page: number, isBuckets: boolean, height = 1): void => {
      if (height > HIGHEST_TREE) throw new BboltError(`page ${page}: the tree is endless`)
      if (page < 2 || page >= highWater) throw new BboltError(`page ${page}: out of bounds: ${highWater}`)
      readSync(this.#descriptor, header, 0, header.length, page * pageBytes)
      const { kind, overflow } = readPageHeader(header)
      if (page + overflow >= highWater)
        throw new BboltError(`page ${page}: its overflow is out of bounds: ${highWater}`)
      for (let each = page; each <= page + overflow; each += 1) {
        if (used[each]) throw new BboltError(`page ${each}: multiple references`)
        used[each] = 1
      }
      if (kind === PAGE_KIND.branch) {
        for (const child of readBranch(this.#readPages(page, overflow + 1))) walk(child.page, isBuckets, height + 1)
      } else if (kind !== PAGE_KIND.leaf) throw new BboltError(`page ${page}: invalid page type: ${kind.toString(16)}`)
      else if (isBuckets) {
        for (const { isBucket, key, value } of readLeaf(this.#readPages(page, overflow + 1))) {
          if (!isBucket || value.length < BUCKET_HEADER_BYTES)
            throw new BboltError(`${key.toString('latin1')}: no bucket`)
          if (rootOfBucket(value) !== 0) walk(rootOfBucket(value), false)
        }
      }
    }
    walk(root, true)
    return used
  }

  #writePages(): Meta {
    this.#operations = 0
    for (const [name, tree] of this.#buckets) {
      if (!tree.isDirty) continue
      tree.commit(true)
      this.#tree.put(name, tree.bucketValue())
    }
    this.#tree.commit(false)
    const pages = this.#unwritten.sort((one, other) => one.page - other.page)
    this.#unwritten = []
    this.#grow((this.#space.highWater + 1) * this.#meta.pageBytes)
    // Neighbours go out with one call.
    for (let start = 0; start < pages.length;) {
      let next = pages[start]!.page
      let end = start
      while (end < pages.length && pages[end]!.page === next) next += pages[end++]!.bytes.length / this.#meta.pageBytes
      const run = pages.slice(start, end).map(({ bytes }) => bytes)
      writeAll(
        this.#descriptor,
        run.length === 1 ? run[0]! : Buffer.concat(run),
        pages[start]!.page * this.#meta.pageBytes,
      )
      start = end
    }
    const { highWater } = this.#space
    return { ...this.#meta, root: this.#tree.rootPage, highWater, transaction: this.#meta.transaction + 1 }
  }

  #writeMeta(meta: Meta): void {
    writeAll(this.#descriptor, encodeMetaPage(meta), (meta.transaction % 2) * meta.pageBytes)
  }

  #sync(): Promise<void> {
    if (!this.#fsync) return Promise.resolve()
    return new Promise((resolve, reject) => fdatasync(this.#descriptor, (error) => (error ? reject(error) : resolve())))
  }

  #finish(meta: Meta): void {
    this.#space.committed(meta.transaction)
    this.#meta = meta
    this.#space.release(Math.min(meta.transaction, ...[...this.#readers].map(({ transaction }) => transaction)))
  }

  /** bbolt, db.grow: a small file to the size of its memory map (a power of two), a large one by 16 MiB more than it needs. */
  #grow(neededBytes: number): void {
    if (neededBytes <= this.#fileBytes) return
    let mapBytes = SMALLEST_MAP_BYTES
    while (mapBytes < neededBytes) mapBytes *= 2
    this.#fileBytes = this.#growsInSteps || mapBytes > GROWTH_BYTES ? neededBytes + GROWTH_BYTES : mapBytes
    ftruncateSync(this.#descriptor, this.#fileBytes)
  }

  #growsInSteps = false

  /** etcd maps 10 GiB from the start, so that its own file always grows in steps; one that it defragments into does not. */
  growInSteps(): this {
    this.#growsInSteps = true
    return this
  }
}

export interface BboltSnapshot {
  bytes: number
  /** Fills `chunk` from there and says how many bytes it got. */
  read: (chunk: Buffer, position: number) => number
  close: () => void
}

function settingsOf(bucket: string): TreeSettings {
  return { fill: bucket === SEQUENTIAL_BUCKET ? SEQUENTIAL_FILL : FILL, elementFlags: 0 }
}

function freePages({ highWater }: Meta, used: Uint8Array): number[] {
  const free: number[] = []
  for (let page = 2; page < highWater; page += 1) if (!used[page]) free.push(page)
  return free
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return openSync(path, 'wx+', 0o600)
  }
}

function writeAll(descriptor: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at, bytes.length - at, position + at)
}
