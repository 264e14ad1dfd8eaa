/** The Auth service: what must not be in the log, passwords above all, is done before it is proposed (v3_server.go). */
import { create, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { InternalAuthenticateRequestSchema } from '../../../lib/etcd/internal_pb.ts'
import type { RaftRequestKind } from '../../../lib/etcd/raft-request.ts'
import {
  Auth,
  AuthUserAddRequestSchema,
  AuthUserChangePasswordRequestSchema,
  type AuthenticateRequest,
  type AuthenticateResponse,
} from '../../../lib/etcd/rpc_pb.ts'
import { bcryptHash, bcryptMatches } from '../auth/bcrypt.ts'
import { ERRORS } from '../errors.ts'
import { log } from '../log.ts'
import type { Member } from '../member.ts'
import { unary, type Method } from './method.ts'

export function authService(member: Member): Method[] {
  const { auth } = member.state
  const { method } = Auth

  function proposed<I extends DescMessage, O extends DescMessage>(
    desc: Parameters<typeof unary<I, O>>[0],
    kind: RaftRequestKind,
  ): Method {
    return unary(desc, async (request: MessageShape<I>, call, bytes) => {
      return (await member.propose(kind, request, bytes, call)) as MessageShape<O>
    })
  }

  /** In base64, as the log has it. */
  const hashed = async (password: string): Promise<string> => {
    const hash = await bcryptHash(password, member.settings.bcryptCost).catch((error: Error) => {
      throw new GrpcError('Unknown', error.message, { cause: error })
    })
    return Buffer.from(hash, 'latin1').toString('base64')
  }

  const authenticate = async ({ name, password }: AuthenticateRequest): Promise<AuthenticateResponse> => {
    await member.door.linearizable()
    for (;;) {
      const { revision } = auth
      await checkPassword(member, name, password).catch((error: GrpcError) => {
        if (auth.enabled) log('warn', 'invalid authentication was requested', { user: name, error: error.message })
        throw error
      })
      const request = create(InternalAuthenticateRequestSchema, { name, simpleToken: member.tokens.newPrefix() })
      const bytes = toBinary(InternalAuthenticateRequestSchema, request)
      const reply = (await member.propose('authenticate', request, bytes, undefined)) as AuthenticateResponse
      // The password may have been changed while it was looked at.
      if (revision === auth.revision) return reply
    }
  }

  return [
    proposed(method.authEnable, 'authEnable'),
    proposed(method.authDisable, 'authDisable'),
    proposed(method.authStatus, 'authStatus'),
    unary(method.authenticate, authenticate),
    unary(method.userAdd, async (request, call) => {
      if (!request.options?.noPassword) {
        request.hashedPassword = await hashed(request.password)
        request.password = ''
      }
      const bytes = toBinary(AuthUserAddRequestSchema, request)
      return (await member.propose('authUserAdd', request, bytes, call)) as never
    }),
    unary(method.userChangePassword, async (request, call) => {
      if (request.password !== '') {
        request.hashedPassword = await hashed(request.password)
        request.password = ''
      }
      const bytes = toBinary(AuthUserChangePasswordRequestSchema, request)
      return (await member.propose('authUserChangePassword', request, bytes, call)) as never
    }),
    proposed(method.userGet, 'authUserGet'),
    proposed(method.userList, 'authUserList'),
    proposed(method.userDelete, 'authUserDelete'),
    proposed(method.userGrantRole, 'authUserGrantRole'),
    proposed(method.userRevokeRole, 'authUserRevokeRole'),
    proposed(method.roleAdd, 'authRoleAdd'),
    proposed(method.roleGet, 'authRoleGet'),
    proposed(method.roleList, 'authRoleList'),
    proposed(method.roleDelete, 'authRoleDelete'),
    proposed(method.roleGrantPermission, 'authRoleGrantPermission'),
    proposed(method.roleRevokePermission, 'authRoleRevokePermission'),
  ]
}

/** @throws GrpcError */
async function checkPassword({ state: { auth } }: Member, name: string, password: string): Promise<void> {
  if (!auth.enabled) throw ERRORS.authNotEnabled()
  const user = auth.user(name)
  if (!user) throw ERRORS.authFailed()
  if (user.noPassword) throw ERRORS.noPasswordUser()
  if (await bcryptMatches(user.passwordHash, password)) return
  log('info', 'invalid password', { 'user-name': name })
  throw ERRORS.authFailed()
}
