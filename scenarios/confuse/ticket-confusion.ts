/**
 * attacker, good at kube-apiserver  --session ticket-->  etcd, without a certificate
 */
import { secretPath } from '../../lib/attacker/reach-goal.ts'
import { bearerOf } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'
import type { TlsVersion } from '../../lib/tls/policy.ts'

const NO_TICKETS = { notApplicable: 'kube-apiserver and etcd speak plain HTTP' }

const ADMIN = bearerOf('administrator at kube-apiserver', {
  signedBy: 'ca',
  commonName: 'kubernetes-admin',
  organizations: ['system:masters'],
  usages: ['clientAuth'],
})

const VERSIONS: Readonly<Record<string, TlsVersion>> = { tls13: 'TLSv1.3', tls12: 'TLSv1.2' }

function variant(id: string, title: string, code: string, zeroTrust?: Expectation): Variant {
  const refused: Expectation = { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code }
  return {
    id,
    title,
    foothold: ADMIN,
    goal: { read: 'secret' },
    target: 'etcd',
    expect: {
      open: NO_TICKETS,
      encrypted: { notApplicable: 'no client certificate is taken, so none could be remembered' },
      kubeadm: refused,
      hardened: refused,
      'zero-trust': zeroTrust ?? refused,
    },
    // Where the ticket came from it is good, with the identity of the certificate that it stands for.
    twin: { stopped: { target: 'kube-apiserver' } },
  }
}

export default scenario({
  title: 'Resume where you never authenticated',
  story: `A client authenticates at one listener, takes the session ticket to another and shows no certificate there. If the two share a ticket
key, the second believes what the first has verified. Go makes ticket keys for each process by itself.`,
  refs: ['CVE-2025-23419 (nginx)', 'CVE-2025-68121 (crypto/tls)', 'RFC 8446 section 4.6.1', 'golang/go#77217'],
  attack: ['T1550'],
  variants: [
    variant('tls13', 'by a ticket of TLS 1.3', 'certificate_required'),
    variant('tls12', 'by a ticket of TLS 1.2, which holds the master secret', 'handshake_failure', {
      notApplicable: 'TLS 1.3 alone: there are no such tickets',
    }),
  ],
  async attempt(world, variant) {
    const { namespace, secret } = world.goal
    const from = world.network.apiserver
    const key = Buffer.from(`/registry/secrets/${namespace}/${secret}`).toString('base64')
    const version = VERSIONS[variant] ?? 'TLSv1.3'
    const { body } =
      world.target === 'etcd'
        ? await world.resume(
            { from, to: world.network.etcd[0] ?? '', version },
            { method: 'POST', path: '/v3/kv/range', body: { key } },
          )
        : await world.resume({ from, to: from, version }, { path: secretPath(world.goal) })
    return [body]
  },
})
