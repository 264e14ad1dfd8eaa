/**
 * kube-scheduler's credential  --TLS-->  kube-apiserver  --x-->  Secrets
 */
import { thiefOf } from '../../lib/scenario/footholds.ts'
import { isBound, postClusterAdminBinding } from '../../lib/scenario/store-write.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'

const REFUSED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: '403-rbac', code: 'Forbidden' }

const VARIANT: Omit<Variant, 'id' | 'title' | 'goal'> = {
  foothold: thiefOf('scheduler.conf'),
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
  title: 'What the scheduler can and cannot',
  story: `scheduler.conf was stolen from a control-plane host. Its role has no word about Secrets.`,
  refs: ['ClusterRole system:kube-scheduler', 'plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go'],
  cis: ['1.1.15', '1.2.8'],
  attack: ['T1078', 'T1552.007'],
  tour: ['a'],
  variants: [
    { id: 'a', title: 'LIST of all Secrets', goal: { read: 'secret' }, ...VARIANT },
    {
      id: 'b',
      title: 'create of a ClusterRoleBinding to cluster-admin',
      goal: { write: 'a ClusterRoleBinding to cluster-admin', placed: isBound },
      ...VARIANT,
    },
  ],
  async attempt(world, variant) {
    if (variant === 'b') {
      return postClusterAdminBinding(world)
    }
    return [(await world.api({ path: '/api/v1/secrets' })).body]
  },
})
