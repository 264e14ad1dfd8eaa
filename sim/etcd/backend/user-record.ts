/** authpb.User, as it lies in the bucket authUsers. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { UserSchema } from '../../../lib/etcd/auth_pb.ts'
import type { User } from '../auth/auth-store.ts'

export function encodeUser({ name, passwordHash, noPassword, roles }: User): Buffer {
  const user = create(UserSchema, {
    name: Buffer.from(name),
    password: Buffer.from(passwordHash, 'latin1'),
    roles: [...roles],
    options: { noPassword },
  })
  return Buffer.from(toBinary(UserSchema, user))
}

export function decodeUser(bytes: Uint8Array): User {
  const { name, password, roles, options } = fromBinary(UserSchema, bytes)
  return {
    name: Buffer.from(name).toString('utf8'),
    passwordHash: Buffer.from(password).toString('latin1'),
    noPassword: options?.noPassword ?? false,
    roles,
  }
}
