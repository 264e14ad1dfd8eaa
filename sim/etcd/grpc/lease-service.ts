/** The Lease service (server/etcdserver/api/v3rpc/lease.go). */
import { create, toBinary } from '@bufbuild/protobuf'
import {
  Lease,
  LeaseGrantRequestSchema,
  LeaseKeepAliveResponseSchema,
  LeaseLeasesResponseSchema,
  LeaseTimeToLiveResponseSchema,
  type LeaseGrantResponse,
  type LeaseRevokeResponse,
} from '../../../lib/etcd/rpc_pb.ts'
import { authorizeLease, authorizeLeaseKeys } from '../apply/authorize.ts'
import { ERRORS } from '../errors.ts'
import { LEASE_COST_BYTES } from '../maintenance/quota.ts'
import type { Member } from '../member.ts'
import { withinRoom } from './kv-service.ts'
import { stream, unary, type Method } from './method.ts'

export function leaseService(member: Member): Method[] {
  const { leases, auth } = member.state
  return [
    unary(Lease.method.leaseGrant, async (request, call) => {
      return withinRoom(member, LEASE_COST_BYTES, async () => {
        const info = await member.requireAnybody(call)
        // Chosen before it is proposed, so that every member takes the same.
        if (request.ID === 0n) request.ID = member.newLeaseId()
        const bytes = toBinary(LeaseGrantRequestSchema, request)
        return (await member.propose('leaseGrant', request, bytes, call, info)) as LeaseGrantResponse
      })
    }),
    unary(Lease.method.leaseRevoke, async (request, call, bytes) => {
      const info = await member.requireAnybody(call)
      return (await member.propose('leaseRevoke', request, bytes, call, info)) as LeaseRevokeResponse
    }),
    unary(Lease.method.leaseTimeToLive, async ({ ID, keys }, call) => {
      const info = await member.requireAnybody(call)
      if (keys) authorizeLeaseKeys(member.state, info, ID)
      const { revision } = auth
      const lease = await member.leases.timeToLive(ID, keys)
      // Whose rights changed meanwhile has to ask again.
      if (keys && auth.enabled && revision !== auth.revision) throw ERRORS.authOldRevision()
      const header = member.header()
      if (!lease) return create(LeaseTimeToLiveResponseSchema, { header, ID, TTL: -1n })
      const { remainingSeconds, grantedSeconds, keys: attached } = lease
      const reply = { header, ID, TTL: remainingSeconds, grantedTTL: grantedSeconds, keys: attached }
      return create(LeaseTimeToLiveResponseSchema, reply)
    }),
    unary(Lease.method.leaseLeases, async (_, call) => {
      const info = await member.authInfo(call)
      if (auth.enabled && !info) throw ERRORS.userEmpty()
      for (const { id } of leases.all()) authorizeLeaseKeys(member.state, info, id)
      const inOrder = member.clock.inOrder().map(({ id }) => ({ ID: id }))
      return create(LeaseLeasesResponseSchema, { header: member.header(), leases: inOrder })
    }),
    stream(Lease.method.leaseKeepAlive, (call, out) => {
      // One after the other, so that answers keep the order of questions.
      let before: Promise<void> = Promise.resolve()
      const renew = async (ID: bigint): Promise<void> => {
        // The head of the state before the renewal; a lease that is not there has a TTL of 0.
        const header = member.header()
        const TTL = await member.leases.renew(ID, async () => {
          if (auth.enabled) authorizeLease(member.state, await member.requireAnybody(call), ID)
        })
        out.send(create(LeaseKeepAliveResponseSchema, { header, ID, TTL: TTL ?? 0n }))
      }
      return {
        message: ({ ID }) => {
          before = before.then(() => renew(ID)).catch((error: unknown) => out.end(error))
        },
        halfClosed: () => void before.then(() => out.end()),
        gone: () => {},
      }
    }),
  ]
}
