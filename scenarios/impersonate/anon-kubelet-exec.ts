/**
 * stranger  --no credential-->  kubelet of worker-2  --x-->  a container's file
 */
import { secretByKubelet } from '../../lib/attacker/reach-goal.ts'
import { STRANGER } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'

const REFUSED: Expectation = { kind: 'stopped', by: 'kubelet', layer: '401', code: 'Unauthorized' }

const VARIANT: Omit<Variant, 'id' | 'title'> = {
  foothold: STRANGER,
  goal: { read: 'secret', node: 'worker-2' },
  expect: {
    open: { kind: 'through' },
    encrypted: { kind: 'through' },
    kubeadm: REFUSED,
    hardened: REFUSED,
    'zero-trust': REFUSED,
  },
  twin: {
    through: { restore: 'kubelet-anonymous-auth' },
    stopped: { weaken: ['kubelet-anonymous-auth', 'kubelet-authorization-mode'] },
  },
  unmoved: ['kubelet-authorization-mode'],
}

export default scenario({
  title: 'Straight to the container',
  story: `A kubelet answers whoever reaches port 10250. A stranger asks it, without any credential, for what runs in a Pod.`,
  refs: [
    'KubeletConfiguration authentication.anonymous.enabled, authorization.mode',
    'kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/',
    'TeamTNT Hildegard: kubelets found open and used',
  ],
  cis: ['4.2.1', '4.2.2', '4.2.3'],
  attack: ['T1609', 'T1613'],
  tour: ['a'],
  variants: [
    { id: 'a', title: 'POST /run with a command', ...VARIANT },
    { id: 'b', title: 'GET /exec over a WebSocket', ...VARIANT },
    { id: 'c', title: 'GET /pods', ...VARIANT, goal: { read: 'pod', node: 'worker-2' } },
  ],
  async attempt(world, variant) {
    const { namespace, pod, node } = world.goal
    const kubelet = `https://${world.network.hosts[node]}:10250`
    if (variant === 'b') {
      const { stdout } = await world.exec(kubelet, {
        path: `/exec/${namespace}/${pod}/main?command=cat&command=/etc/canary/value&output=1&error=1`,
      })
      return [stdout]
    }
    if (variant === 'c') return [(await world.request(kubelet, { path: '/pods' })).body]
    return secretByKubelet(world)
  },
})
