import { create } from '@bufbuild/protobuf'
import { decodeKeyValue } from '../../../lib/etcd/key-value.ts'
import { KeyValueSchema, type KeyValue } from '../../../lib/etcd/kv_pb.ts'
import type { Version } from '../mvcc/key-index.ts'

/** A version as the file has it, which is made a message when somebody wants it. */
export class StoredVersion implements Version {
  readonly revision: bigint
  readonly sub: number
  /** Undefined once it was wanted. */
  #page: Buffer | undefined
  readonly #start: number
  readonly #end: number
  #kv: KeyValue | undefined

  constructor(revision: bigint, sub: number, page: Buffer, start: number, end: number) {
    this.revision = revision
    this.sub = sub
    this.#page = page
    this.#start = start
    this.#end = end
  }

  get kv(): KeyValue {
    if (this.#page) {
      this.#kv = keyValueOf(decodeKeyValue(this.#page.subarray(this.#start, this.#end)))
      this.#page = undefined
    }
    return this.#kv!
  }
}

function keyValueOf(stored: ReturnType<typeof decodeKeyValue>): KeyValue {
  const kv = create(KeyValueSchema)
  kv.key = stored.key
  kv.value = stored.value
  kv.createRevision = BigInt(stored.createRevision)
  kv.modRevision = BigInt(stored.modRevision)
  kv.version = BigInt(stored.version)
  kv.lease = stored.lease
  return kv
}
