/** What a user may have applied (server/etcdserver/apply/apply_auth.go). Each check throws the GrpcError of the refusal. */
import type { DeleteRangeRequest, PutRequest, RequestOp, TxnRequest } from '../../../lib/etcd/rpc_pb.ts'
import type { RaftRequestKind } from '../../../lib/etcd/raft-request.ts'
import type { AuthInfo } from '../auth/auth-info.ts'
import { keyBytes } from '../mvcc/store.ts'
import type { State } from './state.ts'

/** Requests that root alone may have applied. */
export const ADMIN_KINDS: ReadonlySet<RaftRequestKind> = new Set<RaftRequestKind>([
  'authEnable',
  'authDisable',
  'authStatus',
  'authUserAdd',
  'authUserDelete',
  'authUserChangePassword',
  'authUserGrantRole',
  'authUserRevokeRole',
  'authUserList',
  'authRoleAdd',
  'authRoleDelete',
  'authRoleGrantPermission',
  'authRoleRevokePermission',
  'authRoleList',
])

export function authorizePut(state: State, info: AuthInfo | undefined, request: PutRequest): void {
  const { auth } = state
  if (!auth.enabled) return
  auth.requireWrite(info, request.key)
  // Who may not write a key of the lease could not revoke it, so may not hang more keys on it.
  authorizeLease(state, info, request.lease)
  if (request.prevKv) auth.requireRead(info, request.key)
}

export function authorizeDelete({ auth }: State, info: AuthInfo | undefined, request: DeleteRangeRequest): void {
  auth.requireWrite(info, request.key, request.rangeEnd)
  if (request.prevKv) auth.requireRead(info, request.key, request.rangeEnd)
}

export function authorizeTxn(state: State, info: AuthInfo | undefined, request: TxnRequest): void {
  if (!state.auth.enabled) return
  for (const { key, rangeEnd } of request.compare) state.auth.requireRead(info, key, rangeEnd)
  for (const operation of [...request.success, ...request.failure]) authorizeOperation(state, info, operation)
}

function authorizeOperation(state: State, info: AuthInfo | undefined, { request }: RequestOp): void {
  switch (request.case) {
    case 'requestRange':
      return state.auth.requireRead(info, request.value.key, request.value.rangeEnd)
    case 'requestPut':
      return authorizePut(state, info, request.value)
    case 'requestDeleteRange':
      return authorizeDelete(state, info, request.value)
    case 'requestTxn':
      return authorizeTxn(state, info, request.value)
    default:
  }
}

/** Who revokes a lease deletes its keys, so must be allowed to write each. */
export function authorizeLease({ auth, leases }: State, info: AuthInfo | undefined, id: bigint): void {
  if (!auth.enabled || auth.isAdmin(info)) return
  for (const key of leases.get(id)?.keys ?? []) auth.requireWrite(info, keyBytes(key))
}

/** Who is told the keys of a lease must be allowed to read each. */
export function authorizeLeaseKeys({ auth, leases }: State, info: AuthInfo | undefined, id: bigint): void {
  if (!auth.enabled || auth.isAdmin(info)) return
  for (const key of leases.get(id)?.keys ?? []) auth.requireRead(info, keyBytes(key))
}
