/** Range, Put, DeleteRange and Txn against the key space (server/etcdserver/txn). Pure but for the batch they write to. */
import { create } from '@bufbuild/protobuf'
import { KeyValueSchema, type KeyValue } from '../../../lib/etcd/kv_pb.ts'
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  DeleteRangeResponseSchema,
  PutResponseSchema,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  RangeResponseSchema,
  ResponseHeaderSchema,
  ResponseOpSchema,
  type Compare,
  type DeleteRangeRequest,
  type DeleteRangeResponse,
  type PutRequest,
  type PutResponse,
  type RangeRequest,
  type RangeResponse,
  type RequestOp,
  type ResponseHeader,
  type ResponseOp,
  TxnResponseSchema,
  type TxnRequest,
  type TxnResponse,
} from '../../../lib/etcd/rpc_pb.ts'
import { ERRORS } from '../errors.ts'
import { endText } from './key-range.ts'
import { keyText, type Batch, type Store } from './store.ts'

export function range(store: Store, request: RangeRequest, revision: bigint): RangeResponse {
  const found: KeyValue[] = []
  let count = 0n
  const sorted = request.sortOrder !== RangeRequest_SortOrder.NONE && request.sortTarget !== RangeRequest_SortTarget.KEY
  const limit = Number(request.limit)
  const early = limit > 0 && !sorted && request.sortOrder !== RangeRequest_SortOrder.DESCEND
  for (const kv of store.index.range(keyText(request.key), endText(request.rangeEnd), revision)) {
    count += 1n
    if (!isWithin(kv, request)) continue
    if (!request.countOnly && !(early && found.length > limit)) found.push(kv)
  }
  sort(found, request)
  const more = limit > 0 && found.length > limit
  const kvs = more ? found.slice(0, limit) : found
  return create(RangeResponseSchema, {
    kvs: request.countOnly ? [] : request.keysOnly ? kvs.map(withoutValue) : kvs,
    more,
    count,
  })
}

function isWithin(kv: KeyValue, request: RangeRequest): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request
  return (
    (minModRevision === 0n || kv.modRevision >= minModRevision) &&
    (maxModRevision === 0n || kv.modRevision <= maxModRevision) &&
    (minCreateRevision === 0n || kv.createRevision >= minCreateRevision) &&
    (maxCreateRevision === 0n || kv.createRevision <= maxCreateRevision)
  )
}

function sort(kvs: KeyValue[], { sortOrder, sortTarget }: RangeRequest): void {
  // A target without an order sorts upwards, as etcd does for every target but the key (txn/range.go).
  const order = sortOrder === RangeRequest_SortOrder.DESCEND ? -1 : 1
  if (sortOrder === RangeRequest_SortOrder.NONE && sortTarget === RangeRequest_SortTarget.KEY) return
  const compare = (one: KeyValue, other: KeyValue): number => {
    switch (sortTarget) {
      case RangeRequest_SortTarget.VERSION:
        return difference(one.version, other.version)
      case RangeRequest_SortTarget.CREATE:
        return difference(one.createRevision, other.createRevision)
      case RangeRequest_SortTarget.MOD:
        return difference(one.modRevision, other.modRevision)
      case RangeRequest_SortTarget.VALUE:
        return Buffer.compare(one.value, other.value)
      default:
        return Buffer.compare(one.key, other.key)
    }
  }
  kvs.sort((one, other) => order * compare(one, other))
}

function difference(one: bigint, other: bigint): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function withoutValue(kv: KeyValue): KeyValue {
  return create(KeyValueSchema, { ...kv, value: new Uint8Array() })
}

export function put(store: Store, batch: Batch, request: PutRequest): PutResponse {
  const key = keyText(request.key)
  const before = store.index.latest(key)
  if ((request.ignoreValue || request.ignoreLease) && !before) throw ERRORS.keyNotFound()
  const lease = request.ignoreLease ? (before?.lease ?? 0n) : request.lease
  if (lease !== 0n && !store.leases.has(lease)) throw ERRORS.leaseNotFound()
  batch.put(key, request.ignoreValue ? before!.value : request.value, lease)
  return create(PutResponseSchema, request.prevKv && before ? { prevKv: before } : {})
}

export function deleteRange(store: Store, batch: Batch, request: DeleteRangeRequest): DeleteRangeResponse {
  const gone = [...store.index.range(keyText(request.key), endText(request.rangeEnd), batch.revision)]
  for (const kv of gone) batch.delete(keyText(kv.key))
  return create(DeleteRangeResponseSchema, { deleted: BigInt(gone.length), prevKvs: request.prevKv ? gone : [] })
}

export function txn(store: Store, batch: Batch, request: TxnRequest): TxnResponse {
  const succeeded = request.compare.every((compare) => holds(store, compare))
  const chosen = succeeded ? request.success : request.failure
  return create(TxnResponseSchema, {
    succeeded,
    responses: chosen.map((operation) => operate(store, batch, operation)),
  })
}

function operate(store: Store, batch: Batch, { request }: RequestOp): ResponseOp {
  // Every answer says how far the key space is by then; that of a nested transaction has a header and says nothing in it.
  const header = (): ResponseHeader => create(ResponseHeaderSchema, { revision: batch.reached })
  switch (request.case) {
    case 'requestRange': {
      const revision = request.value.revision > 0n ? store.readRevision(request.value.revision) : batch.reached
      const value = range(store, request.value, revision)
      value.header = header()
      return create(ResponseOpSchema, { response: { case: 'responseRange', value } })
    }
    case 'requestPut': {
      const value = put(store, batch, request.value)
      value.header = header()
      return create(ResponseOpSchema, { response: { case: 'responsePut', value } })
    }
    case 'requestDeleteRange': {
      const value = deleteRange(store, batch, request.value)
      value.header = header()
      return create(ResponseOpSchema, { response: { case: 'responseDeleteRange', value } })
    }
    case 'requestTxn': {
      const value = txn(store, batch, request.value)
      value.header = create(ResponseHeaderSchema, {})
      return create(ResponseOpSchema, { response: { case: 'responseTxn', value } })
    }
    default:
      throw ERRORS.keyNotFound()
  }
}

/** Whether a write of the transaction may happen at all: read-only ones make no revision. */
export function isReadOnly(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].every(
    ({ request: operation }) =>
      operation.case === 'requestRange' || (operation.case === 'requestTxn' && isReadOnly(operation.value)),
  )
}

/** Whether a read-only transaction may be answered from what this member has (txn.go, IsTxnSerializable). */
export function isSerializable(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].every(
    ({ request: operation }) => operation.case === 'requestRange' && operation.value.serializable,
  )
}

function holds(store: Store, compare: Compare): boolean {
  const end = endText(compare.rangeEnd)
  const kvs = [...store.index.range(keyText(compare.key), end, store.revision)]
  if (kvs.length > 0) return kvs.every((kv) => holdsFor(kv, compare))
  // A missing key has version, revisions and lease 0, and no value that anything could equal.
  if (compare.target === Compare_CompareTarget.VALUE) return false
  return end !== undefined || holdsFor(create(KeyValueSchema, {}), compare)
}

function holdsFor(kv: KeyValue, compare: Compare): boolean {
  const { targetUnion } = compare
  const wanted = (name: string): bigint => (targetUnion.case === name ? (targetUnion.value as bigint) : 0n)
  const result = (() => {
    switch (compare.target) {
      case Compare_CompareTarget.VALUE:
        return Buffer.compare(kv.value, targetUnion.case === 'value' ? targetUnion.value : new Uint8Array())
      case Compare_CompareTarget.CREATE:
        return difference(kv.createRevision, wanted('createRevision'))
      case Compare_CompareTarget.MOD:
        return difference(kv.modRevision, wanted('modRevision'))
      case Compare_CompareTarget.LEASE:
        return difference(kv.lease, wanted('lease'))
      default:
        return difference(kv.version, wanted('version'))
    }
  })()
  switch (compare.result) {
    case Compare_CompareResult.GREATER:
      return result > 0
    case Compare_CompareResult.LESS:
      return result < 0
    case Compare_CompareResult.NOT_EQUAL:
      return result !== 0
    default:
      return result === 0
  }
}
