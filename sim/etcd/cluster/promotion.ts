/** A learner becomes a voter: only the leader knows whether it has caught up (server/etcdserver/server.go, PromoteMember). */
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'
import type { Door } from '../consensus/door.ts'
import type { LeaderLink } from '../consensus/leader-link.ts'
import { ERRORS } from '../errors.ts'
import type { PeerAnswer } from '../peer/peer-connection.ts'
import { membersOf } from './member-json.ts'
import type { ClusterMember, Members } from './members.ts'

export const PROMOTE_PATH = '/members/promote/'

export interface Promotion {
  door: Door
  members: Members
  leader: Pick<LeaderLink, 'ask'>
  leads: () => boolean
  strict: boolean
}

/** The members thereafter. `token` speaks for the caller where the leader asks who it is. @throws GrpcError */
export async function promote(
  { door, members, leader, leads, strict }: Promotion,
  id: bigint,
  token: string | undefined,
): Promise<ClusterMember[]> {
  if (leads()) {
    if (!members.get(id)) throw ERRORS.memberNotFound()
    // Whether it is a learner at all is found out when the change is applied.
    if (members.get(id)?.isLearner && !door.isLearnerReady(id)) throw ERRORS.learnerNotReady()
    if (strict && !members.isReadyToPromote()) throw ERRORS.notEnoughStarted()
    await door.configure({ kind: 'promote', id })
    return members.all()
  }
  const headers = token === undefined ? {} : { Authorization: token }
  const said = await leader.ask({ path: `${PROMOTE_PATH}${id}`, headers }, readReply)
  if (said instanceof GrpcError) throw said
  return said
}

/** Undefined for what another try may bring. */
function readReply({ status, body }: PeerAnswer): GrpcError | ClusterMember[] | undefined {
  if (status === 200) return membersOf(body.toString('utf8'))
  if (status === 404) return ERRORS.memberNotFound()
  if (status !== 412) return undefined
  // The one text begins with the other.
  return [ERRORS.learnerNotReady(), ERRORS.memberNotLearner()].find(({ message }) =>
    body.includes(message.replace('etcdserver: ', '')),
  )
}
