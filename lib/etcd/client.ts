/** etcd's v3 API as kube-apiserver, tools and thieves of the range use it. Keys are text or bytes, revisions bigint. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { GrpcClient, type GrpcClientOptions } from './grpc-client.ts'
import {
  Cluster,
  KV,
  Lease,
  Maintenance,
  Watch,
  type DeleteRangeResponse,
  type Member,
  type PutResponse,
  type RangeRequestSchema,
  type RangeResponse,
  type StatusResponse,
  type TxnRequestSchema,
  type TxnResponse,
  type WatchResponse,
} from './rpc_pb.ts'

export type Bytes = string | Uint8Array

export interface RangeOptions extends Omit<
  MessageInitShape<typeof RangeRequestSchema>,
  'key' | 'rangeEnd' | '$typeName'
> {
  key: Bytes
  /** Every key that begins with `key`. */
  prefix?: boolean
  rangeEnd?: Bytes
}

export interface WatchOptions {
  key: Bytes
  prefix?: boolean
  rangeEnd?: Bytes
  startRevision?: bigint
  prevKv?: boolean
  progressNotify?: boolean
}

export interface WatchHandle {
  /** Asks the server how far it is; the answer comes as a response without events. */
  requestProgress(): void
  close(): void
}

export class EtcdClient {
  readonly #grpc: GrpcClient

  constructor(options: GrpcClientOptions) {
    this.#grpc = new GrpcClient(options)
  }

  range(options: RangeOptions): Promise<RangeResponse> {
    const { key, prefix, rangeEnd, ...rest } = options
    const end = rangeEnd ?? (prefix ? prefixEnd(bytes(key)) : undefined)
    return this.#grpc.unary(KV.method.range, {
      ...rest,
      key: bytes(key),
      ...(end === undefined ? {} : { rangeEnd: bytes(end) }),
    })
  }

  put(options: { key: Bytes; value: Bytes; lease?: bigint; prevKv?: boolean }): Promise<PutResponse> {
    const { key, value, ...rest } = options
    return this.#grpc.unary(KV.method.put, { ...rest, key: bytes(key), value: bytes(value) })
  }

  deleteRange(options: { key: Bytes; prefix?: boolean; prevKv?: boolean }): Promise<DeleteRangeResponse> {
    const { key, prefix, prevKv } = options
    return this.#grpc.unary(KV.method.deleteRange, {
      key: bytes(key),
      ...(prefix ? { rangeEnd: prefixEnd(bytes(key)) } : {}),
      ...(prevKv ? { prevKv } : {}),
    })
  }

  txn(request: MessageInitShape<typeof TxnRequestSchema>): Promise<TxnResponse> {
    return this.#grpc.unary(KV.method.txn, request)
  }

  async compact(revision: bigint): Promise<void> {
    await this.#grpc.unary(KV.method.compact, { revision })
  }

  /** Returns the lease's id. */
  async grantLease(ttlSeconds: number): Promise<bigint> {
    return (await this.#grpc.unary(Lease.method.leaseGrant, { TTL: BigInt(ttlSeconds) })).ID
  }

  async members(): Promise<Member[]> {
    return (await this.#grpc.unary(Cluster.method.memberList, {})).members
  }

  /** Returns the new member's id. */
  async addMember(peerUrls: readonly string[], { isLearner = false } = {}): Promise<bigint> {
    const { member } = await this.#grpc.unary(Cluster.method.memberAdd, { peerURLs: [...peerUrls], isLearner })
    return member?.ID ?? 0n
  }

  async removeMember(id: bigint): Promise<void> {
    await this.#grpc.unary(Cluster.method.memberRemove, { ID: id })
  }

  status(): Promise<StatusResponse> {
    return this.#grpc.unary(Maintenance.method.status, {})
  }

  /** One watch on a stream of its own. `end` comes once; a watch that the server canceled ends with its response seen. */
  async watch(
    options: WatchOptions,
    listener: { response: (response: WatchResponse) => void; end: (error: Error | undefined) => void },
  ): Promise<WatchHandle> {
    const { key, prefix, rangeEnd, ...rest } = options
    const end = rangeEnd ?? (prefix ? prefixEnd(bytes(key)) : undefined)
    const stream = await this.#grpc.stream(
      Watch.method.watch,
      { message: listener.response, end: listener.end },
      { hasleader: 'true' },
    )
    const value = { ...rest, key: bytes(key), ...(end === undefined ? {} : { rangeEnd: bytes(end) }) }
    stream.send({ requestUnion: { case: 'createRequest', value } })
    return {
      requestProgress: () => stream.send({ requestUnion: { case: 'progressRequest', value: {} } }),
      close: () => stream.cancel(),
    }
  }

  close(): Promise<void> {
    return this.#grpc.close()
  }
}

export interface EtcdClientOptions extends Omit<GrpcClientOptions, 'keyPair' | 'caPem'> {
  /** A function is asked at each dial, so that rotated files bite. */
  keyPair?: GrpcClientOptions['keyPair'] | { cert: string; key: string }
  caPem?: GrpcClientOptions['caPem'] | string
}

export function etcdClient(options: EtcdClientOptions): EtcdClient {
  const { keyPair, caPem, ...rest } = options
  return new EtcdClient({
    ...rest,
    ...(keyPair === undefined ? {} : { keyPair: typeof keyPair === 'function' ? keyPair : () => keyPair }),
    ...(caPem === undefined ? {} : { caPem: typeof caPem === 'function' ? caPem : () => caPem }),
  })
}

function bytes(value: Bytes): Uint8Array<ArrayBuffer> {
  return typeof value === 'string' ? new Uint8Array(Buffer.from(value, 'utf8')) : new Uint8Array(value)
}

/** The first key behind all that begin with a prefix (clientv3.GetPrefixRangeEnd); `\0` means to the end of all keys. */
export function prefixEnd(prefix: Uint8Array): Uint8Array<ArrayBuffer> {
  const end = new Uint8Array(prefix)
  for (let index = end.length - 1; index >= 0; index -= 1) {
    if (end[index]! < 0xff) {
      end[index]! += 1
      return end.slice(0, index + 1)
    }
  }
  return new Uint8Array([0])
}
