/** What applying the requests about users and roles does (server/etcdserver/apply/apply.go over server/auth/store.go). */
import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf'
import { InternalAuthenticateRequestSchema } from '../../../lib/etcd/internal_pb.ts'
import type { RaftRequestKind } from '../../../lib/etcd/raft-request.ts'
import {
  Auth,
  AuthDisableResponseSchema,
  AuthEnableResponseSchema,
  AuthenticateResponseSchema,
  AuthRoleGetResponseSchema,
  AuthRoleListResponseSchema,
  AuthStatusResponseSchema,
  AuthUserGetResponseSchema,
  AuthUserListResponseSchema,
} from '../../../lib/etcd/rpc_pb.ts'
import { ERRORS } from '../errors.ts'
import type { ApplyContext, ApplyRequest } from './apply-requests.ts'

/** The reply is its type with a head and nothing else, unless the act answers more. */
function applying<I extends DescMessage, O extends DescMessage>(
  schema: I,
  reply: O,
  act: (context: ApplyContext, request: MessageShape<I>) => MessageInitShape<O> | void,
): ApplyRequest {
  const run = (context: ApplyContext, request: MessageShape<I>): object => {
    const answer = act(context, request) ?? {}
    return create(reply, { header: context.header(), ...answer } as unknown as MessageInitShape<O>)
  }
  return { schema, run, refusedWhenCorrupt: false }
}

const { method } = Auth

export const APPLY_AUTH: Readonly<Partial<Record<RaftRequestKind, ApplyRequest>>> = {
  authEnable: applying(method.authEnable.input, AuthEnableResponseSchema, ({ state }) => state.auth.enable()),
  authDisable: applying(method.authDisable.input, AuthDisableResponseSchema, ({ state }) => state.auth.disable()),
  authStatus: applying(method.authStatus.input, AuthStatusResponseSchema, ({ state: { auth } }) => ({
    enabled: auth.enabled,
    authRevision: auth.revision,
  })),
  // The password was looked at before it was proposed, and is not in the log.
  authenticate: applying(InternalAuthenticateRequestSchema, AuthenticateResponseSchema, (context, request) => {
    const { auth } = context.state
    if (!auth.enabled) throw ERRORS.authNotEnabled()
    const user = auth.user(request.name)
    if (!user || user.noPassword) throw ERRORS.authFailed()
    return { token: context.tokens.assign(user.name, request.simpleToken, BigInt(context.index), auth.revision) }
  }),
  authUserAdd: applying(method.userAdd.input, method.userAdd.output, ({ state }, request) => {
    const { name, hashedPassword, options } = request
    const noPassword = options?.noPassword ?? false
    state.auth.addUser(name, noPassword ? '' : fromBase64(hashedPassword), noPassword)
  }),
  authUserDelete: applying(method.userDelete.input, method.userDelete.output, ({ state }, { name }) =>
    state.auth.deleteUser(name),
  ),
  authUserChangePassword: applying(
    method.userChangePassword.input,
    method.userChangePassword.output,
    ({ state }, { name, hashedPassword }) => state.auth.changePassword(name, fromBase64(hashedPassword)),
  ),
  authUserGrantRole: applying(method.userGrantRole.input, method.userGrantRole.output, ({ state }, { user, role }) =>
    state.auth.grantRole(user, role),
  ),
  authUserRevokeRole: applying(method.userRevokeRole.input, method.userRevokeRole.output, ({ state }, { name, role }) =>
    state.auth.revokeRole(name, role),
  ),
  // Everybody may ask after themselves and the roles that they have.
  authUserGet: applying(method.userGet.input, AuthUserGetResponseSchema, ({ state: { auth }, info }, { name }) => {
    if (auth.enabled && info?.username !== name) auth.requireAdmin(info)
    const user = auth.user(name)
    if (!user) throw ERRORS.userNotFound()
    return { roles: [...user.roles] }
  }),
  authUserList: applying(method.userList.input, AuthUserListResponseSchema, ({ state }) => ({
    users: state.auth.userNames(),
  })),
  authRoleAdd: applying(method.roleAdd.input, method.roleAdd.output, ({ state }, { name }) => state.auth.addRole(name)),
  authRoleDelete: applying(method.roleDelete.input, method.roleDelete.output, ({ state }, { role }) =>
    state.auth.deleteRole(role),
  ),
  authRoleGet: applying(method.roleGet.input, AuthRoleGetResponseSchema, ({ state: { auth }, info }, { role }) => {
    if (auth.enabled && !auth.hasRole(info?.username ?? '', role)) auth.requireAdmin(info)
    return { perm: [...auth.permissionsOf(role)] }
  }),
  authRoleList: applying(method.roleList.input, AuthRoleListResponseSchema, ({ state }) => ({
    roles: state.auth.roleNames(),
  })),
  authRoleGrantPermission: applying(
    method.roleGrantPermission.input,
    method.roleGrantPermission.output,
    ({ state }, { name, perm }) => state.auth.grantPermission(name, perm),
  ),
  authRoleRevokePermission: applying(
    method.roleRevokePermission.input,
    method.roleRevokePermission.output,
    ({ state }, { role, key, rangeEnd }) => state.auth.revokePermission(role, key, rangeEnd),
  ),
}

function fromBase64(text: string): string {
  return Buffer.from(text, 'base64').toString('latin1')
}
