/**
 * worker-1's kubelet credential, or a Pod's token  --TLS-->  kubelet of worker-2 (knows the name, asks nobody what it may)
 */
import { secretByKubelet } from '../../lib/attacker/reach-goal.ts'
import { fallen, podOn } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'

const THROUGH: Expectation = { kind: 'through' }
const OPEN_ALREADY = { notApplicable: 'its kubelets are open to strangers: anon-kubelet-exec asks that question' }

const VARIANT: Omit<Variant, 'id' | 'title' | 'foothold'> = {
  goal: { read: 'secret', node: 'worker-2' },
  premise: ['kubelet-authorization-mode'],
  expect: {
    open: OPEN_ALREADY,
    encrypted: OPEN_ALREADY,
    kubeadm: THROUGH,
    hardened: THROUGH,
    'zero-trust': THROUGH,
  },
  twin: { through: { restore: 'kubelet-authorization-mode' } },
}

export default scenario({
  title: 'Half a kubelet lock',
  story: `A kubelet that turns strangers away, and allows everything to everybody else: the mode that it has by itself where nobody
sets another. Any name that the cluster knows is then enough to run a command in any of its Pods.`,
  refs: [
    'KubeletConfiguration authorization.mode',
    'kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/',
    'kube-hunter KHV039, KHV040',
  ],
  cis: ['4.2.2'],
  attack: ['T1609'],
  variants: [
    { id: 'a', title: `with another kubelet's certificate`, foothold: fallen('worker-1'), ...VARIANT },
    { id: 'b', title: `with the token of a Pod that has no rights`, foothold: podOn('worker-2'), ...VARIANT },
  ],
  async attempt(world) {
    return secretByKubelet(world)
  },
})
