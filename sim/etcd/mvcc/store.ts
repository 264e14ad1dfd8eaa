/**
 * The key space with its revisions: pure, no clock and no disk. A write batch is one revision; what it did is handed to
 * whoever persists and to whoever watches.
 */
import { create } from '@bufbuild/protobuf'
import { EventSchema, Event_EventType, KeyValueSchema, type Event, type KeyValue } from '../../../lib/etcd/kv_pb.ts'
import type { WalOperation } from '../../../lib/etcd/wal.ts'
import { ERRORS } from '../errors.ts'
import { KeyIndex } from './key-index.ts'

export interface Commit {
  revision: bigint
  operations: readonly WalOperation[]
  /** With the value before, for watches that ask for it. */
  events: readonly Event[]
}

/** etcd's first revision: an empty store is at 1, the first write makes 2. */
const FIRST_REVISION = 1n

export class Store {
  readonly index = new KeyIndex()
  #revision = FIRST_REVISION
  #compacted = 0n
  #history: Commit[] = []

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

  /** Everything that `write` does is one revision; nothing done is no revision. */
  transact<T>(write: (batch: Batch) => T): { result: T; commit: Commit | undefined } {
    const batch = new Batch(this.index, this.#revision + 1n)
    let result: T
    try {
      result = write(batch)
    } catch (error) {
      batch.undo()
      throw error
    }
    if (batch.operations.length === 0) return { result, commit: undefined }
    const commit = { revision: batch.revision, operations: batch.operations, events: batch.events }
    this.#revision = batch.revision
    this.#history.push(commit)
    return { result, commit }
  }

  /** Takes in a revision from the log at start. */
  replay(revision: bigint, operations: readonly WalOperation[]): void {
    const batch = new Batch(this.index, revision)
    for (const { kind, kv } of operations) {
      if (kind === 'put') batch.restore(kv)
      else batch.delete(keyText(kv.key))
    }
    this.#revision = revision
    this.#history.push({ revision, operations: batch.operations, events: batch.events })
  }

  /** @throws GrpcError OutOfRange */
  compact(revision: bigint): void {
    if (revision <= this.#compacted) throw ERRORS.compacted()
    if (revision > this.#revision) throw ERRORS.futureRevision()
    this.#compacted = revision
    this.index.compact(revision)
    this.#history = this.#history.filter((commit) => commit.revision >= revision)
  }

  /** Commits from a revision on, as far as they are not compacted away. */
  since(revision: bigint): Commit[] {
    const first = this.#history.findIndex((commit) => commit.revision >= revision)
    return first === -1 ? [] : this.#history.slice(first)
  }
}

export class Batch {
  readonly revision: bigint
  readonly operations: WalOperation[] = []
  readonly events: Event[] = []
  readonly #index: KeyIndex

  constructor(index: KeyIndex, revision: bigint) {
    this.#index = index
    this.revision = revision
  }

  /** The revision that a read within the batch sees: the batch's own once it has written. */
  get reached(): bigint {
    return this.operations.length > 0 ? this.revision : this.revision - 1n
  }

  /** Returns what lay there before. */
  put(key: string, value: Uint8Array, lease: bigint): KeyValue | undefined {
    const before = this.#index.latest(key)
    const kv = create(KeyValueSchema, {
      key: keyBytes(key),
      value: value as Uint8Array<ArrayBuffer>,
      lease,
      modRevision: this.revision,
      createRevision: before?.createRevision ?? this.revision,
      version: (before?.version ?? 0n) + 1n,
    })
    this.#put(key, kv, before)
    return before
  }

  /** A refused batch leaves nothing behind. */
  undo(): void {
    for (const { kv } of this.operations) this.#index.undo(keyText(kv.key), this.revision)
  }

  restore(kv: KeyValue): void {
    const key = keyText(kv.key)
    this.#put(key, kv, this.#index.latest(key))
  }

  delete(key: string): KeyValue | undefined {
    const before = this.#index.latest(key)
    if (!before) return undefined
    const kv = create(KeyValueSchema, { key: before.key, modRevision: this.revision })
    this.#index.set(key, this.revision, undefined)
    this.operations.push({ kind: 'delete', kv })
    this.events.push(create(EventSchema, { type: Event_EventType.DELETE, kv, prevKv: before }))
    return before
  }

  #put(key: string, kv: KeyValue, before: KeyValue | undefined): void {
    this.#index.set(key, this.revision, kv)
    this.operations.push({ kind: 'put', kv })
    const event = create(EventSchema, { type: Event_EventType.PUT, kv })
    if (before) event.prevKv = before
    this.events.push(event)
  }
}

export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

export function keyBytes(key: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(key, 'latin1'))
}
