/**
 * stranger  --no certificate-->  etcd's peer port  --x-->  every write of the cluster
 */
import { STRANGER } from '../../lib/scenario/footholds.ts'
import { FORCE_AN_ELECTION, forceAnElection, nameARole, READ_A_NAME, readAName } from '../../lib/scenario/peer-goals.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'

const REFUSED: Expectation = { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'certificate_required' }
/** TLS 1.2 has no alert of that name. */
const REFUSED_AT_1_2: Expectation = { ...REFUSED, code: 'handshake_failure' }

const VARIANT: Omit<Variant, 'id' | 'title' | 'goal'> = {
  foothold: STRANGER,
  etcdMembers: 3,
  expect: {
    open: { kind: 'through' },
    encrypted: REFUSED_AT_1_2,
    kubeadm: REFUSED,
    hardened: REFUSED,
    'zero-trust': REFUSED,
  },
  twin: {
    through: { restore: 'etcd-peer-tls' },
    stopped: { weaken: 'etcd-peer-tls' },
  },
  unmoved: ['etcd-peer-client-cert-auth'],
}

export default scenario({
  title: 'Join the quorum uninvited',
  story: `The peer port answers whoever gets there: it names the cluster's id and members, hands out any member's stream, and believes
messages of Raft by the name that stands in their head. The cluster's id is an identifier, not a secret.`,
  refs: [
    'etcd --peer-client-cert-auth, --peer-trusted-ca-file (either alone demands a certificate)',
    'etcd server/etcdserver/api/rafthttp/http.go, server/etcdserver/api/etcdhttp/peer.go',
  ],
  cis: ['2.4', '2.5', '2.6'],
  attack: ['T1133', 'T1490'],
  variants: [
    { id: 'stream', title: `a member's stream: the names of what is written`, goal: READ_A_NAME, ...VARIANT },
    { id: 'forge', title: `a message in a member's name: the leader steps down`, goal: FORCE_AN_ELECTION, ...VARIANT },
  ],
  meanwhile: nameARole,
  async attempt(world, variant) {
    return variant === 'forge' ? forceAnElection(world) : readAName(world)
  },
})
