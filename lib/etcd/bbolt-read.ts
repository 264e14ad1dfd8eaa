/** Reads a bbolt file page by page, such as a member's `member/snap/db` or what `etcdctl snapshot save` wrote. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import {
  BUCKET_HEADER_BYTES,
  decodeMetaPage,
  ELEMENT_BYTES,
  META_BYTES,
  PAGE_HEADER_BYTES,
  PAGE_KIND,
  readBranch,
  readLeaf,
  readPageHeader,
  type LeafElement,
  type Meta,
} from './bbolt-page.ts'

/** Below the data directory. */
export const DB_FILE = 'member/snap/db'

export class BboltError extends Error {
  override readonly name = 'BboltError'
}

/** bbolt's trees are four or five pages high; what is higher has a page that leads back to itself. */
const HIGHEST_TREE = 32

export class BboltReader {
  readonly meta: Meta
  readonly fileBytes: number
  readonly #descriptor: number

  /** @throws BboltError `invalid database` where neither meta page is whole. */
  constructor(file: string) {
    this.#descriptor = openSync(file, 'r')
    this.fileBytes = fstatSync(this.#descriptor).size
    const meta = newestMeta((bytes, position) => readSync(this.#descriptor, bytes, 0, bytes.length, position))
    if (!meta) {
      this.close()
      throw new BboltError('invalid database')
    }
    this.meta = meta
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  /** Name of each bucket to its value: where its root is, or its only page. */
  buckets(): Map<string, Buffer> {
    const found = new Map<string, Buffer>()
    for (const { key, value, isBucket } of this.elements(this.meta.root)) {
      if (isBucket && value.length >= BUCKET_HEADER_BYTES) found.set(key.toString('latin1'), value)
    }
    return found
  }

  /** Every element of a bucket in order of keys; none for a bucket that is not there. */
  *entries(bucket: string): Generator<LeafElement> {
    const value = this.buckets().get(bucket)
    if (!value) return
    const root = rootOfBucket(value)
    if (root === 0) yield* readLeaf(inlinePage(value))
    else yield* this.elements(root)
  }

  /** @throws BboltError, RangeError where the tree leads outside of the file or in a circle. */
  *elements(root: number, height = 1): Generator<LeafElement> {
    if (height > HIGHEST_TREE) throw new BboltError(`page ${root}: the tree is endless`)
    const page = this.page(root)
    const { kind } = readPageHeader(page)
    if (kind === PAGE_KIND.leaf) yield* readLeaf(page)
    else if (kind === PAGE_KIND.branch) {
      for (const child of readBranch(page)) yield* this.elements(child.page, height + 1)
    } else throw new BboltError(`page ${root}: invalid page type: ${kind.toString(16)}`)
  }

  /** A page with all that overflows from it. */
  page(id: number): Buffer {
    const first = this.#read(id, 1)
    if (first.length < this.meta.pageBytes) throw new BboltError(`page ${id}: behind the end of the file`)
    const { overflow } = readPageHeader(first)
    if ((id + overflow + 1) * this.meta.pageBytes > this.fileBytes)
      throw new BboltError(`page ${id}: overflows the file`)
    return overflow === 0 ? first : this.#read(id, overflow + 1)
  }

  /** Leaf elements that lie in pages of the file whether or not the tree still leads to them. */
  *carved(): Generator<LeafElement> {
    const pages = Math.floor(this.fileBytes / this.meta.pageBytes)
    for (let id = 2; id < Math.min(this.meta.highWater, pages); id += 1) {
      const header = readPageHeader(this.#read(id, 1))
      const fits = header.count * ELEMENT_BYTES + PAGE_HEADER_BYTES <= this.meta.pageBytes * (header.overflow + 1)
      if (header.kind !== PAGE_KIND.leaf || header.id !== id || !fits) continue
      try {
        yield* readLeaf(this.page(id))
      } catch {
        // Half of it was used again for something else: what is left says nothing.
      }
    }
  }

  #read(id: number, count: number): Buffer {
    const bytes = Buffer.allocUnsafe(count * this.meta.pageBytes)
    const got = readSync(this.#descriptor, bytes, 0, bytes.length, id * this.meta.pageBytes)
    return bytes.subarray(0, got)
  }
}

/** Root page of a bucket; 0 if its elements lie within its own value. */
export function rootOfBucket(value: Buffer): number {
  return value.readUInt32LE(0) + value.readUInt32LE(4) * 2 ** 32
}

export function inlinePage(value: Buffer): Buffer {
  return value.subarray(BUCKET_HEADER_BYTES)
}

const SMALLEST_PAGE_BYTES = 1024
const PAGE_SIZES = 15

/** The valid meta page of the latest transaction; the second one lies one page behind the first, however long that is. */
export function newestMeta(read: (bytes: Buffer, position: number) => number): Meta | undefined {
  const at = (position: number): Meta | undefined => {
    const bytes = Buffer.alloc(PAGE_HEADER_BYTES + META_BYTES)
    return read(bytes, position) === bytes.length ? decodeMetaPage(bytes) : undefined
  }
  const first = at(0)
  if (first) {
    const second = at(first.pageBytes)
    return second && second.transaction > first.transaction ? second : first
  }
  for (let size = 0; size < PAGE_SIZES; size += 1) {
    const second = at(SMALLEST_PAGE_BYTES * 2 ** size)
    if (second?.pageBytes === SMALLEST_PAGE_BYTES * 2 ** size) return second
  }
  return undefined
}
