/**
 * worker-2's kubelet  --TLS-->  X  kube-apiserver
 * etcd-1  --TLS-->  X  etcd-2, etcd-3
 */
import type { LinkName } from '../../lib/attacker/foothold.ts'
import { onPathWith } from '../../lib/scenario/footholds.ts'
import { NO_QUORUM } from '../../lib/scenario/peer-goals.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'
import { emptySecret, staleView } from '../../lib/scenario/stale-kubelet.ts'
import { FROZEN } from '../../lib/wire/fault.ts'

const KUBELET: LinkName = { from: 'worker-2', to: 'control-plane-1' }
const PEERS: LinkName = { port: 2380 }
const PEERS_OF_ONE: LinkName = { to: 'etcd-1', port: 2380 }

const [ON, ONCE] = ['for as long as it takes', 'for a moment']

const THROUGH: Expectation = { kind: 'through' }
const EVERYWHERE = { open: THROUGH, encrypted: THROUGH, kubeadm: THROUGH, hardened: THROUGH, 'zero-trust': THROUGH }

export default scenario({
  title: 'Drop packets politely',
  story: `Somebody on the path lets every byte lie. He reads nothing and forges nothing, and no certificate is asked about it: a kubelet that
hears nothing goes on with what it knew, and members of etcd that do not hear of each other take no more writes. Against that there is no
cipher, but redundancy: with the way to one member alone he stops nobody, as the others elect one of themselves.`,
  refs: ['kubernetes.io/docs/concepts/architecture/nodes/ (heartbeats)', 'etcd.io/docs/v3.6/op-guide/failures/'],
  attack: ['T1499', 'T1565.002'],
  variants: [
    {
      id: 'kubelet',
      title: `a kubelet's way to the API: a view that grows stale`,
      foothold: onPathWith('nothing but the path', KUBELET, {}),
      goal: staleView('worker-2'),
      target: ON,
      expect: EVERYWHERE,
      twin: { through: { target: ONCE } },
    },
    {
      id: 'quorum',
      title: `the ways between etcd's members: nobody stores anything`,
      foothold: onPathWith('nothing but the path', PEERS, {}),
      goal: NO_QUORUM,
      target: ON,
      etcdMembers: 3,
      expect: EVERYWHERE,
      twin: { through: { foothold: onPathWith('the path to one member', PEERS_OF_ONE, {}) } },
    },
  ],
  async prepare(operator, goal) {
    if (goal.variant === 'kubelet') await emptySecret(operator, goal)
  },
  async attempt(world) {
    await world.disturb(FROZEN)
    if (world.target === ONCE) await world.disturb([])
    return []
  },
})
