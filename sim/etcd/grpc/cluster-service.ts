/** The Cluster service (server/etcdserver/api/v3rpc/member.go, server/etcdserver/server.go). */
import { create } from '@bufbuild/protobuf'
import {
  Cluster,
  MemberAddResponseSchema,
  MemberListResponseSchema,
  MemberPromoteResponseSchema,
  MemberRemoveResponseSchema,
  MemberUpdateResponseSchema,
  type ResponseHeader,
} from '../../../lib/etcd/rpc_pb.ts'
import { memberIdOf, type ClusterMember } from '../cluster/members.ts'
import { normalPeerUrls } from '../cluster/peer-urls.ts'
import { ERRORS } from '../errors.ts'
import type { Member } from '../member.ts'
import { unary, type Method } from './method.ts'

export function clusterService(member: Member): Method[] {
  const { members } = member.state
  const { door, settings } = member
  /** These say nothing of the key space. */
  const header = (): ResponseHeader => member.header(0n)
  const listed = () => members.all().map(listedOf)
  return [
    unary(Cluster.method.memberList, async ({ linearizable }, call) => {
      if (linearizable) await door.linearizable()
      await member.requireAnybody(call)
      return create(MemberListResponseSchema, { header: header(), members: listed() })
    }),
    unary(Cluster.method.memberAdd, async ({ peerURLs, isLearner }, call) => {
      const peerUrls = normalPeerUrls(peerURLs)
      await member.requireAdmin(call)
      const id = memberIdOf(peerUrls, '', Math.floor(Date.now() / 1000))
      const change = { kind: 'add', id, peerUrls, isLearner } as const
      if (settings.strictReconfigCheck) {
        if (!isLearner && !members.isReadyToAdd()) throw ERRORS.notEnoughStarted()
        door.requireHealthy(change)
      }
      await door.configure(change)
      const added = { ID: id, peerURLs: [...peerUrls], isLearner }
      return create(MemberAddResponseSchema, { header: header(), member: added, members: listed() })
    }),
    unary(Cluster.method.memberRemove, async ({ ID }, call) => {
      await member.requireAdmin(call)
      const change = { kind: 'remove', id: ID } as const
      if (settings.strictReconfigCheck && !members.get(ID)?.isLearner) {
        if (!members.isReadyToRemove(ID)) throw ERRORS.notEnoughStarted()
        door.requireHealthy(change)
      }
      await door.configure(change)
      return create(MemberRemoveResponseSchema, { header: header(), members: listed() })
    }),
    unary(Cluster.method.memberUpdate, async ({ ID, peerURLs }, call) => {
      await member.requireAdmin(call)
      await door.configure({ kind: 'update', id: ID, peerUrls: peerURLs })
      return create(MemberUpdateResponseSchema, { header: header(), members: listed() })
    }),
    unary(Cluster.method.memberPromote, async ({ ID }, call) => {
      const promoted = await member.promote(ID, call)
      return create(MemberPromoteResponseSchema, { header: header(), members: promoted.map(listedOf) })
    }),
  ]
}

function listedOf({ id, name, peerUrls, clientUrls, isLearner }: ClusterMember) {
  return { ID: id, name, peerURLs: [...peerUrls], clientURLs: [...clientUrls], isLearner }
}
