/**
 * stranger  --no credential-->  kube-apiserver  --x-->  Secret
 */
import { secretByApi } from '../../lib/attacker/reach-goal.ts'
import { STRANGER, thiefOf } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const REFUSED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: '401', code: 'Unauthorized' }

export default scenario({
  title: 'Ask nicely',
  story: 'Somebody on the network asks the API for a Secret, with no credential at all.',
  refs: [
    'kube-apiserver --anonymous-auth, --authorization-mode',
    'kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests',
    'Tesla/RedLock 2018, RBAC Buster, Dero: open API servers found and used',
  ],
  cis: ['1.2.1', '1.2.6', '1.2.7', '1.2.8'],
  attack: ['T1133', 'T1190', 'T1613'],
  tour: ['a'],
  variants: [
    {
      id: 'a',
      title: 'GET of a Secret by name',
      foothold: STRANGER,
      goal: { read: 'secret' },
      expect: {
        open: { kind: 'through' },
        // kube-apiserver turns --anonymous-auth off by itself where everything is allowed (recorded).
        encrypted: REFUSED,
        kubeadm: { kind: 'stopped', by: 'kube-apiserver', layer: '403-rbac', code: 'Forbidden' },
        hardened: REFUSED,
        'zero-trust': REFUSED,
      },
      twin: {
        through: { restore: ['apiserver-tls', 'authorization-mode'] },
        stopped: { foothold: thiefOf('super-admin.conf') },
      },
    },
  ],
  async attempt(world) {
    return secretByApi(world)
  },
})
