/**
 * worker-1's kubelet credential  --TLS-->  kube-apiserver  --x-->  a Secret that only worker-2's Pods use
 */
import { secretPath } from '../../lib/attacker/reach-goal.ts'
import { fallen } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'

const REFUSED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: '403-node', code: 'Forbidden' }

const VARIANT: Omit<Variant, 'id' | 'title' | 'twin'> = {
  foothold: fallen('worker-1'),
  goal: { read: 'secret', node: 'worker-2' },
  expect: {
    open: { kind: 'through' },
    encrypted: { kind: 'through' },
    kubeadm: REFUSED,
    hardened: REFUSED,
    'zero-trust': REFUSED,
  },
}
const THROUGH = { restore: ['apiserver-tls', 'authorization-mode'] } as const

export default scenario({
  title: 'Reach across',
  story: `A worker has fallen. With its kubelet's credential the attacker asks for a Secret of another worker's Pod.`,
  refs: [
    'kube-apiserver --authorization-mode=Node',
    'kubernetes.io/docs/reference/access-authn-authz/node/',
    'plugin/pkg/auth/authorizer/node/node_authorizer.go',
  ],
  cis: ['1.2.7'],
  attack: ['T1552.007'],
  tour: ['a'],
  variants: [
    {
      id: 'a',
      title: 'GET by name',
      ...VARIANT,
      twin: { through: THROUGH, stopped: { foothold: fallen('worker-2') } },
    },
    {
      id: 'b',
      title: 'LIST of the namespace',
      ...VARIANT,
      twin: { through: THROUGH, stopped: { weaken: 'authorization-mode' } },
    },
    {
      id: 'c',
      title: 'LIST of the cluster',
      ...VARIANT,
      twin: { through: THROUGH, stopped: { weaken: 'authorization-mode' } },
    },
  ],
  async attempt(world, variant) {
    const { namespace } = world.goal
    const path = {
      a: secretPath(world.goal),
      b: `/api/v1/namespaces/${namespace}/secrets`,
      c: '/api/v1/secrets',
    }[variant]
    return [(await world.api({ path: path ?? '' })).body]
  },
})
