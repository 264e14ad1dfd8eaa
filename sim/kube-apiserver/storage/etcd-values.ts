/** The key-value store that etcd is to kube-apiserver: one transaction for each write, as etcd3/store.go makes them. */
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'
import type { EtcdClient, WatchHandle } from '../../../lib/etcd/client.ts'
import { Event_EventType } from '../../../lib/etcd/kv_pb.ts'
import type { KeyValue } from '../../../lib/etcd/kv_pb.ts'
import { Compare_CompareResult, Compare_CompareTarget } from '../../../lib/etcd/rpc_pb.ts'
import type { TxnResponse, WatchResponse } from '../../../lib/etcd/rpc_pb.ts'
import { CompactedError } from './key-value-store.ts'
import type {
  KeyValueStore,
  RangeOptions,
  RangePage,
  StoredValue,
  WatchListener,
  WriteOutcome,
} from './key-value-store.ts'

const COMPACTED = 'etcdserver: mvcc: required revision has been compacted'
/** One lease serves the events of a minute (apiserver/pkg/storage/etcd3/lease_manager.go). */
const LEASE_REUSE_MS = 60_000

export class EtcdValues implements KeyValueStore {
  readonly #client: EtcdClient
  readonly #leases = new Map<number, { id: Promise<bigint>; until: number }>()

  constructor(client: EtcdClient) {
    this.#client = client
  }

  async range({ start, end, limit, revision }: RangeOptions): Promise<RangePage> {
    try {
      const answer = await this.#client.range({
        key: start,
        ...(end !== undefined && { rangeEnd: end }),
        ...(limit !== undefined && { limit: BigInt(limit) }),
        ...(revision !== undefined && { revision: BigInt(revision) }),
      })
      return {
        revision: Number(answer.header?.revision ?? 0n),
        values: answer.kvs.map(storedValue),
        more: answer.more,
        count: Number(answer.count),
      }
    } catch (error) {
      throw error instanceof GrpcError && error.message === COMPACTED ? new CompactedError(COMPACTED) : error
    }
  }

  async put(
    key: string,
    value: Buffer,
    expectedRevision: number,
    { ttlSeconds }: { ttlSeconds?: number } = {},
  ): Promise<WriteOutcome> {
    const lease = ttlSeconds === undefined ? 0n : await this.#lease(ttlSeconds)
    return this.#write(key, expectedRevision, {
      request: { case: 'requestPut', value: { key: bytes(key), value: new Uint8Array(value), lease } },
    })
  }

  remove(key: string, expectedRevision: number): Promise<WriteOutcome> {
    return this.#write(key, expectedRevision, {
      request: { case: 'requestDeleteRange', value: { key: bytes(key) } },
    })
  }

  watch(prefix: string, fromRevision: number, listener: WatchListener): { close(): void } {
    let closed = false
    let handle: WatchHandle | undefined
    const end = (error: Error): void => {
      if (closed) return
      closed = true
      handle?.close()
      listener.end(error)
    }
    this.#client
      .watch(
        { key: prefix, prefix: true, startRevision: BigInt(fromRevision), prevKv: true, progressNotify: true },
        {
          response: (response) => {
            if (response.canceled) return end(cancellation(response))
            if (closed || response.created) return
            const changes = response.events.map(storedChange)
            // the header's revision is only as far as the watch has come where there is nothing to tell
            listener.changes(changes, changes.at(-1)?.revision ?? Number(response.header?.revision ?? 0n))
          },
          end: (error) => end(error ?? new Error('etcd ended the watch')),
        },
      )
      .then((opened) => {
        handle = opened
        if (closed) opened.close()
      }, end)
    return {
      close: () => {
        closed = true
        handle?.close()
      },
    }
  }

  close(): void {
    void this.#client.close()
  }

  async #write(
    key: string,
    expectedRevision: number,
    operation: NonNullable<Parameters<EtcdClient['txn']>[0]['success']>[number],
  ): Promise<WriteOutcome> {
    const answer = await this.#client.txn({
      compare: [
        {
          result: Compare_CompareResult.EQUAL,
          target: Compare_CompareTarget.MOD,
          key: bytes(key),
          targetUnion: { case: 'modRevision', value: BigInt(expectedRevision) },
        },
      ],
      success: [operation],
      failure: [{ request: { case: 'requestRange', value: { key: bytes(key) } } }],
    })
    if (answer.succeeded) return { ok: true, revision: Number(answer.header?.revision ?? 0n) }
    const [current] = foundInstead(answer)
    return current ? { ok: false, current: storedValue(current) } : { ok: false }
  }

  async #lease(ttlSeconds: number): Promise<bigint> {
    const known = this.#leases.get(ttlSeconds)
    if (known && known.until > Date.now()) return known.id
    const granted = {
      id: this.#client.grantLease(ttlSeconds + LEASE_REUSE_MS / 1000),
      until: Date.now() + LEASE_REUSE_MS,
    }
    this.#leases.set(ttlSeconds, granted)
    granted.id.catch(() => this.#leases.delete(ttlSeconds))
    return granted.id
  }
}

function cancellation(response: WatchResponse): Error {
  return response.compactRevision > 0n ? new CompactedError(COMPACTED) : new Error(response.cancelReason)
}

function foundInstead(answer: TxnResponse): KeyValue[] {
  const response = answer.responses[0]?.response
  return response?.case === 'responseRange' ? response.value.kvs : []
}

function storedValue({ key, value, modRevision }: KeyValue): StoredValue {
  return { key: text(key), value: buffer(value), modRevision: Number(modRevision) }
}

function storedChange({
  type,
  kv,
  prevKv,
}: WatchResponse['events'][number]): Parameters<WatchListener['changes']>[0][number] {
  return {
    key: text(kv?.key ?? new Uint8Array()),
    revision: Number(kv?.modRevision ?? 0n),
    ...(type !== Event_EventType.DELETE && kv && { value: buffer(kv.value) }),
    ...(prevKv && { previous: buffer(prevKv.value) }),
  }
}

function bytes(key: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(key))
}

function text(key: Uint8Array): string {
  return buffer(key).toString()
}

function buffer(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}
