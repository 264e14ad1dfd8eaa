/** What a request costs of --quota-backend-bytes (server/storage/quota.go). */
import type { PutRequest, RequestOp, TxnRequest } from '../../../lib/etcd/rpc_pb.ts'

export const DEFAULT_QUOTA_BYTES = 2 * 1024 * 1024 * 1024

const KEY_OVERHEAD_BYTES = 256
export const LEASE_COST_BYTES = 64

export function costOfPut({ key, value }: PutRequest): number {
  return KEY_OVERHEAD_BYTES + key.length + value.length
}

/** Of its dearer branch; 0 for one that writes nothing. */
export function costOfTxn({ success, failure }: TxnRequest): number {
  return Math.max(costOfBranch(success), costOfBranch(failure))
}

function costOfBranch(operations: readonly RequestOp[]): number {
  let cost = 0
  for (const { request } of operations) {
    if (request.case === 'requestPut') cost += costOfPut(request.value)
    else if (request.case === 'requestTxn') cost += costOfTxn(request.value)
  }
  return cost
}

export class Quota {
  /** Undefined: no limit. */
  readonly #limitBytes: number | undefined
  readonly #sizeBytes: () => number

  /** A negative limit is none, 0 is the default. */
  constructor(limitBytes: number, sizeBytes: () => number) {
    this.#limitBytes = limitBytes < 0 ? undefined : limitBytes || DEFAULT_QUOTA_BYTES
    this.#sizeBytes = sizeBytes
  }

  /** What costs nothing always fits. */
  fits(costBytes: number): boolean {
    return costBytes === 0 || this.#limitBytes === undefined || this.#sizeBytes() + costBytes < this.#limitBytes
  }
}
