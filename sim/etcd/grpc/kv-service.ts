/** The KV service (server/etcdserver/api/v3rpc/key.go, server/etcdserver/v3_server.go). */
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'
import {
  AlarmRequest_AlarmAction,
  AlarmRequestSchema,
  AlarmType,
  KV,
  type CompactionResponse,
  type DeleteRangeResponse,
  type PutResponse,
  type TxnResponse,
} from '../../../lib/etcd/rpc_pb.ts'
import { authorizeTxn } from '../apply/authorize.ts'
import type { AuthInfo } from '../auth/auth-info.ts'
import { ERRORS } from '../errors.ts'
import { costOfPut, costOfTxn } from '../maintenance/quota.ts'
import type { Member } from '../member.ts'
import { checkPut, checkRange, checkTxn } from '../mvcc/check-requests.ts'
import { isReadOnly, isSerializable, range, txn } from '../mvcc/requests.ts'
import type { Call } from './call.ts'
import { unary, type Method } from './method.ts'

export function kvService(member: Member, { maxTxnOps }: { maxTxnOps: number }): Method[] {
  const { store, auth } = member.state

  /** A read with somebody's rights, which must still be theirs when it is done. */
  const reading = async <T>(call: Call, serializable: boolean, read: (info: AuthInfo | undefined) => T): Promise<T> => {
    if (!serializable) await member.door.linearizable()
    const info = await member.authInfo(call)
    const result = read(info)
    if (info && info.revision !== auth.revision) throw ERRORS.authOldRevision()
    return result
  }

  return [
    unary(
      KV.method.range,
      async (request, call) => {
        checkRange(request)
        return reading(call, request.serializable, (info) => {
          auth.requireRead(info, request.key, request.rangeEnd)
          member.metrics.server.ranges.inc()
          const reply = range(store, request, store.readRevision(request.revision))
          reply.header = member.header()
          return reply
        })
      },
      ({ key }) => keyName(key),
    ),
    unary(
      KV.method.put,
      async (request, call, bytes) => {
        checkPut(request)
        return withinRoom(member, costOfPut(request), async () => {
          return (await member.propose('put', request, bytes, call)) as PutResponse
        })
      },
      ({ key }) => keyName(key),
    ),
    unary(
      KV.method.deleteRange,
      async (request, call, bytes) => {
        if (request.key.length === 0) throw ERRORS.emptyKey()
        return (await member.propose('deleteRange', request, bytes, call)) as DeleteRangeResponse
      },
      ({ key }) => keyName(key),
    ),
    unary(
      KV.method.txn,
      async (request, call, bytes) => {
        checkTxn(request, maxTxnOps)
        if (isReadOnly(request)) {
          return reading(call, isSerializable(request), (info) => {
            authorizeTxn(member.state, info, request)
            const reply = txn(store, store.reading(), request)
            reply.header = member.header()
            return reply
          })
        }
        return withinRoom(member, costOfTxn(request), async () => {
          return (await member.propose('txn', request, bytes, call)) as TxnResponse
        })
      },
      ({ compare }) => keyName(compare[0]?.key ?? new Uint8Array()),
    ),
    unary(KV.method.compact, async (request, call, bytes) => {
      // Old versions are gone as soon as it is applied, so that `physical` asks for nothing more.
      if (auth.enabled) await member.requireAdmin(call)
      return (await member.propose('compaction', request, bytes, call)) as CompactionResponse
    }),
  ]
}

/**
 * Raises the alarm where a request does not fit any more, before anybody hears of it: where it was not even proposed
 * (v3rpc/quota.go), and where room went between its proposal and its turn (server.go, applyEntryNormal).
 */
export async function withinRoom<T>(member: Member, costBytes: number, act: () => Promise<T>): Promise<T> {
  const raise = (): Promise<unknown> =>
    member.proposeOwn('alarm', AlarmRequestSchema, {
      memberID: member.memberId,
      action: AlarmRequest_AlarmAction.ACTIVATE,
      alarm: AlarmType.NOSPACE,
    })
  if (!member.quota.fits(costBytes)) {
    await raise()
    throw ERRORS.noSpace()
  }
  try {
    return await act()
  } catch (error) {
    const isFull = error instanceof GrpcError && error.message === ERRORS.noSpace().message
    if (isFull && !member.state.alarms.isRaised(AlarmType.NOSPACE)) await raise()
    throw error
  }
}

function keyName(key: Uint8Array): string {
  return Buffer.from(key).toString('utf8')
}
