/** The history of every key, in the order of keys. Keys are latin1 text, so that text order is byte order. */
import type { KeyValue } from '../../../lib/etcd/kv_pb.ts'
import { SortedKeys } from './sorted-keys.ts'

/** What a key was from a revision on; a deletion has no value. */
export interface Version {
  revision: bigint
  /** Which operation of its revision it was: etcd stores a version under both numbers. */
  sub: number
  kv: KeyValue | undefined
}

export class KeyIndex {
  readonly #histories = new Map<string, Version[]>()
  readonly #sorted = new SortedKeys()

  clear(): void {
    this.#histories.clear()
    this.#sorted.clear()
  }

  set(key: string, version: Version): void {
    const history = this.#histories.get(key)
    if (history) return void history.push(version)
    this.#histories.set(key, [version])
    this.#sorted.add(key)
  }

  /** Takes back the last thing that happened to a key. */
  undo(key: string): void {
    const history = this.#histories.get(key)
    history?.pop()
    if (history?.length === 0) this.#forget(key)
  }

  get(key: string, revision: bigint): KeyValue | undefined {
    return versionAt(this.#histories.get(key), revision)
  }

  latest(key: string): KeyValue | undefined {
    return this.#histories.get(key)?.at(-1)?.kv
  }

  /** Keys from `start` up to `end`, alive at the revision. An undefined `end` is this one key; `\0` is all behind `start`. */
  *range(start: string, end: string | undefined, revision: bigint): Generator<KeyValue> {
    if (end === undefined) {
      const kv = this.get(start, revision)
      if (kv) yield kv
      return
    }
    for (const key of this.#sorted.from(start)) {
      if (end !== '\0' && key >= end) return
      const kv = this.get(key, revision)
      if (kv) yield kv
    }
  }

  /** Everything that is remembered, key by key in no order, each from its oldest version on. */
  histories(): Iterable<readonly [string, readonly Version[]]> {
    return this.#histories
  }

  /** Forgets what was overwritten or deleted at or before the revision, and tells of each. */
  compact(revision: bigint, forgotten: (version: Version) => void): void {
    for (const [key, history] of this.#histories) {
      const keep = history.findLastIndex((version) => version.revision <= revision)
      if (keep === -1) continue
      // A deletion at the very revision stays, as in etcd from 3.5.16 on (storage/mvcc/key_index.go, compact).
      const isGone = history[keep]!.kv === undefined && history[keep]!.revision < revision
      for (const version of history.splice(0, isGone ? keep + 1 : keep)) forgotten(version)
      if (history.length === 0) this.#forget(key)
    }
  }

  #forget(key: string): void {
    this.#histories.delete(key)
    this.#sorted.delete(key)
  }
}

function versionAt(history: readonly Version[] | undefined, revision: bigint): KeyValue | undefined {
  if (!history) return undefined
  const last = history.at(-1)
  if (last && last.revision <= revision) return last.kv
  return history.findLast((version) => version.revision <= revision)?.kv
}
