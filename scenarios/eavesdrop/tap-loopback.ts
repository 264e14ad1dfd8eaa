/**
 * kube-scheduler  ===lo===>  kube-apiserver, on one machine
 *                   |
 *           uid 64002 of that machine
 */
import { tapWithKeys } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const NEIGHBOUR_UID = 64002
const REFUSED: Expectation = { kind: 'stopped', by: 'operating system', layer: 'os', code: 'EPERM' }

export default scenario({
  title: 'Sniff localhost',
  story: `What stays on one machine is heard by whoever may open a packet socket there, and an unprivileged user may not. The kernel's word is
its own here: the attacker's process, under a user of its own, is asked what it may do. Whoever is root hears what this link carries,
as does a Pod with hostNetwork and NET_RAW.`,
  refs: ['packet(7), capabilities(7): CAP_NET_RAW', 'Pod Security Standards: hostNetwork, NET_RAW'],
  cis: ['5.2.5', '5.2.8'],
  attack: ['T1040'],
  variants: [
    {
      id: 'a',
      title: 'an unprivileged user of the control plane',
      foothold: {
        name: 'neighbour',
        stands: { on: 'machine', host: 'control-plane-1', uid: NEIGHBOUR_UID },
        holds: {},
      },
      goal: { read: 'pod', node: 'worker-2' },
      expect: { open: REFUSED, encrypted: REFUSED, kubeadm: REFUSED, hardened: REFUSED, 'zero-trust': REFUSED },
      twin: { stopped: { foothold: tapWithKeys({ from: 'control-plane-1', to: 'control-plane-1' }) } },
    },
  ],
  async attempt(world) {
    if (!(await world.sniff())) return []
    await world.meanwhile()
    return world.capture()
  },
})
