/**
 * attacker, good at kube-apiserver          --session ticket-->  etcd, without a certificate
 * attacker, good at kube-apiserver of then  --session ticket-->  kube-apiserver of now, whose bundle has lost the CA
 */
import { secretPath, secretKey } from '../../lib/attacker/reach-goal.ts'
import { bearerOf } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'
import type { TlsVersion } from '../../lib/tls/policy.ts'

const NO_TICKETS = { notApplicable: 'kube-apiserver and etcd speak plain HTTP' }

const NAMED = { commonName: 'kubernetes-admin', organizations: ['system:masters'], usages: ['clientAuth'] } as const

const ADMIN = bearerOf('administrator at kube-apiserver', { ...NAMED, signedBy: 'ca' })

const CONTROL_PLANE = 'control-plane-1'
const BUNDLE = '/etc/kubernetes/pki/client-ca-bundle.crt'
const [REMOVED, LEFT] = ['the CA is taken out of the bundle', 'the CA stays in the bundle']
const END_OF_CERTIFICATE = '-----END CERTIFICATE-----\n'
/** Who shows nothing passes for anonymous in kubeadm, and is answered 403: this is the answer to a certificate. */
const DISTRUSTED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: '401', code: 'Unauthorized' }

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
key, the second believes what the first has verified. Go makes ticket keys for each process by itself.
Or the CA that vouched for a client is taken out of the bundle, and the client comes back with the ticket of before: the process and its
ticket key are the same. kube-apiserver takes the ticket, and verifies the certificate that it stands for with the bundle of now.`,
  refs: ['CVE-2025-23419 (nginx)', 'CVE-2025-68121 (crypto/tls)', 'RFC 8446 section 4.6.1', 'golang/go#77217'],
  attack: ['T1550'],
  variants: [
    variant('tls13', 'by a ticket of TLS 1.3', 'certificate_required'),
    variant('tls12', 'by a ticket of TLS 1.2, which holds the master secret', 'handshake_failure', {
      notApplicable: 'TLS 1.3 alone: there are no such tickets',
    }),
    {
      id: 'ca-removed',
      title: 'by a ticket of before the CA was taken out of the bundle',
      foothold: bearerOf('administrator by the CA of before', { ...NAMED, signedBy: 'retired-ca' }),
      goal: { read: 'secret' },
      premise: ['retired-ca-removed'],
      target: REMOVED,
      expect: {
        open: NO_TICKETS,
        encrypted: { notApplicable: 'no client certificate is taken, so none could be remembered' },
        kubeadm: DISTRUSTED,
        hardened: DISTRUSTED,
        'zero-trust': DISTRUSTED,
      },
      twin: { stopped: { target: LEFT } },
    },
  ],
  async meanwhile(operator, { target }) {
    if (target !== REMOVED) return
    const bundle = operator.fileOn(CONTROL_PLANE, BUNDLE).toString('utf8')
    // The CA of today stands first.
    const current = bundle.slice(0, bundle.indexOf(END_OF_CERTIFICATE) + END_OF_CERTIFICATE.length)
    operator.replaceFile(CONTROL_PLANE, BUNDLE, current)
  },
  async attempt(world, variant) {
    const from = world.network.apiserver
    if (variant === 'ca-removed') {
      const { body } = await world.resume(
        { from, to: from, version: 'TLSv1.3', meanwhile: () => world.meanwhile() },
        { path: secretPath(world.goal) },
      )
      return [body]
    }
    const key = Buffer.from(secretKey(world.goal)).toString('base64')
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
