/**
 * a certificate reported stolen  --TLS-->  kube-apiserver (knows no list), etcd (reads one, if it is given one)
 */
import type { MintedCertificate } from '../../lib/attacker/foothold.ts'
import { secretByApi } from '../../lib/attacker/reach-goal.ts'
import { NOTHING_STOLEN, secretKey } from '../../lib/scenario/etcd-thief.ts'
import { bearerOf } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

const ADMIN: MintedCertificate = {
  signedBy: 'ca',
  commonName: 'kubernetes-admin',
  organizations: ['system:masters'],
  usages: ['clientAuth'],
}
const BACKUP: MintedCertificate = {
  signedBy: 'etcd-ca',
  commonName: 'etcd-backup',
  usages: ['clientAuth'],
  dnsNames: ['etcd-client.kubernetes.local'],
}
const ANYBODY = { notApplicable: 'everybody may do everything there: no certificate is needed' }

export default scenario({
  title: 'Stolen, reported, still valid',
  story: `A key was stolen and reported, and its certificate is on the revocation list. kube-apiserver has no way to be given a list, nor
asks anybody: a certificate is good for as long as it says. etcd reads a list anew for each connection, compares serials alone, and asks
neither who signed the list nor how old it is.`,
  refs: [
    'etcd --client-crl-file, client/pkg/transport/listener_tls.go (checkCRL)',
    'Trail of Bits 2019: no certificate revocation (kubernetes/kubernetes#81111)',
  ],
  attack: ['T1649'],
  variants: [
    {
      id: 'apiserver',
      title: `an administrator's certificate, at kube-apiserver`,
      foothold: bearerOf('a revoked certificate', ADMIN),
      goal: { read: 'secret' },
      expect: {
        open: ANYBODY,
        encrypted: ANYBODY,
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      // Its end is the only revocation there is.
      twin: { through: { foothold: bearerOf('the same, of yesterday', { ...ADMIN, valid: 'until-yesterday' }) } },
    },
    {
      id: 'etcd',
      title: `a backup job's certificate, at etcd`,
      foothold: bearerOf('a revoked certificate', BACKUP),
      goal: { erase: 'secret' },
      expect: {
        open: NOTHING_STOLEN,
        encrypted: NOTHING_STOLEN,
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'close_notify' },
      },
      twin: { through: { restore: 'etcd-client-crl-file' }, stopped: { weaken: 'etcd-client-crl-file' } },
    },
  ],
  prepare: (operator) => operator.revoke(),
  async attempt(world, variant) {
    if (variant === 'apiserver') return secretByApi(world)
    const etcd = await world.etcd(world.network.etcd[0] ?? '')
    await etcd.delete(secretKey(world.goal))
    return []
  },
})
