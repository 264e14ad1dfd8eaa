/** The bodies of `/leases` and `/leases/internal`, by which members ask their leader after leases (lease/leasehttp, lease/leasepb). */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { ProtoWriter, readProto } from '../../../lib/etcd/protobuf.ts'
import {
  LeaseKeepAliveRequestSchema,
  LeaseKeepAliveResponseSchema,
  LeaseTimeToLiveRequestSchema,
  LeaseTimeToLiveResponseSchema,
  ResponseHeaderSchema,
  type LeaseTimeToLiveRequest,
} from '../../../lib/etcd/rpc_pb.ts'

export const RENEW_PATH = '/leases'
export const TIME_TO_LIVE_PATH = '/leases/internal'

/** What is known of a lease that has not ended. */
export interface TimeToLive {
  remainingSeconds: bigint
  grantedSeconds: bigint
  keys: Uint8Array[]
}

export function encodeRenewal(id: bigint): Buffer {
  return Buffer.from(toBinary(LeaseKeepAliveRequestSchema, create(LeaseKeepAliveRequestSchema, { ID: id })))
}

/** @throws Error for what is no such message. */
export function decodeRenewal(body: Uint8Array): bigint {
  return fromBinary(LeaseKeepAliveRequestSchema, body).ID
}

export function encodeRenewed(id: bigint, ttlSeconds: bigint): Buffer {
  const reply = create(LeaseKeepAliveResponseSchema, { ID: id, TTL: ttlSeconds })
  return Buffer.from(toBinary(LeaseKeepAliveResponseSchema, reply))
}

export function decodeRenewed(body: Uint8Array): { id: bigint; ttlSeconds: bigint } {
  const { ID, TTL } = fromBinary(LeaseKeepAliveResponseSchema, body)
  return { id: ID, ttlSeconds: TTL }
}

export function encodeTimeToLiveQuestion(id: bigint, keys: boolean): Buffer {
  const question = create(LeaseTimeToLiveRequestSchema, { ID: id, keys })
  return inFirstField(toBinary(LeaseTimeToLiveRequestSchema, question))
}

/** Undefined where the envelope holds no question. @throws Error for what is no such message. */
export function decodeTimeToLiveQuestion(body: Uint8Array): LeaseTimeToLiveRequest | undefined {
  const inner = firstField(body)
  return inner && fromBinary(LeaseTimeToLiveRequestSchema, inner)
}

export function encodeTimeToLive(id: bigint, { remainingSeconds, grantedSeconds, keys }: TimeToLive): Buffer {
  const reply = create(LeaseTimeToLiveResponseSchema, {
    header: create(ResponseHeaderSchema),
    ID: id,
    TTL: remainingSeconds,
    grantedTTL: grantedSeconds,
    keys,
  })
  return inFirstField(toBinary(LeaseTimeToLiveResponseSchema, reply))
}

export function decodeTimeToLive(body: Uint8Array): TimeToLive {
  const { TTL, grantedTTL, keys } = fromBinary(LeaseTimeToLiveResponseSchema, firstField(body) ?? new Uint8Array())
  return { remainingSeconds: TTL, grantedSeconds: grantedTTL, keys }
}

/** leasepb's LeaseInternalRequest and LeaseInternalResponse hold one message each, as field 1. */
function inFirstField(message: Uint8Array): Buffer {
  return new ProtoWriter().bytesAlways(1, message).finish()
}

function firstField(envelope: Uint8Array): Buffer | undefined {
  let found: Buffer | undefined
  readProto(envelope, ({ field, bytes }) => {
    if (field === 1) found = bytes
  })
  return found
}
