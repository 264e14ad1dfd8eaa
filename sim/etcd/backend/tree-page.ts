/** A node of a bucket's tree: what of it is in memory, what it takes on the disk, and how it is cut into pages. */
import {
  ELEMENT_BYTES,
  PAGE_HEADER_BYTES,
  PAGE_KIND,
  readBranch,
  readLeaf,
  readPageHeader,
  writePageHeader,
} from '../../../lib/etcd/bbolt-page.ts'
import { BboltError } from '../../../lib/etcd/bbolt-read.ts'

export interface TreeNode {
  /** 0: never written. */
  page: number
  pageCount: number
  /** Its first key as its parent has it. Keys are latin1 text, whose order is the order of bytes. */
  firstKey: string
  isDirty: boolean
  /** `undefined`: not read yet, or let go. */
  content: Leaf | Branch | undefined
}

export interface Leaf {
  kind: 'leaf'
  keys: string[]
  values: Uint8Array[]
}

export interface Branch {
  kind: 'branch'
  children: TreeNode[]
}

export function newLeaf(keys: string[] = [], values: Uint8Array[] = []): TreeNode {
  return { page: 0, pageCount: 0, firstKey: keys[0] ?? '', isDirty: true, content: { kind: 'leaf', keys, values } }
}

export function newBranch(children: TreeNode[]): TreeNode {
  const firstKey = children[0]?.firstKey ?? ''
  return { page: 0, pageCount: 0, firstKey, isDirty: true, content: { kind: 'branch', children } }
}

/** @throws BboltError, RangeError for a page that is neither leaf nor branch. */
export function contentOf(page: Buffer): { content: Leaf | Branch; pageCount: number } {
  const { id, kind, overflow } = readPageHeader(page)
  if (kind === PAGE_KIND.leaf) {
    const keys: string[] = []
    const values: Uint8Array[] = []
    for (const { key, value } of readLeaf(page)) {
      keys.push(key.toString('latin1'))
      values.push(value)
    }
    return { content: { kind: 'leaf', keys, values }, pageCount: overflow + 1 }
  }
  if (kind !== PAGE_KIND.branch) throw new BboltError(`page ${id}: invalid page type: ${kind.toString(16)}`)
  const children = readBranch(page).map((child): TreeNode => ({
    page: child.page,
    pageCount: 0,
    firstKey: child.key.toString('latin1'),
    isDirty: false,
    content: undefined,
  }))
  return { content: { kind: 'branch', children }, pageCount: overflow + 1 }
}

export function isLeafPage(page: Buffer): boolean {
  return readPageHeader(page).kind === PAGE_KIND.leaf
}

/** @throws RangeError for a page whose elements lie outside of it. */
export function findInLeaf(page: Buffer, key: string): Uint8Array | undefined {
  const wanted = Buffer.from(key, 'latin1')
  let low = 0
  let high = readPageHeader(page).count - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const at = PAGE_HEADER_BYTES + middle * ELEMENT_BYTES
    const start = at + page.readUInt32LE(at + 4)
    const keyEnd = start + page.readUInt32LE(at + 8)
    const end = keyEnd + page.readUInt32LE(at + 12)
    if (end > page.length) throw new RangeError(`page ${readPageHeader(page).id}: element ${middle} lies outside`)
    const order = page.compare(wanted, 0, wanted.length, start, keyEnd)
    if (order === 0) return page.subarray(keyEnd, end)
    if (order < 0) low = middle + 1
    else high = middle - 1
  }
  return undefined
}

/** Tells of each element of a leaf where in the page its key, its value and its end are. @throws RangeError */
export function scanLeaf(page: Buffer, visit: ScanVisitor): void {
  const { id, count } = readPageHeader(page)
  for (let index = 0; index < count; index += 1) {
    const at = PAGE_HEADER_BYTES + index * ELEMENT_BYTES
    const start = at + page.readUInt32LE(at + 4)
    const value = start + page.readUInt32LE(at + 8)
    const end = value + page.readUInt32LE(at + 12)
    if (end > page.length) throw new RangeError(`page ${id}: element ${index} lies outside`)
    visit(page, start, value, end)
  }
}

export type ScanVisitor = (page: Buffer, keyStart: number, valueStart: number, end: number) => void

export function elementBytes(content: Leaf | Branch, index: number): number {
  if (content.kind === 'branch') return ELEMENT_BYTES + content.children[index]!.firstKey.length
  return ELEMENT_BYTES + content.keys[index]!.length + content.values[index]!.length
}

export function countOf(content: Leaf | Branch): number {
  return content.kind === 'branch' ? content.children.length : content.keys.length
}

export function bytesOf(content: Leaf | Branch): number {
  let bytes = PAGE_HEADER_BYTES
  for (let index = 0; index < countOf(content); index += 1) bytes += elementBytes(content, index)
  return bytes
}

/** Fills `page`, which is all zeros. `flags` mark every element of a leaf. */
export function writePage(page: Buffer, id: number, overflow: number, content: Leaf | Branch, flags: number): void {
  const count = countOf(content)
  const kind = content.kind === 'leaf' ? PAGE_KIND.leaf : PAGE_KIND.branch
  writePageHeader(page, { id, kind, count, overflow })
  let data = PAGE_HEADER_BYTES + count * ELEMENT_BYTES
  for (let index = 0; index < count; index += 1) {
    const at = PAGE_HEADER_BYTES + index * ELEMENT_BYTES
    if (content.kind === 'leaf') {
      const key = content.keys[index]!
      const value = content.values[index]!
      page.writeUInt32LE(flags, at)
      page.writeUInt32LE(data - at, at + 4)
      page.writeUInt32LE(key.length, at + 8)
      page.writeUInt32LE(value.length, at + 12)
      page.write(key, data, 'latin1')
      page.set(value, data + key.length)
      data += key.length + value.length
    } else {
      const child = content.children[index]!
      page.writeUInt32LE(data - at, at)
      page.writeUInt32LE(child.firstKey.length, at + 4)
      page.writeUInt32LE(child.page % 2 ** 32, at + 8)
      page.writeUInt32LE(Math.floor(child.page / 2 ** 32), at + 12)
      page.write(child.firstKey, data, 'latin1')
      data += child.firstKey.length
    }
  }
}

const FEWEST_ELEMENTS = 2

/** Cuts a node into pages. What fits one page, or has too few elements, stays whole (bbolt, node.split). */
export function split(content: Leaf | Branch, pageBytes: number, fill: number): (Leaf | Branch)[] {
  const count = countOf(content)
  if (count <= FEWEST_ELEMENTS * 2 || bytesOf(content) <= pageBytes) return [content]
  const pieces: (Leaf | Branch)[] = []
  let start = 0
  let bytes = PAGE_HEADER_BYTES
  let rest = bytesOf(content)
  for (let index = 0; index < count && rest > pageBytes; index += 1) {
    const more = elementBytes(content, index)
    const mayCut = index - start >= FEWEST_ELEMENTS && count - index >= FEWEST_ELEMENTS
    if (mayCut && bytes + more > pageBytes * fill) {
      pieces.push(slice(content, start, index))
      rest -= bytes - PAGE_HEADER_BYTES
      start = index
      bytes = PAGE_HEADER_BYTES
    }
    bytes += more
  }
  pieces.push(slice(content, start, count))
  return pieces
}

function slice(content: Leaf | Branch, start: number, end: number): Leaf | Branch {
  if (content.kind === 'branch') return { kind: 'branch', children: content.children.slice(start, end) }
  return { kind: 'leaf', keys: content.keys.slice(start, end), values: content.values.slice(start, end) }
}
