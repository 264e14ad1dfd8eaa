/**
 * a certificate of yesterday  --TLS-->  kube-apiserver, kubelet, etcd; or shown to a kubelet as the API's own
 */

import { secretByApi, secretByImpostor, secretByKubelet } from '../../lib/attacker/reach-goal.ts'
import type { MintedCertificate } from '../../lib/attacker/foothold.ts'
import { bearerOf, onPath } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'
import { isBound, putClusterAdminBinding } from '../../lib/scenario/store-write.ts'

const through: Expectation = { kind: 'through' }
const refused = (by: string): Expectation => ({ kind: 'stopped', by, layer: '401', code: 'Unauthorized' })

const EXPIRED_AT_ETCD: Expectation = { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'certificate_expired' }
const EXPIRED_AT_KUBELET: Expectation = { kind: 'stopped', by: 'kubelet', layer: 'cert-verify', code: 'expired' }

/** The same certificate with both validities: all that differs is the date. */
function dated(minted: MintedCertificate): {
  expired: ReturnType<typeof bearerOf>
  valid: ReturnType<typeof bearerOf>
} {
  return {
    expired: bearerOf('a certificate of yesterday', { ...minted, valid: 'until-yesterday' }),
    valid: bearerOf('the same, valid today', minted),
  }
}

const NODE = dated({
  signedBy: 'ca',
  commonName: 'system:node:worker-2',
  organizations: ['system:nodes'],
  usages: ['clientAuth'],
})
const ADMIN = dated({
  signedBy: 'ca',
  commonName: 'kubernetes-admin',
  organizations: ['system:masters'],
  usages: ['clientAuth'],
})
const ETCD = dated({ signedBy: 'etcd-ca', commonName: 'kube-apiserver-etcd-client', usages: ['clientAuth'] })
const LINK = { from: 'worker-2', to: 'control-plane-1' }
const SERVER: MintedCertificate = {
  signedBy: 'ca',
  commonName: 'kube-apiserver',
  usages: ['serverAuth'],
  hosts: ['control-plane-1'],
}

const variants: readonly Variant[] = [
  {
    id: 'a',
    title: `a kubelet's, shown to kube-apiserver`,
    foothold: NODE.expired,
    goal: { read: 'secret', node: 'worker-2' },
    expect: {
      open: through,
      encrypted: { notApplicable: 'no client certificate is taken' },
      kubeadm: refused('kube-apiserver'),
      hardened: refused('kube-apiserver'),
      'zero-trust': refused('kube-apiserver'),
    },
    twin: { through: { restore: ['apiserver-tls', 'authorization-mode'] }, stopped: { foothold: NODE.valid } },
  },
  {
    id: 'b',
    title: `an administrator's, shown to a kubelet`,
    foothold: ADMIN.expired,
    goal: { read: 'secret', node: 'worker-2' },
    expect: {
      open: through,
      encrypted: through,
      kubeadm: refused('kubelet'),
      hardened: refused('kubelet'),
      'zero-trust': refused('kubelet'),
    },
    twin: { through: { restore: 'kubelet-anonymous-auth' }, stopped: { foothold: ADMIN.valid } },
  },
  {
    id: 'c',
    title: `kube-apiserver's own, shown to etcd, which decides in the handshake`,
    foothold: ETCD.expired,
    goal: { write: 'a ClusterRoleBinding to cluster-admin', placed: isBound },
    expect: {
      open: through,
      encrypted: through,
      kubeadm: EXPIRED_AT_ETCD,
      hardened: EXPIRED_AT_ETCD,
      'zero-trust': {
        notApplicable: 'only what is sealed is read from the store: a binding that was put there is none',
      },
    },
    twin: { through: { restore: ['etcd-client-tls', 'etcd-client-cert-auth'] }, stopped: { foothold: ETCD.valid } },
  },
  {
    id: 'd',
    title: `kube-apiserver's own, shown to a kubelet by somebody on the path`,
    foothold: onPath('an expired serving certificate', LINK, { ...SERVER, valid: 'until-yesterday' }),
    goal: { read: 'secret', node: 'worker-2' },
    expect: {
      open: through,
      encrypted: EXPIRED_AT_KUBELET,
      kubeadm: EXPIRED_AT_KUBELET,
      hardened: EXPIRED_AT_KUBELET,
      'zero-trust': EXPIRED_AT_KUBELET,
    },
    twin: {
      through: { restore: 'apiserver-tls' },
      stopped: { foothold: onPath('the same, valid today', LINK, SERVER) },
    },
  },
]

export default scenario({
  title: 'The old key still turns?',
  story: `A certificate turns up in a backup, a day past its end. kube-apiserver and kubelets look at the date with each request and
answer 401; etcd looks in the handshake and sends an alert; a client looks at the server's in its turn.`,
  refs: [
    'RFC 5280 section 4.1.2.5',
    'KubeletConfiguration rotateCertificates',
    'crypto/x509 CertificateInvalidError, Expired',
  ],
  cis: ['4.2.10'],
  attack: ['T1649', 'T1078'],
  variants,
  async meanwhile(operator, goal) {
    if (goal.variant !== 'd') return
    await operator.makeKubeletTalk(goal)
  },
  async attempt(world, variant) {
    switch (variant) {
      case 'a':
        return secretByApi(world)
      case 'b':
        return secretByKubelet(world)
      case 'c':
        return putClusterAdminBinding(world)
      default:
        return secretByImpostor(world)
    }
  },
})
