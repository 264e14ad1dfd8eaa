/**
 * How much room the key space takes as etcd would store it: each version under its 17-byte revision in a B+tree of 4 KiB
 * pages. Room that a compaction frees stays in the file until it is defragmented.
 */
import type { KeyValue } from '../../../lib/etcd/kv_pb.ts'
import type { Version } from './key-index.ts'

const PAGE_BYTES = 4096

/** Revision (8 + 1 + 8), bbolt's leaf element, and the numbers of an mvccpb.KeyValue with their tags. */
const OVERHEAD_BYTES = 17 + 16 + 20

/** Two meta pages, the list of free pages, and the buckets of an empty store. */
const EMPTY_BYTES = 5 * PAGE_BYTES

export class VersionSpace {
  #used = 0
  #file = EMPTY_BYTES

  /** The whole file. */
  get sizeBytes(): number {
    return this.#file
  }

  /** What of it is in use. */
  get inUseBytes(): number {
    return EMPTY_BYTES + pages(this.#used)
  }

  add(kv: KeyValue): void {
    this.#used += bytesOf(kv.key.length, kv.value.length)
    this.#file = Math.max(this.#file, this.inUseBytes)
  }

  remove(key: string, { kv }: Version): void {
    this.#used -= bytesOf(key.length, kv?.value.length ?? 0)
  }

  defragment(): void {
    this.#file = this.inUseBytes
  }
}

function bytesOf(keyBytes: number, valueBytes: number): number {
  const bytes = keyBytes + valueBytes + OVERHEAD_BYTES
  // A value beyond a page lies on pages of its own.
  return bytes > PAGE_BYTES ? pages(bytes) : bytes
}

function pages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES
}
