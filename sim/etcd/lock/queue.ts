/**
 * Those who want to be the only one: each puts a key of its own under a common prefix, and it is the turn of the key that
 * was created first (client/v3/concurrency). Every step is asked with the rights of the caller.
 */
import { create, toBinary } from '@bufbuild/protobuf'
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { Event_EventType, type KeyValue } from '../../../lib/etcd/kv_pb.ts'
import {
  Compare_CompareTarget,
  DeleteRangeRequestSchema,
  LeaseGrantRequestSchema,
  TxnRequestSchema,
  type DeleteRangeResponse,
  type LeaseGrantResponse,
  type ResponseHeader,
  type TxnRequest,
  type TxnResponse,
} from '../../../lib/etcd/rpc_pb.ts'
import type { Call } from '../grpc/call.ts'
import type { Member } from '../member.ts'
import { isIn } from '../mvcc/key-range.ts'
import { keyBytes, keyText, type Commit } from '../mvcc/store.ts'
import { checkTxn } from '../mvcc/check-requests.ts'

/** Of a session that brings no lease of its own (concurrency/session.go). */
const SESSION_TTL_SECONDS = 60n

export interface Place {
  key: Uint8Array<ArrayBuffer>
  prefix: string
  /** When the key was created: the older goes first. */
  revision: bigint
}

const NOT_LEADER = 'election: not leader'

export class Queue {
  readonly #member: Member
  readonly #call: Call

  constructor(member: Member, call: Call) {
    this.#member = member
    this.#call = call
  }

  /** A lease for those who bring none. */
  async ownLease(): Promise<bigint> {
    const request = create(LeaseGrantRequestSchema, { TTL: SESSION_TTL_SECONDS, ID: this.#member.newLeaseId() })
    const bytes = toBinary(LeaseGrantRequestSchema, request)
    const reply = await this.#asked(() => this.#member.propose('leaseGrant', request, bytes, this.#call))
    return (reply as LeaseGrantResponse).ID
  }

  /** The key is made unless this lease has a place already; a value that differs is put anew. */
  async join(name: Uint8Array, lease: bigint, value: Uint8Array): Promise<Place> {
    const prefix = `${keyText(name)}/`
    const key = keyBytes(prefix + BigInt.asUintN(64, lease).toString(16))
    const { succeeded, header, responses } = await this.#txn({
      compare: [{ key, target: Compare_CompareTarget.CREATE, targetUnion: { case: 'createRevision', value: 0n } }],
      success: [putOf(key, value, lease)],
      failure: [{ request: { case: 'requestRange', value: { key } } }],
    })
    if (succeeded) return { key, prefix, revision: header!.revision }
    const [first] = responses
    const known = first?.response.case === 'responseRange' ? first.response.value.kvs[0] : undefined
    const revision = known?.createRevision ?? 0n
    if (known && Buffer.compare(known.value, value) !== 0) await this.change(key, revision, { value, lease })
    return { key, prefix, revision }
  }

  /** Resolves when all older keys are gone. A caller that leaves before gives its place up. */
  async turn({ key, prefix, revision }: Place): Promise<ResponseHeader> {
    const { state } = this.#member
    const isTurn = (): boolean => this.#oldest(prefix)?.createRevision === revision
    if (!isTurn()) {
      await new Promise<void>((resolve, reject) => {
        const stop = state.onCommit(({ events }) => {
          if (!events.some(({ type }) => type === Event_EventType.DELETE) || !isTurn()) return
          stop()
          resolve()
        })
        this.#call.onGone(() => {
          stop()
          void this.leave(key).catch(() => {})
          reject(new GrpcError('Canceled', 'context canceled'))
        })
      })
    }
    return this.#member.header()
  }

  async leave(key: Uint8Array): Promise<DeleteRangeResponse> {
    const request = create(DeleteRangeRequestSchema, { key: new Uint8Array(key) })
    const bytes = toBinary(DeleteRangeRequestSchema, request)
    const reply = await this.#asked(() => this.#member.propose('deleteRange', request, bytes, this.#call))
    return reply as DeleteRangeResponse
  }

  /** @throws GrpcError where the key is not the one that was created then. */
  async change(
    key: Uint8Array,
    created: bigint,
    { value, lease }: { value: Uint8Array; lease: bigint },
  ): Promise<ResponseHeader> {
    const { succeeded, header } = await this.#txn({
      compare: [createdAt(key, created)],
      success: [putOf(key, value, lease)],
    })
    if (!succeeded) throw new GrpcError('Unknown', NOT_LEADER)
    return header!
  }

  /** A key that is gone already is no fault. */
  async resign(key: Uint8Array, created: bigint): Promise<ResponseHeader> {
    const { header } = await this.#txn({
      compare: [createdAt(key, created)],
      success: [{ request: { case: 'requestDeleteRange', value: { key } } }],
    })
    return header!
  }

  /** Whose turn it is. */
  async first(name: Uint8Array): Promise<{ kv: KeyValue | undefined; header: ResponseHeader }> {
    await this.#member.door.linearizable()
    const prefix = `${keyText(name)}/`
    const info = await this.#member.authInfo(this.#call)
    await this.#asked(async () => this.#member.state.auth.requireRead(info, keyBytes(prefix), keyBytes(endOf(prefix))))
    return { kv: this.#oldest(prefix), header: this.#member.header() }
  }

  /** Whose turn it is now, and each time it or its value changes. */
  observe(name: Uint8Array, tell: (kv: KeyValue) => void, fail: (error: unknown) => void): () => void {
    const prefix = `${keyText(name)}/`
    let told = 0n
    const look = (): void => {
      const kv = this.#oldest(prefix)
      if (!kv || kv.modRevision === told) return
      told = kv.modRevision
      tell(kv)
    }
    const isOurs = ({ events }: Commit): boolean =>
      events.some(({ kv }) => isIn(keyText(kv!.key), { start: prefix, end: endOf(prefix) }))
    const stop = this.#member.state.onCommit((commit) => {
      if (isOurs(commit)) look()
    })
    this.first(name).then(look, fail)
    return stop
  }

  #oldest(prefix: string): KeyValue | undefined {
    const { index, revision } = this.#member.state.store
    let oldest: KeyValue | undefined
    for (const kv of index.range(prefix, endOf(prefix), revision))
      if (!oldest || kv.createRevision < oldest.createRevision) oldest = kv
    return oldest
  }

  async #txn(init: Parameters<typeof create<typeof TxnRequestSchema>>[1]): Promise<TxnResponse> {
    const request: TxnRequest = create(TxnRequestSchema, init)
    checkTxn(request, request.success.length + request.failure.length + request.compare.length)
    const bytes = toBinary(TxnRequestSchema, request)
    return (await this.#asked(() => this.#member.propose('txn', request, bytes, this.#call))) as TxnResponse
  }

  /** These services are clients within the server: of a refusal they pass on the words alone (recorded). */
  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      throw new GrpcError('Unknown', (error as Error).message, { cause: error })
    }
  }
}

function putOf(key: Uint8Array, value: Uint8Array, lease: bigint) {
  return {
    request: { case: 'requestPut' as const, value: { key: new Uint8Array(key), value: new Uint8Array(value), lease } },
  }
}

function createdAt(key: Uint8Array, revision: bigint) {
  return {
    key: new Uint8Array(key),
    target: Compare_CompareTarget.CREATE,
    targetUnion: { case: 'createRevision' as const, value: revision },
  }
}

/** The first key behind all that begin with the prefix, which ends with a slash. */
function endOf(prefix: string): string {
  return `${prefix.slice(0, -1)}0`
}
