/**
 * worker-1's kubelet credential  --PATCH nodes/worker-2/status-->  kube-apiserver (authorised, then not admitted)
 */
import { fallen } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

interface NodeStatus {
  status?: { conditions?: { message?: string }[] }
}

export default scenario({
  title: `Touch another node's objects`,
  story: `A worker has fallen. With its kubelet's credential the attacker writes into another worker's status, as it would to have it declared dead and emptied.`,
  refs: [
    'kube-apiserver --enable-admission-plugins=NodeRestriction',
    'plugin/pkg/admission/noderestriction/admission.go',
  ],
  cis: ['1.2.14'],
  attack: ['T1489'],
  variants: [
    {
      id: 'a',
      title: 'PATCH of the status of worker-2',
      foothold: fallen('worker-1'),
      goal: {
        write: `a condition in worker-2's status`,
        placed: async (operator, _staged, mark) => {
          const node = (await operator.get('/api/v1/nodes/worker-2')) as NodeStatus
          return (node.status?.conditions ?? []).some(({ message }) => message === mark)
        },
      },
      expect: {
        open: { kind: 'through' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'stopped', by: 'kube-apiserver', layer: 'admission', code: 'Forbidden' },
        hardened: { kind: 'stopped', by: 'kube-apiserver', layer: 'admission', code: 'Forbidden' },
        'zero-trust': { kind: 'stopped', by: 'kube-apiserver', layer: 'admission', code: 'Forbidden' },
      },
      twin: {
        through: { restore: ['apiserver-tls', 'node-restriction'] },
        stopped: { weaken: 'node-restriction' },
      },
    },
  ],
  async attempt(world) {
    const condition = { type: 'RangeMark', status: 'False', reason: 'Mark', message: world.mark }
    const reply = await world.api({
      method: 'PATCH',
      path: '/api/v1/nodes/worker-2/status',
      headers: { 'Content-Type': 'application/strategic-merge-patch+json' },
      body: { status: { conditions: [condition] } },
    })
    return [reply.body]
  },
})
