/** What the registry needs of etcd: single keys compared and written, ranges of one revision, and a watch. */
export interface StoredValue {
  key: string
  value: Buffer
  /** Revision of the last write: what Kubernetes calls resourceVersion. */
  modRevision: number
}

export interface RangeOptions {
  /** First key; without `end` this one key. */
  start: string
  /** First key that no longer belongs to the range. */
  end?: string
  limit?: number
  revision?: number
}

export interface RangePage {
  /** The store's revision when it answered, whatever revision was asked for. */
  revision: number
  values: StoredValue[]
  more: boolean
  /** Of all keys in the range, also beyond the limit. */
  count: number
}

/** `current` is what lies at the key instead of the expected revision; absent where nothing does. */
export type WriteOutcome = { ok: true; revision: number } | { ok: false; current?: StoredValue }

export interface StoredChange {
  key: string
  revision: number
  /** Absent after a deletion. */
  value?: Buffer
  /** What lay there before; absent for a new key, or where the store has compacted it away. */
  previous?: Buffer
}

export interface WatchListener {
  /** All changes of one answer, in the order of their revisions; `revision` is how far the watch has come. */
  changes(changes: StoredChange[], revision: number): void
  /** The watch is over; a CompactedError where its start is no longer there. */
  end(error: Error): void
}

export interface KeyValueStore {
  /** Throws a CompactedError for a revision that is gone. */
  range(options: RangeOptions): Promise<RangePage>
  /** Writes if the key was last written at `expectedRevision`; 0: if it does not exist. */
  put(key: string, value: Buffer, expectedRevision: number, options?: { ttlSeconds?: number }): Promise<WriteOutcome>
  remove(key: string, expectedRevision: number): Promise<WriteOutcome>
  watch(prefix: string, fromRevision: number, listener: WatchListener): { close(): void }
  close(): void
}

/** etcdserver: mvcc: required revision has been compacted */
export class CompactedError extends Error {
  override readonly name = 'CompactedError'
}

/** The first key behind all that begin with the prefix (clientv3.GetPrefixRangeEnd); our keys are ASCII. */
export function prefixEnd(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
}
