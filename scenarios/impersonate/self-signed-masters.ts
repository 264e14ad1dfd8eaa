/**
 * stranger, O=system:masters signed by itself  --TLS-->  kube-apiserver or kubelet (trusts the cluster CA)
 */
import { secretByApi, secretByKubelet } from '../../lib/attacker/reach-goal.ts'
import { bearerOf, thiefOf } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const SUBJECT = { commonName: 'kubernetes-admin', organizations: ['system:masters'], usages: ['clientAuth'] } as const
const SELF_SIGNED = bearerOf('self-signed', { signedBy: 'self', ...SUBJECT })
const SIGNED = bearerOf('signed by the cluster CA', { signedBy: 'ca', ...SUBJECT })

const refused = (by: string): Expectation => ({ kind: 'stopped', by, layer: '401', code: 'Unauthorized' })

export default scenario({
  title: 'CN and O are only claims',
  story: `The attacker signs its own certificate for kubernetes-admin in system:masters. Only the chain tells it from a real one.`,
  refs: [
    'kube-apiserver --client-ca-file',
    'KubeletConfiguration authentication.x509.clientCAFile',
    'RFC 5280 section 6.1',
  ],
  cis: ['1.2.25', '4.2.3'],
  attack: ['T1649', 'T1078'],
  tour: ['apiserver'],
  variants: [
    {
      id: 'apiserver',
      title: 'shown to kube-apiserver',
      foothold: SELF_SIGNED,
      goal: { read: 'secret' },
      expect: {
        open: { kind: 'through' },
        encrypted: refused('kube-apiserver'),
        kubeadm: refused('kube-apiserver'),
        hardened: refused('kube-apiserver'),
        'zero-trust': refused('kube-apiserver'),
      },
      twin: {
        otherwise: { through: { restore: ['apiserver-tls', 'authorization-mode'] }, stopped: { foothold: SIGNED } },
        // No client certificate is asked for there: only a token says who one is.
        encrypted: { stopped: { foothold: thiefOf('super-admin.conf') } },
      },
    },
    {
      id: 'kubelet',
      title: 'shown to a kubelet',
      foothold: SELF_SIGNED,
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { kind: 'through' },
        encrypted: { kind: 'through' },
        kubeadm: refused('kubelet'),
        hardened: refused('kubelet'),
        'zero-trust': refused('kubelet'),
      },
      twin: { through: { restore: 'kubelet-anonymous-auth' }, stopped: { foothold: SIGNED } },
    },
  ],
  async attempt(world, variant) {
    if (variant === 'apiserver') {
      return secretByApi(world)
    }
    return secretByKubelet(world)
  },
})
