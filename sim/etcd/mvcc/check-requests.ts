/** What etcd refuses before it looks at a key. */
import {
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type TxnRequest,
} from '../../../lib/etcd/rpc_pb.ts'
import { ERRORS } from '../errors.ts'
import { endText, isIn, type KeyRange } from './key-range.ts'
import { keyText } from './store.ts'

export function checkRange({ key, sortOrder, sortTarget }: RangeRequest): void {
  if (key.length === 0) throw ERRORS.emptyKey()
  if (!(sortOrder in RangeRequest_SortOrder) || !(sortTarget in RangeRequest_SortTarget)) throw ERRORS.invalidSort()
}

export function checkPut(request: PutRequest): void {
  if (request.key.length === 0) throw ERRORS.emptyKey()
  if (request.ignoreValue && request.value.length > 0) throw ERRORS.valueProvided()
  if (request.ignoreLease && request.lease !== 0n) throw ERRORS.leaseProvided()
}

/** @throws GrpcError InvalidArgument, by etcd's own checks in their order (api/v3rpc/key.go, checkTxnRequest). */
export function checkTxn(request: TxnRequest, maxOps: number): void {
  checkOperations(request, maxOps)
  for (const list of [request.success, request.failure]) checkOverlaps(list)
}

function checkOperations(request: TxnRequest, maxOps: number): void {
  const most = Math.max(request.compare.length, request.success.length, request.failure.length)
  if (most > maxOps) throw ERRORS.tooManyOps()
  for (const compare of request.compare) if (compare.key.length === 0) throw ERRORS.emptyKey()
  for (const { request: operation } of [...request.success, ...request.failure]) {
    if (operation.case === undefined) throw ERRORS.keyNotFound()
    if (operation.case === 'requestTxn') checkOperations(operation.value, maxOps)
    else if (operation.case === 'requestPut') checkPut(operation.value)
    else if (operation.case === 'requestRange') checkRange(operation.value)
    else if (operation.value.key.length === 0) throw ERRORS.emptyKey()
  }
}

interface Writes {
  puts: Set<string>
  deletes: KeyRange[]
}

/** No key may be put twice, or put and deleted, but for the two branches of one transaction (checkIntervals). */
function checkOverlaps(operations: readonly RequestOp[]): Writes {
  const puts = new Set<string>()
  const deletes = operations.flatMap(({ request }) =>
    request.case === 'requestDeleteRange'
      ? [{ start: keyText(request.value.key), end: endText(request.value.rangeEnd) }]
      : [],
  )
  const add = (key: string, mayRepeat?: ReadonlySet<string>): void => {
    if (puts.has(key) && !mayRepeat?.has(key)) throw ERRORS.duplicateKey()
    if (deletes.some((range) => isIn(key, range))) throw ERRORS.duplicateKey()
    puts.add(key)
  }
  for (const { request } of operations) {
    if (request.case !== 'requestTxn') continue
    const [then, otherwise] = [checkOverlaps(request.value.success), checkOverlaps(request.value.failure)]
    for (const key of then.puts) add(key)
    deletes.push(...then.deletes)
    for (const key of otherwise.puts) add(key, then.puts)
    deletes.push(...otherwise.deletes)
  }
  for (const { request } of operations) if (request.case === 'requestPut') add(keyText(request.value.key))
  return { puts, deletes }
}
