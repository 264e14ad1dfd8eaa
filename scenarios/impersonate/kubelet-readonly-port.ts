/**
 * stranger  --plain HTTP, 10255-->  kubelet of worker-2  -->  the Pods it runs
 */
import { STRANGER } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const CLOSED: Expectation = { kind: 'stopped', by: 'worker-2', layer: 'tcp', code: 'ECONNREFUSED' }

export default scenario({
  title: 'Read-only is still disclosure',
  story: `Port 10255 asks nobody for a name. Whoever reaches it reads every Pod of the node, annotations and environment with it.`,
  refs: ['KubeletConfiguration readOnlyPort', 'kube-hunter KHV037, KHV038, KHV052', 'CVE-2025-0426'],
  cis: ['4.2.4'],
  attack: ['T1613', 'T1552.007'],
  variants: [
    {
      id: 'a',
      title: 'GET /pods',
      foothold: STRANGER,
      goal: { read: 'pod', node: 'worker-2' },
      expect: {
        open: { kind: 'through' },
        encrypted: CLOSED,
        kubeadm: CLOSED,
        hardened: CLOSED,
        'zero-trust': CLOSED,
      },
      twin: { through: { restore: 'kubelet-read-only-port' }, stopped: { weaken: 'kubelet-read-only-port' } },
    },
  ],
  async attempt(world) {
    return [(await world.request(`http://${world.network.hosts[world.goal.node]}:10255`, { path: '/pods' })).body]
  },
})
