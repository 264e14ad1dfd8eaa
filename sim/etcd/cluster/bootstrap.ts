/** Who a member is and who the others are, before it has a log that says so (server/etcdserver/bootstrap.go). */
import type { PeerDialing } from '../peer/peer-connection.ts'
import { clusterIdOf, memberIdOf, type ClusterMember } from './members.ts'
import { remoteCluster } from './remote-cluster.ts'

export interface Bootstrap {
  memberId: bigint
  clusterId: bigint
  /** Members of a new cluster, which its log begins with; nobody, for a member that joins one. */
  first: readonly ClusterMember[]
  /** Where others are, as far as that is known. */
  peers: readonly ClusterMember[]
}

export interface BootstrapSettings {
  name: string
  clusterToken: string
  /** `--initial-cluster`: peer URLs by name. */
  initialCluster: ReadonlyMap<string, readonly string[]>
  /** `--initial-cluster-state` */
  clusterState: 'new' | 'existing'
  dialing: PeerDialing
}

/** @throws Error with etcd's text, for `discovery failed`. */
export async function bootstrapOf(settings: BootstrapSettings, hasLog: boolean): Promise<Bootstrap> {
  const { name, clusterState } = settings
  const listed = listedMembers(settings)
  const own = listed.find((member) => member.name === name)
  if (!own) throw new Error(`couldn't find local name ${JSON.stringify(name)} in the initial cluster configuration`)
  const others = listed.filter((member) => member !== own)
  const remote = hasLog
    ? undefined
    : await remoteCluster(
        others.flatMap(({ peerUrls }) => peerUrls),
        settings.dialing,
      )
  if (clusterState === 'existing' && !hasLog) return joining(listed, own, remote)
  if (remote?.members.some(({ id, clientUrls }) => id === own.id && clientUrls.length > 0)) {
    throw new Error(`member ${own.id.toString(16)} has already been bootstrapped`)
  }
  const clusterId = clusterIdOf(listed.map(({ id }) => id))
  return { memberId: own.id, clusterId, first: clusterState === 'new' ? listed : [], peers: others }
}

/** By id, as the log of every member begins. */
function listedMembers({ initialCluster, clusterToken }: BootstrapSettings): ClusterMember[] {
  return [...initialCluster]
    .map(([name, peerUrls]) => ({
      id: memberIdOf(peerUrls, clusterToken),
      name,
      peerUrls: [...peerUrls].sort(),
      clientUrls: [],
      isLearner: false,
    }))
    .sort((one, other) => (one.id < other.id ? -1 : 1))
}

/** The cluster's own ids count, not those that the flags would give. */
function joining(
  listed: readonly ClusterMember[],
  own: ClusterMember,
  remote: Awaited<ReturnType<typeof remoteCluster>>,
): Bootstrap {
  if (!remote) {
    const why = 'could not retrieve cluster information from the given URLs'
    throw new Error(`cannot fetch cluster info from peer urls: ${why}`)
  }
  const { members, clusterId } = remote
  const fault = (why: string): Error =>
    new Error(`error validating peerURLs ${JSON.stringify(listed.map(({ peerUrls }) => peerUrls))}: ${why}`)
  if (members.length !== listed.length) throw fault('member count is unequal')
  const key = ({ peerUrls }: ClusterMember): string => [...peerUrls].sort().join()
  const known = new Set(listed.map(key))
  const stranger = members.find((member) => !known.has(key(member)))
  if (stranger) throw fault(`unmatched member while checking PeerURLs (${key(stranger)})`)
  const self = members.find((member) => key(member) === key(own))!
  return { memberId: self.id, clusterId, first: [], peers: members.filter((member) => member !== self) }
}
