/**
 * worker-2's kubelet credential  --TLS-->  kube-apiserver  -->  a Secret that a Pod of worker-2 uses
 */
import { secretByApi } from '../../lib/attacker/reach-goal.ts'
import { fallen, STRANGER } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

export default scenario({
  title: 'What a node may take by right',
  story: `A worker has fallen. The Secrets of the Pods that run on it are its own: the Node authorizer bounds a kubelet to its
Pods, and can bound it no further. Where Pods are placed is therefore a decision about their Secrets.`,
  refs: ['kubernetes.io/docs/reference/access-authn-authz/node/', 'plugin/pkg/auth/authorizer/node/graph.go'],
  cis: ['1.2.7'],
  attack: ['T1552.007'],
  variants: [
    {
      id: 'a',
      title: 'GET by name',
      foothold: fallen('worker-2'),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { notApplicable: 'everybody may read everything: what a node may is no question there' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: {
        otherwise: { through: { foothold: fallen('worker-1') } },
        encrypted: { through: { foothold: STRANGER } },
      },
    },
  ],
  async attempt(world) {
    return secretByApi(world)
  },
})
