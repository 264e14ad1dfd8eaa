/**
 * kube-apiserver's own client certificate  --TLS-->  every kubelet; or back to kube-apiserver
 */
import { secretByApi, secretByKubelet } from '../../lib/attacker/reach-goal.ts'
import { STRANGER, thiefOfPair } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const THIEF = thiefOfPair('apiserver-kubelet-client')

const THROUGH: Expectation = { kind: 'through' }
const REFUSED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: '403-rbac', code: 'Forbidden' }
const OPEN_ALREADY = { notApplicable: 'its kubelets are open to strangers: nobody needs this key' }

export default scenario({
  title: 'The master key to all kubelets',
  story: `The certificate by which kube-apiserver shows kubelets who it is was stolen. Every kubelet runs what its bearer says, and
no audit log of the API ever hears of it. At the API itself the same certificate is worth little since kubeadm 1.36.`,
  refs: [
    'kube-apiserver --kubelet-client-certificate',
    'kubernetes.io/docs/concepts/security/api-server-bypass-risks/',
    'ClusterRole system:kubelet-api-admin',
  ],
  cis: ['1.1.21', '1.2.4'],
  attack: ['T1609', 'T1552.004'],
  variants: [
    {
      id: 'a',
      title: 'POST /run at a kubelet',
      foothold: THIEF,
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: OPEN_ALREADY,
        encrypted: OPEN_ALREADY,
        kubeadm: THROUGH,
        hardened: THROUGH,
        'zero-trust': THROUGH,
      },
      twin: { through: { foothold: STRANGER } },
    },
    {
      id: 'b',
      title: 'GET of a Secret at the API',
      foothold: THIEF,
      goal: { read: 'secret' },
      expect: {
        open: OPEN_ALREADY,
        encrypted: OPEN_ALREADY,
        kubeadm: REFUSED,
        hardened: REFUSED,
        'zero-trust': REFUSED,
      },
      twin: { stopped: { weaken: 'authorization-mode' } },
    },
  ],
  async attempt(world, variant) {
    if (variant === 'b') return secretByApi(world)
    return secretByKubelet(world)
  },
})
