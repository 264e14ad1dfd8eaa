/**
 * worker-1's kubelet credential  --LIST pods-->  kube-apiserver  --x-->  the Pods of other workers
 */
import { fallen } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'

const REFUSED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: '403-node', code: 'Forbidden' }

const VARIANT: Omit<Variant, 'id' | 'title'> = {
  foothold: fallen('worker-1'),
  goal: { read: 'pod', node: 'worker-2' },
  expect: {
    open: { kind: 'through' },
    encrypted: { kind: 'through' },
    kubeadm: REFUSED,
    hardened: REFUSED,
    'zero-trust': REFUSED,
  },
  twin: { through: { restore: ['apiserver-tls', 'authorization-mode'] }, stopped: { weaken: 'authorization-mode' } },
}

export default scenario({
  title: 'Map the cluster',
  story: `A worker has fallen. With its kubelet's credential the attacker asks what runs elsewhere. Since 1.34 a kubelet may list
only the Pods that are bound to it.`,
  refs: ['KEP-4601 AuthorizeNodeWithSelectors', 'plugin/pkg/auth/authorizer/node/node_authorizer.go'],
  cis: ['1.2.7'],
  attack: ['T1613'],
  variants: [
    { id: 'all', title: 'LIST of every Pod', ...VARIANT },
    { id: 'other-node', title: 'LIST of the Pods of worker-2', ...VARIANT },
  ],
  async attempt(world, variant) {
    const selector = variant === 'other-node' ? `?fieldSelector=spec.nodeName%3D${world.goal.node}` : ''
    return [(await world.api({ path: `/api/v1/pods${selector}` })).body]
  },
})
