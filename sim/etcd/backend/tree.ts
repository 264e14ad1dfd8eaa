/**
 * One bucket of the db: a B+tree whose pages are never changed in place. A commit writes each changed page somewhere else
 * and gives the old one up, so that the tree before it is whole until the new root is on the disk (bbolt, node.go).
 * What was not touched is not in memory.
 */
import { BUCKET_HEADER_BYTES } from '../../../lib/etcd/bbolt-page.ts'
import { BboltError, inlinePage, rootOfBucket } from '../../../lib/etcd/bbolt-read.ts'
import {
  bytesOf,
  contentOf,
  findInLeaf,
  isLeafPage,
  scanLeaf,
  newBranch,
  newLeaf,
  split,
  writePage,
} from './tree-page.ts'
import type { Branch, Leaf, ScanVisitor, TreeNode } from './tree-page.ts'

/** Where a tree reads its pages from and writes them to. */
export interface PageStore {
  readonly pageBytes: number
  read(page: number): Buffer
  /** Reads as `read` does, many pages at a time, for somebody who wants them all. */
  sequentialReader(): (page: number) => Buffer
  allocate(count: number): number
  giveUp(first: number, count: number): void
  write(page: number, bytes: Buffer): void
}

export interface TreeSettings {
  /** To which part a page is filled where a node is cut in two. Revisions come at the end alone: 0.9, else bbolt's 0.5. */
  fill: number
  /** Marks every element (BUCKET_ELEMENT in the tree of buckets). */
  elementFlags: number
}

/** A node that takes less than this part of a page joins its neighbour (bbolt, node.rebalance). */
const SMALL_PART = 0.25
/** As many clean leaves stay in memory. */
const MOST_CLEAN_LEAVES = 64
/** bbolt's trees are four or five pages high; what is higher has a page that leads back to itself. */
export const HIGHEST_TREE = 32

export class Tree {
  readonly #store: PageStore
  readonly #settings: TreeSettings
  #root: TreeNode
  #cleanLeaves: TreeNode[] = []
  /** Where the last write went, which is where the next one goes if keys only grow. */
  #tail: { path: TreeNode[]; leaf: Leaf } | undefined

  private constructor(store: PageStore, settings: TreeSettings, root: TreeNode) {
    this.#store = store
    this.#settings = settings
    this.#root = root
  }

  /** An empty tree that no page holds yet. */
  static empty(store: PageStore, settings: TreeSettings): Tree {
    return new Tree(store, settings, newLeaf())
  }

  static atPage(store: PageStore, settings: TreeSettings, page: number): Tree {
    return new Tree(store, settings, { page, pageCount: 0, firstKey: '', isDirty: false, content: undefined })
  }

  /** From the bucket's value in the tree of buckets. */
  static ofBucket(store: PageStore, settings: TreeSettings, value: Buffer): Tree {
    const page = rootOfBucket(value)
    if (page !== 0) return Tree.atPage(store, settings, page)
    const { content } = contentOf(inlinePage(value))
    return new Tree(store, settings, { page: 0, pageCount: 0, firstKey: '', isDirty: false, content })
  }

  get rootPage(): number {
    return this.#root.page
  }

  get isDirty(): boolean {
    return this.#root.isDirty
  }

  put(key: string, value: Uint8Array): void {
    const tail = this.#tail
    if (tail && key > tail.leaf.keys.at(-1)!) {
      for (const node of tail.path) node.isDirty = true
      tail.leaf.keys.push(key)
      tail.leaf.values.push(value)
      return
    }
    const { path, leaf, isLast } = this.#descend(key)
    for (const node of path) node.isDirty = true
    const at = position(leaf.keys, key)
    if (leaf.keys[at] === key) leaf.values[at] = value
    else {
      leaf.keys.splice(at, 0, key)
      leaf.values.splice(at, 0, value)
    }
    this.#tail = isLast ? { path, leaf } : undefined
  }

  /** Whether it was there. */
  delete(key: string): boolean {
    const { path, leaf } = this.#descend(key)
    const at = position(leaf.keys, key)
    if (leaf.keys[at] !== key) return false
    for (const node of path) node.isDirty = true
    leaf.keys.splice(at, 1)
    leaf.values.splice(at, 1)
    this.#tail = undefined
    return true
  }

  /** A view that stays as it is, also when the tree changes. */
  get(key: string): Uint8Array | undefined {
    let node = this.#root
    for (let height = 1; height <= HIGHEST_TREE; height += 1) {
      if (!node.content) {
        const page = this.#store.read(node.page)
        // One value is all that is wanted of a leaf, so it is not taken apart.
        if (isLeafPage(page)) return findInLeaf(page, key)
        Object.assign(node, contentOf(page))
      }
      const content = node.content!
      if (content.kind === 'leaf') {
        const at = position(content.keys, key)
        return content.keys[at] === key ? content.values[at] : undefined
      }
      const child = content.children[childFor(content.children, key)]
      if (!child) return undefined
      node = child
    }
    throw new BboltError(`page ${this.#root.page}: the tree is endless`)
  }

  /** From the first key on that is not less. What is read for it does not stay; the tree must not change meanwhile. */
  *entries(from = ''): Generator<[key: string, value: Uint8Array]> {
    for (const { keys, values } of this.#leaves(this.#root, from, this.#store.sequentialReader())) {
      for (let index = position(keys, from); index < keys.length; index += 1) yield [keys[index]!, values[index]!]
    }
  }

  /** As `entries`, in order, but with nothing made of what is on the disk: for those who read all of a large bucket. */
  scan(visit: ScanVisitor): void {
    this.#scan(this.#root, visit, this.#store.sequentialReader())
  }

  #scan(node: TreeNode, visit: ScanVisitor, read: (page: number) => Buffer, height = 1): void {
    if (height > HIGHEST_TREE) throw new BboltError(`page ${node.page}: the tree is endless`)
    const page = node.content ? undefined : read(node.page)
    if (page && isLeafPage(page)) return scanLeaf(page, visit)
    const content = node.content ?? contentOf(page!).content
    if (content.kind === 'branch') {
      for (const child of content.children) this.#scan(child, visit, read, height + 1)
      return
    }
    for (const [index, key] of content.keys.entries()) {
      const element = Buffer.concat([Buffer.from(key, 'latin1'), content.values[index]!])
      visit(element, 0, key.length, element.length)
    }
  }

  *#leaves(node: TreeNode, from: string, read: (page: number) => Buffer, height = 1): Generator<Leaf> {
    if (height > HIGHEST_TREE) throw new BboltError(`page ${node.page}: the tree is endless`)
    const content = node.content ?? contentOf(read(node.page)).content
    if (content.kind === 'leaf') return void (yield content)
    for (let at = childFor(content.children, from); at < content.children.length; at += 1) {
      yield* this.#leaves(content.children[at]!, from, read, height + 1)
    }
  }

  /**
   * Writes what has changed. Afterwards `rootPage` is the new root, which counts once a meta page leads to it.
   * A small bucket gets no page of its own: its value carries it (`mayBeInline`).
   */
  commit(mayBeInline: boolean): void {
    this.#tail = undefined
    if (!this.#root.isDirty) return
    let level = this.#spill(this.#root, true)
    while (level.length > 1) level = this.#writeAll(newBranch(level))
    this.#root = level[0] ?? newLeaf()
    if (mayBeInline && this.#isSmall()) {
      this.#freePage(this.#root)
      this.#root.isDirty = false
    } else if (this.#root.page === 0) this.#root = this.#writeAll(this.#root)[0]!
    this.#letGo()
  }

  /** The bucket's value as of the last commit. */
  bucketValue(): Buffer {
    const { page, content } = this.#root
    const inline = page === 0 && content ? bytesOf(content) : 0
    const value = Buffer.alloc(BUCKET_HEADER_BYTES + inline)
    value.writeBigUInt64LE(BigInt(page), 0)
    if (page === 0 && content) writePage(inlinePage(value), 0, 0, content, this.#settings.elementFlags)
    return value
  }

  #isSmall(): boolean {
    const { content } = this.#root
    return content?.kind === 'leaf' && bytesOf(content) <= this.#store.pageBytes / 4
  }

  #content(node: TreeNode): Leaf | Branch {
    if (!node.content) {
      const { content, pageCount } = contentOf(this.#store.read(node.page))
      node.content = content
      node.pageCount = pageCount
      if (content.kind === 'leaf') this.#cleanLeaves.push(node)
    }
    return node.content
  }

  #descend(key: string): { path: TreeNode[]; leaf: Leaf; isLast: boolean } {
    if (this.#cleanLeaves.length > MOST_CLEAN_LEAVES) this.#letGo()
    const path = [this.#root]
    let content = this.#content(this.#root)
    let isLast = true
    while (content.kind === 'branch') {
      if (path.length > HIGHEST_TREE) throw new BboltError(`page ${this.#root.page}: the tree is endless`)
      const at = childFor(content.children, key)
      isLast &&= at === content.children.length - 1
      const child = content.children[at]
      if (!child) throw new BboltError(`page ${path.at(-1)!.page}: a branch without elements`)
      path.push(child)
      content = this.#content(child)
    }
    return { path, leaf: content, isLast: isLast && content.keys.length > 0 }
  }

  /** The written nodes that take the place of this one: none if it is empty, several if it has grown too large. */
  #spill(node: TreeNode, isRoot = false): TreeNode[] {
    if (!node.isDirty) return [node]
    const content = node.content!
    if (content.kind === 'branch') {
      this.#joinSmall(content)
      const children = content.children.flatMap((child) => this.#spill(child))
      this.#freePage(node)
      // A root of one child is that child.
      if (isRoot && children.length < 2) return children
      return children.length === 0 ? [] : this.#writeAll(newBranch(children))
    }
    this.#freePage(node)
    if (content.keys.length === 0) return []
    // A root leaf may yet become part of its bucket's value.
    if (isRoot && bytesOf(content) <= this.#store.pageBytes) return [newLeaf(content.keys, content.values)]
    return this.#writeAll(newLeaf(content.keys, content.values))
  }

  /** Puts changed children that have become small together with a neighbour, as far as one page holds both. */
  #joinSmall({ children }: Branch): void {
    const { pageBytes } = this.#store
    for (let at = children.length - 1; at > 0; at -= 1) {
      const [before, node] = [children[at - 1]!, children[at]!]
      if (!node.isDirty && !before.isDirty) continue
      const small = [node, before].some((each) => each.isDirty && bytesOf(each.content!) < pageBytes * SMALL_PART)
      if (!small) continue
      const [into, from] = [this.#content(before), this.#content(node)]
      if (into.kind !== from.kind || bytesOf(into) + bytesOf(from) > pageBytes * this.#settings.fill) continue
      if (into.kind === 'leaf' && from.kind === 'leaf') {
        into.keys.push(...from.keys)
        into.values.push(...from.values)
      } else if (into.kind === 'branch' && from.kind === 'branch') into.children.push(...from.children)
      before.isDirty = true
      this.#freePage(node)
      children.splice(at, 1)
    }
  }

  #writeAll(node: TreeNode): TreeNode[] {
    const { pageBytes } = this.#store
    return split(node.content!, pageBytes, this.#settings.fill).map((content) => {
      const pageCount = Math.ceil(bytesOf(content) / pageBytes)
      const page = this.#store.allocate(pageCount)
      const bytes = Buffer.alloc(pageCount * pageBytes)
      writePage(bytes, page, pageCount - 1, content, this.#settings.elementFlags)
      this.#store.write(page, bytes)
      const firstKey = content.kind === 'leaf' ? (content.keys[0] ?? '') : content.children[0]!.firstKey
      const written: TreeNode = { page, pageCount, firstKey, isDirty: false, content }
      if (content.kind === 'leaf') this.#cleanLeaves.push(written)
      return written
    })
  }

  #freePage(node: TreeNode): void {
    if (node.page !== 0) this.#store.giveUp(node.page, node.pageCount)
    node.page = 0
  }

  /** Lets go of leaves that are as the disk has them, but for the latest: there the next revision will go. */
  #letGo(): void {
    const latest = this.#cleanLeaves.at(-1)
    for (const node of this.#cleanLeaves)
      if (node !== latest && !node.isDirty && node.page !== 0) node.content = undefined
    this.#cleanLeaves = latest && !latest.isDirty ? [latest] : []
  }
}

/** The first place whose key is not less. */
function position(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  if (high > 0 && keys[high - 1]! < key) return high
  while (low < high) {
    const middle = (low + high) >> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}

function childFor(children: readonly TreeNode[], key: string): number {
  let low = 0
  let high = children.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (children[middle]!.firstKey <= key) low = middle
    else high = middle - 1
  }
  return low
}
