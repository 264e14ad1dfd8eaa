/**
 * kube-controller-manager's credential  --TLS-->  kube-apiserver  -->  every Secret
 */
import { STRANGER, thiefOf } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

export default scenario({
  title: 'The controller-manager is cluster-admin in disguise',
  story: `controller-manager.conf was stolen. Its role may list and watch everything there is, so no wall stands here: mutual TLS
proves who holds the key, not that the right one does.`,
  refs: ['ClusterRole system:kube-controller-manager', 'plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go'],
  cis: ['1.1.17', '1.3.3'],
  attack: ['T1528', 'T1552.007'],
  variants: [
    {
      id: 'a',
      title: 'LIST of all Secrets',
      foothold: thiefOf('controller-manager.conf'),
      goal: { read: 'secret' },
      expect: {
        open: { notApplicable: 'its kubeconfig holds no credential to steal' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: {
        otherwise: { through: { foothold: thiefOf('scheduler.conf') }, stopped: { weaken: 'authorization-mode' } },
        // There every credential opens everything.
        encrypted: { through: { foothold: STRANGER } },
      },
    },
  ],
  async attempt(world) {
    return [(await world.api({ path: '/api/v1/secrets' })).body]
  },
})
