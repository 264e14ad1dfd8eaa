/**
 * The key space with its revisions: pure, no clock and no disk. A write batch is one revision; what it did is handed to
 * whoever watches.
 */
import { create } from '@bufbuild/protobuf'
import { EventSchema, Event_EventType, KeyValueSchema, type Event, type KeyValue } from '../../../lib/etcd/kv_pb.ts'
import { ERRORS } from '../errors.ts'
import { KeyIndex, type Version } from './key-index.ts'

export interface Commit {
  revision: bigint
  /** With the value before, for watches that ask for it. Their place is their sub-revision. */
  events: readonly Event[]
}

/** What a write needs to know of leases. A lease of which `has` says no is attached to nothing. */
export interface LeaseBook {
  has(id: bigint): boolean
  attach(id: bigint, key: string): void
  detach(id: bigint, key: string): void
}

/** etcd's first revision: an empty store is at 1, the first write makes 2. */
const FIRST_REVISION = 1n

const NO_LEASES: LeaseBook = { has: () => false, attach: () => {}, detach: () => {} }

export class Store {
  readonly index = new KeyIndex()
  readonly leases: LeaseBook
  #revision = FIRST_REVISION
  /** -1 before the first compaction, as etcd has it. */
  #compacted = -1n
  /** One for each revision since the last compaction or the start, none left out. */
  #history: Commit[] = []
  /** What was loaded at start goes up to here: its commits are put together when somebody asks. */
  #loaded = 0n
  #listener: StoreListener | undefined

  constructor(leases: LeaseBook = NO_LEASES) {
    this.leases = leases
  }

  get revision(): bigint {
    return this.#revision
  }

  get compactedRevision(): bigint {
    return this.#compacted
  }

  /** The revision that a read at `asked` (0: now) sees. @throws GrpcError OutOfRange */
  readRevision(asked: bigint): bigint {
    if (asked <= 0n) return this.#revision
    if (asked > this.#revision) throw ERRORS.futureRevision()
    if (asked < this.#compacted) throw ERRORS.compacted()
    return asked
  }

  /** Whoever keeps the versions on a disk. */
  heardBy(listener: StoreListener): void {
    this.#listener = listener
  }

  /**
   * Takes in what a disk held in place of whatever was here: `read` hands over each version in order of revisions. How far
   * it was compacted, and which revision there was at least, the disk says as well.
   */
  load(
    read: (take: (key: string, version: Version, lease: bigint) => void) => void,
    { compacted, reached }: { compacted: bigint; reached: bigint },
  ): void {
    const leaseOf = new Map<string, bigint>()
    this.index.clear()
    this.#history = []
    this.#revision = FIRST_REVISION
    read((key, version, lease) => {
      this.index.set(key, version)
      if (lease !== 0n) leaseOf.set(key, lease)
      else if (leaseOf.size > 0) leaseOf.delete(key)
      this.#revision = version.revision
    })
    for (const [key, lease] of leaseOf) this.leases.attach(lease, key)
    // The latest revisions may have been deletions that a compaction took away.
    if (reached > this.#revision) this.#revision = reached
    this.#compacted = compacted > 0n ? compacted : -1n
    this.#loaded = this.#revision
  }

  /** A batch that only looks: nothing is written with it. */
  reading(): Batch {
    return new Batch(this, this.#revision + 1n)
  }

  /** Everything that `write` does is one revision; nothing done is no revision, and a refusal undoes it, leases too. */
  transact<T>(write: (batch: Batch) => T): { result: T; commit: Commit | undefined } {
    const batch = new Batch(this, this.#revision + 1n)
    let result: T
    try {
      result = write(batch)
    } catch (error) {
      batch.undo()
      throw error
    }
    if (batch.events.length === 0) return { result, commit: undefined }
    const commit = { revision: batch.revision, events: batch.events }
    this.#revision = batch.revision
    this.#history.push(commit)
    return { result, commit }
  }

  /** @throws GrpcError OutOfRange */
  compact(revision: bigint): void {
    if (revision <= this.#compacted) throw ERRORS.compacted()
    if (revision > this.#revision) throw ERRORS.futureRevision()
    // Compaction of nothing is refused with the same words (storage/mvcc/kvstore.go, checkPrevCompactionCompleted).
    if (revision <= 0n) throw ERRORS.compacted()
    this.#compacted = revision
    this.index.compact(revision, (version) => {
      this.#listener?.forgot(version)
    })
    this.#listener?.compacted(revision)
    this.#history = this.since(revision)
  }

  /** Commits from a revision on, as far as they are not compacted away. */
  since(revision: bigint): Commit[] {
    if (revision <= this.#loaded) return [...this.#loadedSince(revision), ...this.#history]
    const first = this.#history[0]?.revision
    if (first === undefined) return []
    return revision <= first ? this.#history.slice() : this.#history.slice(Number(revision - first))
  }

  /** The commits from a revision up to the last one that was there at start. */
  #loadedSince(revision: bigint): Commit[] {
    const found: { version: Version; event: Event }[] = []
    for (const [key, history] of this.index.histories()) {
      for (let at = history.length - 1; at >= 0; at -= 1) {
        const version = history[at]!
        if (version.revision < revision) break
        if (version.revision > this.#loaded) continue
        const kv = version.kv ?? create(KeyValueSchema, { key: keyBytes(key), modRevision: version.revision })
        const type = version.kv ? Event_EventType.PUT : Event_EventType.DELETE
        const prevKv = history[at - 1]?.kv
        found.push({ version, event: create(EventSchema, { type, kv, ...(prevKv ? { prevKv } : {}) }) })
      }
    }
    found.sort(({ version: one }, { version: other }) =>
      one.revision === other.revision ? one.sub - other.sub : one.revision < other.revision ? -1 : 1,
    )
    const commits: { revision: bigint; events: Event[] }[] = []
    for (const { version, event } of found) {
      const last = commits.at(-1)
      if (last?.revision === version.revision) last.events.push(event)
      else commits.push({ revision: version.revision, events: [event] })
    }
    return commits
  }
}

export interface StoreListener {
  /** A compaction took this version away. */
  forgot(version: Version): void
  compacted(revision: bigint): void
}

interface Done {
  key: string
  before: bigint
  after: bigint
}

export class Batch {
  readonly revision: bigint
  readonly events: Event[] = []
  readonly #store: Store
  readonly #done: Done[] = []

  constructor(store: Store, revision: bigint) {
    this.#store = store
    this.revision = revision
  }

  /** The revision that a read within the batch sees: the batch's own once it has written. */
  get reached(): bigint {
    return this.events.length > 0 ? this.revision : this.revision - 1n
  }

  /** Returns what lay there before. */
  put(key: string, value: Uint8Array, lease: bigint): KeyValue | undefined {
    const before = this.#store.index.latest(key)
    const kv = create(KeyValueSchema)
    kv.key = before?.key ?? keyBytes(key)
    kv.value = value as Uint8Array<ArrayBuffer>
    kv.lease = lease
    kv.modRevision = this.revision
    kv.createRevision = before?.createRevision ?? this.revision
    kv.version = (before?.version ?? 0n) + 1n
    this.#did(key, kv, before, lease)
    const event = create(EventSchema)
    event.kv = kv
    if (before) event.prevKv = before
    this.events.push(event)
    return before
  }

  delete(key: string): KeyValue | undefined {
    const before = this.#store.index.latest(key)
    if (!before) return undefined
    this.#did(key, undefined, before, 0n)
    const kv = create(KeyValueSchema, { key: before.key, modRevision: this.revision })
    this.events.push(create(EventSchema, { type: Event_EventType.DELETE, kv, prevKv: before }))
    return before
  }

  /** A refused batch leaves nothing behind, neither on keys nor on leases. */
  undo(): void {
    const { index, leases } = this.#store
    for (const { key, before, after } of this.#done.toReversed()) {
      index.undo(key)
      if (after !== 0n) leases.detach(after, key)
      if (before !== 0n) leases.attach(before, key)
    }
  }

  #did(key: string, kv: KeyValue | undefined, before: KeyValue | undefined, lease: bigint): void {
    const { index, leases } = this.#store
    index.set(key, { revision: this.revision, sub: this.#done.length, kv })
    const previous = before?.lease ?? 0n
    if (previous !== 0n) leases.detach(previous, key)
    if (lease !== 0n) leases.attach(lease, key)
    this.#done.push({ key, before: previous, after: lease })
  }
}

export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

export function keyBytes(key: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(key, 'latin1'))
}
