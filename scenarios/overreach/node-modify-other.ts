/**
 * worker-1's kubelet credential  --PATCH nodes/worker-2/status-->  kube-apiserver (authorised, then not admitted)
 */
import { fallen } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Twin } from '../../lib/scenario/scenario.ts'

interface NodeStatus {
  status?: { conditions?: { message?: string }[] }
}

interface Lease {
  spec?: { holderIdentity?: string }
}

const LEASE = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/worker-2'

const expect = (layer: 'admission' | '403-node'): Readonly<Record<string, Expectation>> => {
  const refused: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer, code: 'Forbidden' }
  return {
    open: { kind: 'through' },
    encrypted: { kind: 'through' },
    kubeadm: refused,
    hardened: refused,
    'zero-trust': refused,
  }
}
const TWIN: Twin = {
  through: { restore: ['apiserver-tls', 'node-restriction'] },
  stopped: { weaken: 'node-restriction' },
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
  tour: ['a'],
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
      expect: expect('admission'),
      twin: TWIN,
    },
    {
      id: 'b',
      title: 'DELETE of a Pod on worker-2',
      foothold: fallen('worker-1'),
      goal: { erase: 'pod', node: 'worker-2' },
      expect: expect('admission'),
      twin: TWIN,
    },
    {
      id: 'c',
      title: 'PATCH of the Lease of worker-2',
      foothold: fallen('worker-1'),
      goal: {
        write: `the holder of worker-2's Lease`,
        placed: async (operator, _staged, mark) => ((await operator.get(LEASE)) as Lease).spec?.holderIdentity === mark,
      },
      expect: expect('403-node'),
      twin: {
        through: { restore: ['apiserver-tls', 'authorization-mode'] },
        // Either would do by itself: admission looks at Leases too.
        stopped: { weaken: ['authorization-mode', 'node-restriction'] },
      },
    },
  ],
  async attempt(world, variant) {
    if (variant === 'b') {
      const { namespace, pod } = world.goal
      return [(await world.api({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}/pods/${pod}` })).body]
    }
    if (variant === 'c') {
      const reply = await world.api({
        method: 'PATCH',
        path: LEASE,
        headers: { 'Content-Type': 'application/merge-patch+json' },
        body: { spec: { holderIdentity: world.mark } },
      })
      return [reply.body]
    }
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
