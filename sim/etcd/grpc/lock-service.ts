/** The Lock service: a recipe over keys and leases, done at the server (server/etcdserver/api/v3lock). */
import { create } from '@bufbuild/protobuf'
import { Lock, LockResponseSchema, UnlockResponseSchema } from '../../../lib/etcd/lock_pb.ts'
import { Queue } from '../lock/queue.ts'
import type { Member } from '../member.ts'
import { unary, type Method } from './method.ts'

export function lockService(member: Member): Method[] {
  return [
    unary(Lock.method.lock, async ({ name, lease }, call) => {
      const queue = new Queue(member, call)
      const place = await queue.join(name, lease || (await queue.ownLease()), new Uint8Array())
      const header = await queue.turn(place)
      return create(LockResponseSchema, { header, key: place.key })
    }),
    unary(Lock.method.unlock, async ({ key }, call) => {
      const { header } = await new Queue(member, call).leave(key)
      return create(UnlockResponseSchema, header ? { header } : {})
    }),
  ]
}
