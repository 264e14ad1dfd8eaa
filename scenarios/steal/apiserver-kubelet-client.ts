/**
 * kube-apiserver's own client certificate  --TLS-->  every kubelet; or back to kube-apiserver
 */
import type { Foothold } from '../../lib/attacker/foothold.ts'
import { STRANGER } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const FILES = '/etc/kubernetes/pki/apiserver-kubelet-client'

const THIEF: Foothold = {
  name: 'apiserver-kubelet-client',
  stands: { on: 'net' },
  holds: {
    'credential.crt': { stolen: `${FILES}.crt`, host: 'control-plane-1' },
    'credential.key': { stolen: `${FILES}.key`, host: 'control-plane-1' },
  },
}

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
    const { namespace, secret, pod, node } = world.goal
    if (variant === 'b') return [(await world.api({ path: `/api/v1/namespaces/${namespace}/secrets/${secret}` })).body]
    const { body } = await world.request(`https://${world.network.hosts[node]}:10250`, {
      method: 'POST',
      path: `/run/${namespace}/${pod}/main?cmd=cat%20/etc/canary/value`,
    })
    return [body]
  },
})
