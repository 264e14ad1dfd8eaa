/** What the members of a running cluster say who they are: GET /members on their peer ports (server/etcdserver/cluster_util.go). */
import { log } from '../log.ts'
import { idOf, one } from '../peer/identity.ts'
import { exchange, PeerConnections, type PeerDialing } from '../peer/peer-connection.ts'
import { membersOf } from './member-json.ts'
import type { ClusterMember } from './members.ts'

export interface RemoteCluster {
  clusterId: bigint
  members: ClusterMember[]
}

/** No member is waited for longer than that. */
const TIMEOUT_MS = 2000

/** The first answer, in the order of the URLs; undefined where nobody gives one. */
export async function remoteCluster(urls: readonly string[], dialing: PeerDialing): Promise<RemoteCluster | undefined> {
  const agent = new PeerConnections(dialing, { keepAlive: false })
  for (const url of urls) {
    try {
      const { status, headers, body } = await exchange(
        agent,
        { method: 'GET', url, path: '/members' },
        undefined,
        TIMEOUT_MS,
      )
      const clusterId = idOf(one(headers, 'x-etcd-cluster-id'))
      if (status !== 200 || clusterId === undefined) throw new Error(`unexpected http status ${status}`)
      return { clusterId, members: membersOf(body.toString('utf8')) }
    } catch (error) {
      log('warn', 'failed to get cluster response', { address: `${url}/members`, error: (error as Error).message })
    }
  }
  return undefined
}
