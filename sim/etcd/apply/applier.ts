/**
 * Takes in one entry of the log after the other (server/etcdserver/apply). Deterministic: every member that applies the
 * same entries comes to the same state, and to the same answers.
 */
import { fromBinary, type DescMessage } from '@bufbuild/protobuf'
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { decodeConfChange, ENTRY_TYPE, type RaftEntry } from '../../../lib/etcd/raft-entry.ts'
import {
  decodeRaftRequest,
  decodeV2Request,
  type RaftRequestKind,
  type V2Request,
} from '../../../lib/etcd/raft-request.ts'
import { AlarmType, type ResponseHeader } from '../../../lib/etcd/rpc_pb.ts'
import type { AuthInfo } from '../auth/auth-info.ts'
import type { TokenProvider } from '../auth/token-provider.ts'
import { membershipChangeOf } from '../cluster/membership-change.ts'
import type { Reply } from '../consensus/door.ts'
import { ERRORS } from '../errors.ts'
import { ADMIN_KINDS } from './authorize.ts'
import { APPLY, type ApplyContext } from './apply-requests.ts'
import { applyV2 } from './apply-v2.ts'
import type { State } from './state.ts'

export interface Applied {
  reply?: Reply
  /** What the request was refused with; the entry counts as applied all the same. */
  error?: GrpcError
}

/** A request that this member proposed itself: it need not be decoded again. */
export interface Known {
  kind: RaftRequestKind
  request?: unknown
  info?: AuthInfo | undefined
}

export interface ApplierOptions {
  state: State
  tokens: TokenProvider
  /** The head of every reply, with the revision of now. */
  header: () => ResponseHeader
  fits: (costBytes: number) => boolean
  /** Called after each entry, whatever came of it; `kind` of what it asked for, if for anything. */
  applied?: (entry: RaftEntry, kind: RaftRequestKind | 'confChange' | undefined) => void
}

export class Applier {
  readonly #options: ApplierOptions
  #index = 0
  #term = 0

  constructor(options: ApplierOptions) {
    this.#options = options
  }

  /** Of the last entry that was applied. */
  get index(): number {
    return this.#index
  }

  get term(): number {
    return this.#term
  }

  apply(entry: RaftEntry, known?: Known): Applied {
    this.#index = entry.index
    this.#term = entry.term
    // What a new leader begins with asks for nothing.
    const isRequest = entry.type === ENTRY_TYPE.normal && entry.data.length > 0
    const asked = isRequest ? (known ?? decoded(entry.data)) : undefined
    try {
      if (asked) return { reply: this.#run(asked, entry.index) }
      if (entry.type !== ENTRY_TYPE.normal) {
        this.#options.state.members.apply(membershipChangeOf(decodeConfChange(entry.data)))
      }
      return {}
    } catch (error) {
      if (error instanceof GrpcError) return { error }
      throw error
    } finally {
      this.#options.applied?.(entry, entry.type === ENTRY_TYPE.normal ? asked?.kind : 'confChange')
    }
  }

  #run({ kind, request, info }: Known, index: number): Reply {
    const { state } = this.#options
    if (kind === 'v2') {
      applyV2(state.members, request as V2Request)
      return undefined
    }
    const applied = APPLY[kind]
    if (!applied) return undefined
    if (applied.refusedWhenCorrupt && state.alarms.isRaised(AlarmType.CORRUPT)) throw ERRORS.corrupt()
    if (state.auth.enabled && ADMIN_KINDS.has(kind)) state.auth.requireAdmin(info)
    const context: ApplyContext = { ...this.#options, index, info }
    return applied.run(context, request as never)
  }
}

function decoded(data: Uint8Array): Known {
  const { kind, body, username = '', authRevision = 0 } = decodeRaftRequest(data)
  const schema: DescMessage | undefined = APPLY[kind]?.schema
  return {
    kind,
    request: kind === 'v2' ? decodeV2Request(body) : schema && fromBinary(schema, body),
    info: { username, revision: BigInt(authRevision) },
  }
}
