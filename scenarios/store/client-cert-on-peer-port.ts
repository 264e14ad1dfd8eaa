/**
 * kube-apiserver's etcd client certificate  --TLS-->  etcd's peer port  --x-->  every write of the cluster
 */
import { ETCD_THIEF } from '../../lib/scenario/etcd-thief.ts'
import { thiefOfPair } from '../../lib/scenario/footholds.ts'
import { FORCE_AN_ELECTION, forceAnElection, nameARole, READ_A_NAME, readAName } from '../../lib/scenario/peer-goals.ts'
import { scenario, type Expectation, type Foothold, type Variant } from '../../lib/scenario/scenario.ts'

/** A member's own certificate names its addresses. */
const AWAY: Foothold = { ...thiefOfPair('etcd/peer'), name: `etcd-1's pair on another host` }
const AT_HOME: Foothold = { ...AWAY, name: 'etcd-1 itself', stands: { on: 'host', host: 'etcd-1' } }

const NO_TLS = { notApplicable: 'members speak plain HTTP and ask nobody for a certificate' }
const UNKNOWN: Expectation = { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'unknown_ca' }
const CLOSED: Expectation = { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'close_notify' }

const AS_A_CLIENT: Omit<Variant, 'id' | 'title' | 'goal'> = {
  foothold: ETCD_THIEF,
  etcdMembers: 3,
  expect: {
    open: NO_TLS,
    encrypted: { kind: 'through' },
    kubeadm: { kind: 'through' },
    hardened: { kind: 'through' },
    'zero-trust': UNKNOWN,
  },
  twin: {
    otherwise: { through: { restore: 'dedicated-etcd-peer-ca' } },
    // Three walls there: the CA, the name, and an address that the client's certificate would have to name.
    'zero-trust': { stopped: { foothold: AT_HOME } },
  },
}

export default scenario({
  title: 'A client becomes a peer',
  story: `kubeadm signs etcd's clients and its members with one CA. A client's certificate names no address, so the peer port lets it in
from anywhere; there it speaks in any member's name, and hears what the leader tells the others. The list of members stays as it was.`,
  refs: [
    'etcd --peer-trusted-ca-file, --peer-cert-allowed-cn, --peer-cert-allowed-hostname',
    'etcd server/etcdserver/api/rafthttp/http.go, client/pkg/transport/listener_tls.go (checkCertSAN)',
  ],
  cis: ['2.7'],
  attack: ['T1557', 'T1565.002'],
  variants: [
    { id: 'stream', title: `another member's stream: the names of what is written`, goal: READ_A_NAME, ...AS_A_CLIENT },
    {
      id: 'forge',
      title: `a message in another member's name: the leader steps down`,
      goal: FORCE_AN_ELECTION,
      ...AS_A_CLIENT,
    },
    {
      id: 'elsewhere',
      title: `a member's own certificate, from a host that it does not name`,
      foothold: AWAY,
      goal: READ_A_NAME,
      etcdMembers: 3,
      expect: { open: NO_TLS, encrypted: CLOSED, kubeadm: CLOSED, hardened: CLOSED, 'zero-trust': CLOSED },
      twin: { stopped: { foothold: AT_HOME } },
    },
  ],
  meanwhile: nameARole,
  async attempt(world, variant) {
    return variant === 'forge' ? forceAnElection(world) : readAName(world)
  },
})
