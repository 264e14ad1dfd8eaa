/** The Election service: the same recipe, with a value that the leader shows (server/etcdserver/api/v3election). */
import { create } from '@bufbuild/protobuf'
import {
  CampaignResponseSchema,
  Election,
  LeaderResponseSchema,
  ProclaimResponseSchema,
  ResignResponseSchema,
} from '../../../lib/etcd/election_pb.ts'
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { Queue } from '../lock/queue.ts'
import type { Member } from '../member.ts'
import { stream, unary, type Method } from './method.ts'

const MISSING_LEADER = (): GrpcError => new GrpcError('Unknown', '"leader" field must be provided')

export function electionService(member: Member): Method[] {
  return [
    unary(Election.method.campaign, async ({ name, lease, value }, call) => {
      const queue = new Queue(member, call)
      const held = lease || (await queue.ownLease())
      const place = await queue.join(name, held, value)
      const header = await queue.turn(place)
      const leader = { name, key: place.key, rev: place.revision, lease: held }
      return create(CampaignResponseSchema, { header, leader })
    }),
    unary(Election.method.proclaim, async ({ leader, value }, call) => {
      if (!leader) throw MISSING_LEADER()
      const header = await new Queue(member, call).change(leader.key, leader.rev, { value, lease: leader.lease })
      return create(ProclaimResponseSchema, { header })
    }),
    unary(Election.method.leader, async ({ name }, call) => {
      const { kv, header } = await new Queue(member, call).first(name)
      if (!kv) throw new GrpcError('Unknown', 'election: no leader')
      return create(LeaderResponseSchema, { header, kv })
    }),
    stream(Election.method.observe, (call, out) => {
      let stop = (): void => {}
      return {
        message: ({ name }) => {
          stop = new Queue(member, call).observe(
            name,
            (kv) => out.send(create(LeaderResponseSchema, { header: member.header(), kv })),
            (error) => out.end(error),
          )
        },
        halfClosed: () => {},
        gone: () => stop(),
      }
    }),
    unary(Election.method.resign, async ({ leader }, call) => {
      if (!leader) throw MISSING_LEADER()
      const header = await new Queue(member, call).resign(leader.key, leader.rev)
      return create(ResignResponseSchema, { header })
    }),
  ]
}
