/** The pages of a bbolt file (go.etcd.io/bbolt, internal/common/page.go and meta.go). Numbers are little-endian. */

/** What bbolt takes where the system's pages are of 4 KiB; a file says in its meta pages what it was made with. */
export const PAGE_BYTES = 4096
export const PAGE_HEADER_BYTES = 16
export const ELEMENT_BYTES = 16

export const PAGE_KIND = { branch: 0x01, leaf: 0x02, meta: 0x04, freelist: 0x10 } as const

/** A leaf element whose value is a bucket. */
export const BUCKET_ELEMENT = 0x01
/** Root page and sequence, at the head of a bucket's value; a small bucket's only page follows there and then. */
export const BUCKET_HEADER_BYTES = 16

/** What stands for the freelist page where none is written: etcd opens its db so, and finds free pages by walking the tree. */
const NO_FREELIST = 0xffff_ffff_ffff_ffffn

const MAGIC = 0xed0cdaed
const VERSION = 2
const CHECKED_META_BYTES = 56
export const META_BYTES = CHECKED_META_BYTES + 8

export interface PageHeader {
  id: number
  kind: number
  count: number
  /** Pages that follow and belong to this one. */
  overflow: number
}

export function readPageHeader(page: Buffer): PageHeader {
  return {
    id: page.readUInt32LE(0) + page.readUInt32LE(4) * 2 ** 32,
    kind: page.readUInt16LE(8),
    count: page.readUInt16LE(10),
    overflow: page.readUInt32LE(12),
  }
}

export function writePageHeader(page: Buffer, { id, kind, count, overflow }: PageHeader): void {
  page.writeBigUInt64LE(BigInt(id), 0)
  page.writeUInt16LE(kind, 8)
  page.writeUInt16LE(count, 10)
  page.writeUInt32LE(overflow, 12)
}

export interface Meta {
  pageBytes: number
  /** Root page of the tree of buckets. */
  root: number
  /** First page behind all that are in use. */
  highWater: number
  transaction: number
}

/** The page for `slot` 0 or 1; a commit writes the one of its transaction's parity, so that the other stays whole. */
export function encodeMetaPage({ pageBytes, root, highWater, transaction }: Meta, slot = transaction % 2): Buffer {
  const page = Buffer.alloc(pageBytes)
  writePageHeader(page, { id: slot, kind: PAGE_KIND.meta, count: 0, overflow: 0 })
  const meta = page.subarray(PAGE_HEADER_BYTES)
  meta.writeUInt32LE(MAGIC, 0)
  meta.writeUInt32LE(VERSION, 4)
  meta.writeUInt32LE(pageBytes, 8)
  meta.writeBigUInt64LE(BigInt(root), 16)
  meta.writeBigUInt64LE(NO_FREELIST, 32)
  meta.writeBigUInt64LE(BigInt(highWater), 40)
  meta.writeBigUInt64LE(BigInt(transaction), 48)
  meta.writeBigUInt64LE(fnv64a(meta.subarray(0, CHECKED_META_BYTES)), CHECKED_META_BYTES)
  return page
}

/** `undefined` where the page is no valid meta page: bbolt then takes the other one. */
export function decodeMetaPage(page: Buffer): Meta | undefined {
  const meta = page.subarray(PAGE_HEADER_BYTES)
  if (meta.length < META_BYTES || meta.readUInt32LE(0) !== MAGIC || meta.readUInt32LE(4) !== VERSION) return undefined
  if (meta.readBigUInt64LE(CHECKED_META_BYTES) !== fnv64a(meta.subarray(0, CHECKED_META_BYTES))) return undefined
  return {
    pageBytes: meta.readUInt32LE(8),
    root: Number(meta.readBigUInt64LE(16)),
    highWater: Number(meta.readBigUInt64LE(40)),
    transaction: Number(meta.readBigUInt64LE(48)),
  }
}

function fnv64a(bytes: Buffer): bigint {
  let hash = 0xcbf29ce484222325n
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  return hash
}

export interface LeafElement {
  isBucket: boolean
  key: Buffer
  value: Buffer
}

/** @throws RangeError for a page whose elements lie outside of it. */
export function readLeaf(page: Buffer): LeafElement[] {
  const { id, count } = readPageHeader(page)
  const elements: LeafElement[] = []
  for (let index = 0; index < count; index += 1) {
    const at = elementAt(page, id, index)
    const start = at + page.readUInt32LE(at + 4)
    const keyEnd = start + page.readUInt32LE(at + 8)
    const end = keyEnd + page.readUInt32LE(at + 12)
    if (end > page.length) throw new RangeError(`page ${id}: element ${index} lies outside`)
    elements.push({
      isBucket: (page.readUInt32LE(at) & BUCKET_ELEMENT) !== 0,
      key: page.subarray(start, keyEnd),
      value: page.subarray(keyEnd, end),
    })
  }
  return elements
}

export interface BranchElement {
  key: Buffer
  page: number
}

/** @throws RangeError for a page whose elements lie outside of it. */
export function readBranch(page: Buffer): BranchElement[] {
  const { id, count } = readPageHeader(page)
  const elements: BranchElement[] = []
  for (let index = 0; index < count; index += 1) {
    const at = elementAt(page, id, index)
    const start = at + page.readUInt32LE(at)
    const end = start + page.readUInt32LE(at + 4)
    if (end > page.length) throw new RangeError(`page ${id}: element ${index} lies outside`)
    const child = page.readUInt32LE(at + 8) + page.readUInt32LE(at + 12) * 2 ** 32
    elements.push({ key: page.subarray(start, end), page: child })
  }
  return elements
}

function elementAt(page: Buffer, id: number, index: number): number {
  const at = PAGE_HEADER_BYTES + index * ELEMENT_BYTES
  if (at + ELEMENT_BYTES > page.length) throw new RangeError(`page ${id}: element ${index} lies outside`)
  return at
}
