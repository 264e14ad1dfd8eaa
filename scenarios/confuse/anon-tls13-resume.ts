/**
 * stranger  --TLS 1.3, no certificate-->  kube-apiserver, then once more with the ticket of the first time
 */
import { secretPath } from '../../lib/attacker/reach-goal.ts'
import { bearerOf, STRANGER } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

const NO_CERTIFICATES = { notApplicable: 'no client certificate is taken, so none could be remembered' }
const UNAUTHORIZED = { kind: 'stopped', by: 'kube-apiserver', layer: '401', code: 'Unauthorized' } as const

export default scenario({
  title: 'The runtime says "authorized"',
  story: `Some TLS libraries call a client without a certificate unauthorized in a full handshake and authorized in a resumed one, as nothing
went wrong there. A server that asks the library for a boolean lets strangers in at their second visit; one that looks for a
certificate, and verifies it with each request, does not.`,
  refs: ['nodejs/node#35317, #64584, #64677', 'k8s.io/apiserver request/x509: verified with each request'],
  attack: ['T1078'],
  variants: [
    {
      id: 'a',
      title: 'reads a Secret on the resumed connection',
      foothold: STRANGER,
      goal: { read: 'secret' },
      expect: {
        open: NO_CERTIFICATES,
        encrypted: NO_CERTIFICATES,
        kubeadm: { kind: 'stopped', by: 'kube-apiserver', layer: '403-rbac', code: 'Forbidden' },
        hardened: UNAUTHORIZED,
        'zero-trust': UNAUTHORIZED,
      },
      twin: {
        stopped: {
          foothold: bearerOf('who showed a certificate the first time', {
            signedBy: 'ca',
            commonName: 'kubernetes-admin',
            organizations: ['system:masters'],
            usages: ['clientAuth'],
          }),
        },
      },
    },
  ],
  async attempt(world) {
    const secure = world.network.apiserver
    const where = { from: secure, to: secure, version: 'TLSv1.3' } as const
    return [(await world.resume(where, { path: secretPath(world.goal) })).body]
  },
})
