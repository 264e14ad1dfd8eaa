/** The history of every key, in the order of keys. Keys are latin1 text, so that text order is byte order. */
import type { KeyValue } from '../../../lib/etcd/kv_pb.ts'

/** What a key was from a revision on; a deletion has no value. */
interface Version {
  revision: bigint
  kv: KeyValue | undefined
}

export class KeyIndex {
  readonly #histories = new Map<string, Version[]>()
  #sorted: string[] = []

  set(key: string, revision: bigint, kv: KeyValue | undefined): void {
    let history = this.#histories.get(key)
    if (!history) {
      history = []
      this.#histories.set(key, history)
      this.#sorted.splice(this.#position(key), 0, key)
    }
    // Within one revision the last write of a key is what stays.
    if (history.at(-1)?.revision === revision) history.pop()
    history.push({ revision, kv })
  }

  /** Takes back what a revision did to a key. */
  undo(key: string, revision: bigint): void {
    const history = this.#histories.get(key)
    if (history?.at(-1)?.revision === revision) history.pop()
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
    for (let at = this.#position(start); at < this.#sorted.length; at += 1) {
      const key = this.#sorted[at]!
      if (end !== '\0' && key >= end) return
      const kv = this.get(key, revision)
      if (kv) yield kv
    }
  }

  /** Forgets what was overwritten or deleted at or before the revision. */
  compact(revision: bigint): void {
    const gone = new Set<string>()
    for (const [key, history] of this.#histories) {
      const keep = history.findLastIndex((version) => version.revision <= revision)
      if (keep <= 0 && !(keep === 0 && history[0]!.kv === undefined)) continue
      history.splice(0, history[keep]!.kv === undefined ? keep + 1 : keep)
      if (history.length === 0) gone.add(key)
    }
    for (const key of gone) this.#histories.delete(key)
    if (gone.size > 0) this.#sorted = this.#sorted.filter((key) => !gone.has(key))
  }

  #position(key: string): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#sorted[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

function versionAt(history: Version[] | undefined, revision: bigint): KeyValue | undefined {
  if (!history) return undefined
  const last = history.at(-1)
  if (last && last.revision <= revision) return last.kv
  return history.findLast((version) => version.revision <= revision)?.kv
}
