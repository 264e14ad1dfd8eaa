/** What applying each kind of request does to the state, and answers. */
import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import {
  ClusterMemberAttrSetRequestSchema,
  ClusterVersionSetRequestSchema,
  DowngradeInfoSetRequestSchema,
} from '../../../lib/etcd/internal_pb.ts'
import type { RaftRequestKind } from '../../../lib/etcd/raft-request.ts'
import {
  AlarmRequest_AlarmAction,
  AlarmRequestSchema,
  AlarmResponseSchema,
  AlarmType,
  CompactionRequestSchema,
  CompactionResponseSchema,
  DeleteRangeRequestSchema,
  LeaseCheckpointRequestSchema,
  LeaseCheckpointResponseSchema,
  LeaseGrantRequestSchema,
  LeaseGrantResponseSchema,
  LeaseRevokeRequestSchema,
  LeaseRevokeResponseSchema,
  PutRequestSchema,
  RangeRequestSchema,
  TxnRequestSchema,
  type ResponseHeader,
} from '../../../lib/etcd/rpc_pb.ts'
import type { AuthInfo } from '../auth/auth-info.ts'
import type { TokenProvider } from '../auth/token-provider.ts'
import type { Reply } from '../consensus/door.ts'
import { ERRORS } from '../errors.ts'
import { costOfPut, costOfTxn, LEASE_COST_BYTES } from '../maintenance/quota.ts'
import { deleteRange, put, range, txn } from '../mvcc/requests.ts'
import type { Batch } from '../mvcc/store.ts'
import { APPLY_AUTH } from './apply-auth.ts'
import { authorizeDelete, authorizeLease, authorizePut, authorizeTxn } from './authorize.ts'
import type { State } from './state.ts'

export interface ApplyContext {
  state: State
  tokens: TokenProvider
  header: () => ResponseHeader
  fits: (costBytes: number) => boolean
  /** Of the entry in the log. */
  index: number
  info: AuthInfo | undefined
}

export interface ApplyRequest {
  schema: DescMessage
  /** Nothing that touches keys or leases goes on while members are known to differ. */
  refusedWhenCorrupt: boolean
  run: (context: ApplyContext, request: never) => Reply
}

export function applying<Desc extends DescMessage>(
  schema: Desc,
  run: (context: ApplyContext, request: MessageShape<Desc>) => Reply,
  refusedWhenCorrupt = false,
): ApplyRequest {
  return { schema, run, refusedWhenCorrupt }
}

export const APPLY: Readonly<Partial<Record<RaftRequestKind, ApplyRequest>>> = {
  range: applying(
    RangeRequestSchema,
    ({ state, header, info }, request) => {
      state.auth.requireRead(info, request.key, request.rangeEnd)
      const reply = range(state.store, request, state.store.readRevision(request.revision))
      reply.header = header()
      return reply
    },
    true,
  ),
  put: applying(
    PutRequestSchema,
    (context, request) => {
      authorizePut(context.state, context.info, request)
      return withinQuota(context, costOfPut(request), () =>
        write(context, (batch) => put(context.state.store, batch, request)),
      )
    },
    true,
  ),
  deleteRange: applying(
    DeleteRangeRequestSchema,
    (context, request) => {
      authorizeDelete(context.state, context.info, request)
      return write(context, (batch) => deleteRange(context.state.store, batch, request))
    },
    true,
  ),
  txn: applying(
    TxnRequestSchema,
    (context, request) => {
      authorizeTxn(context.state, context.info, request)
      return withinQuota(context, costOfTxn(request), () =>
        write(context, (batch) => txn(context.state.store, batch, request)),
      )
    },
    true,
  ),
  compaction: applying(
    CompactionRequestSchema,
    ({ state, header }, { revision }) => {
      state.store.compact(revision)
      return create(CompactionResponseSchema, { header: header() })
    },
    true,
  ),
  leaseGrant: applying(
    LeaseGrantRequestSchema,
    (context, { ID, TTL }) =>
      withinQuota(context, LEASE_COST_BYTES, () => {
        const lease = context.state.leases.grant(ID, TTL)
        return create(LeaseGrantResponseSchema, { header: context.header(), ID: lease.id, TTL: lease.ttlSeconds })
      }),
    true,
  ),
  leaseRevoke: applying(
    LeaseRevokeRequestSchema,
    (context, { ID }) => {
      authorizeLease(context.state, context.info, ID)
      const lease = context.state.leases.remove(ID)
      // Sorted, so that every member deletes them in the same order.
      const keys = [...lease.keys].sort()
      return write(context, (batch) => {
        for (const key of keys) batch.delete(key)
        return create(LeaseRevokeResponseSchema)
      })
    },
    true,
  ),
  leaseCheckpoint: applying(LeaseCheckpointRequestSchema, ({ state, header }, { checkpoints }) => {
    for (const { ID, remainingTTL } of checkpoints) state.leases.checkpoint(ID, remainingTTL)
    return create(LeaseCheckpointResponseSchema, { header: header() })
  }),
  alarm: applying(AlarmRequestSchema, ({ state, header }, { action, memberID, alarm }) => {
    const { GET, ACTIVATE } = AlarmRequest_AlarmAction
    const found =
      action === GET
        ? state.alarms.get(alarm)
        : alarm === AlarmType.NONE
          ? []
          : [action === ACTIVATE ? state.alarms.activate(memberID, alarm) : state.alarms.deactivate(memberID, alarm)]
    const alarms = found.flatMap((each) => (each ? [{ memberID: each.memberId, alarm: each.type }] : []))
    return create(AlarmResponseSchema, { header: header(), alarms })
  }),
  ...APPLY_AUTH,
  clusterVersionSet: applying(ClusterVersionSetRequestSchema, ({ state }, { ver }) => {
    state.members.clusterVersion = ver
    return undefined
  }),
  clusterMemberAttrSet: applying(ClusterMemberAttrSetRequestSchema, ({ state }, { memberID, memberAttributes }) => {
    state.members.setAttributes(memberID, memberAttributes?.name ?? '', memberAttributes?.clientUrls ?? [])
    return undefined
  }),
  downgradeInfoSet: applying(DowngradeInfoSetRequestSchema, ({ state }, { enabled, ver }) => {
    state.members.downgradeTarget = enabled ? ver : undefined
    return undefined
  }),
}

/** One revision, told to the watchers; the reply's head says which. */
function write<T extends { header?: ResponseHeader | undefined }>(
  { state, header }: ApplyContext,
  act: (batch: Batch) => T,
): T {
  const { result, commit } = state.store.transact(act)
  result.header = header()
  if (commit) state.tell(commit)
  return result
}

/**
 * With the alarm raised nothing that takes room is applied. Without it a request that does not fit any more is applied
 * all the same, since others may have done so, and answered as if it were not (apply.go, quotaApplierV3).
 */
function withinQuota<T>({ state, fits }: ApplyContext, costBytes: number, act: () => T): T {
  if (costBytes > 0 && state.alarms.isRaised(AlarmType.NOSPACE)) throw ERRORS.noSpace()
  const fitted = fits(costBytes)
  const result = act()
  if (!fitted) throw ERRORS.noSpace()
  return result
}
