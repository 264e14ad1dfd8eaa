/** The cluster of a member that is the only one, as its flags would say: nobody is dialled. */
import { GO_DEFAULT_POLICY } from '../../../lib/tls/policy.ts'
import type { MemberCluster } from '../../../sim/etcd/member.ts'
import { clusterIdOf, memberIdOf } from '../../../sim/etcd/cluster/members.ts'

export function loneCluster(name: string, peerUrls: readonly string[], clusterToken: string): MemberCluster {
  const memberId = memberIdOf(peerUrls, clusterToken)
  return {
    bootstrap: {
      memberId,
      clusterId: clusterIdOf([memberId]),
      first: [{ id: memberId, name, peerUrls: [...peerUrls], clientUrls: [], isLearner: false }],
      peers: [],
    },
    dialing: { place: { host: '' }, tls: { certFile: '', keyFile: '', policy: GO_DEFAULT_POLICY } },
    version: '3.6.16',
    preVote: true,
    catchUpEntries: 5000,
    onRemoved: () => {},
  }
}
