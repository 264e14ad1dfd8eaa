/**
 * worker-1's kubelet credential  --TLS-->  kubelet of worker-2  --SubjectAccessReview-->  kube-apiserver
 */
import { secretByKubelet } from '../../lib/attacker/reach-goal.ts'
import { fallen } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

export default scenario({
  title: 'From one worker to the next',
  story: `Every kubelet trusts the CA that signed every other kubelet's certificate. A fallen worker tries to command its neighbour.`,
  refs: [
    'KubeletConfiguration authorization.mode',
    'kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/',
  ],
  cis: ['4.2.2'],
  attack: ['T1609', 'T1021'],
  tour: ['a'],
  variants: [
    {
      id: 'a',
      title: 'POST /run at the other kubelet',
      foothold: fallen('worker-1'),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { kind: 'through' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'stopped', by: 'kubelet', layer: '403-rbac', code: 'Forbidden' },
        hardened: { kind: 'stopped', by: 'kubelet', layer: '403-rbac', code: 'Forbidden' },
        'zero-trust': { kind: 'stopped', by: 'kubelet', layer: '403-rbac', code: 'Forbidden' },
      },
      twin: {
        through: { restore: 'kubelet-anonymous-auth' },
        stopped: { weaken: 'kubelet-authorization-mode' },
      },
    },
  ],
  async attempt(world) {
    return secretByKubelet(world)
  },
})
