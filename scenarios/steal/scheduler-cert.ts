/**
 * kube-scheduler's credential  --TLS-->  kube-apiserver  --x-->  Secrets
 */
import { thiefOf } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

export default scenario({
  title: 'What the scheduler can and cannot',
  story: `scheduler.conf was stolen from a control-plane host. Its role has no word about Secrets.`,
  refs: ['ClusterRole system:kube-scheduler', 'plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go'],
  cis: ['1.1.15', '1.2.8'],
  attack: ['T1078', 'T1552.007'],
  variants: [
    {
      id: 'a',
      title: 'LIST of all Secrets',
      foothold: thiefOf('scheduler.conf'),
      goal: { read: 'secret' },
      expect: {
        open: { kind: 'through' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'stopped', by: 'kube-apiserver', layer: '403-rbac', code: 'Forbidden' },
        hardened: { kind: 'stopped', by: 'kube-apiserver', layer: '403-rbac', code: 'Forbidden' },
        'zero-trust': { kind: 'stopped', by: 'kube-apiserver', layer: '403-rbac', code: 'Forbidden' },
      },
      twin: {
        through: { restore: ['apiserver-tls', 'authorization-mode'] },
        stopped: { weaken: 'authorization-mode' },
      },
    },
  ],
  async attempt(world) {
    return [(await world.api({ path: '/api/v1/secrets' })).body]
  },
})
