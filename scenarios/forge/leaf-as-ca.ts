/**
 * [O=system:masters signed by worker-1's leaf, worker-1's leaf]  --TLS-->  kube-apiserver; or to a kubelet, as the API's own
 */

import { secretByApi, secretByImpostor } from '../../lib/attacker/reach-goal.ts'
import type { MintedCertificate } from '../../lib/attacker/foothold.ts'
import { bearerOf, onPath } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const UNAUTHORIZED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: '401', code: 'Unauthorized' }
const UNKNOWN: Expectation = { kind: 'stopped', by: 'kubelet', layer: 'cert-verify', code: 'unknown_authority' }
const ADMIN = { commonName: 'kubernetes-admin', organizations: ['system:masters'], usages: ['clientAuth'] } as const
const SERVER = { commonName: 'kube-apiserver', usages: ['serverAuth'], hosts: ['control-plane-1'] } as const
const LEAF: Pick<MintedCertificate, 'signedBy'> = { signedBy: { leafOf: 'worker-1' } }
const LINK = { from: 'worker-2', to: 'control-plane-1' }

export default scenario({
  title: 'Sign with an end-entity key',
  story: `Root on worker-1 holds a key that the cluster CA certified. It signs an administrator's certificate with it, and a server's.
The chain reaches a trusted root; one bit in it, CA:FALSE, says that it must not count.`,
  refs: ['RFC 5280 section 4.2.1.9 (basicConstraints)', 'C2SP x509-limbo', 'Netflix bettertls'],
  attack: ['T1649'],
  variants: [
    {
      id: 'client',
      title: `an administrator's certificate, shown to kube-apiserver`,
      foothold: bearerOf('signed by a leaf', { ...LEAF, ...ADMIN }),
      goal: { read: 'secret' },
      expect: {
        open: { kind: 'through' },
        encrypted: { notApplicable: 'no client certificate is taken' },
        kubeadm: UNAUTHORIZED,
        hardened: UNAUTHORIZED,
        'zero-trust': UNAUTHORIZED,
      },
      twin: {
        through: { restore: ['apiserver-tls', 'authorization-mode'] },
        stopped: { foothold: bearerOf('signed by the cluster CA', { signedBy: 'ca', ...ADMIN }) },
      },
    },
    {
      id: 'server',
      title: `kube-apiserver's certificate, shown to a kubelet on the path`,
      foothold: onPath('signed by a leaf', LINK, { ...LEAF, ...SERVER }),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { kind: 'through' },
        encrypted: UNKNOWN,
        kubeadm: UNKNOWN,
        hardened: UNKNOWN,
        'zero-trust': UNKNOWN,
      },
      twin: {
        through: { restore: 'apiserver-tls' },
        stopped: { foothold: onPath('signed by the cluster CA', LINK, { signedBy: 'ca', ...SERVER }) },
      },
    },
  ],
  async meanwhile(operator, goal) {
    if (goal.variant !== 'server') return
    await operator.makeKubeletTalk(goal)
  },
  async attempt(world, variant) {
    if (variant === 'client') {
      return secretByApi(world)
    }
    return secretByImpostor(world)
  },
})
