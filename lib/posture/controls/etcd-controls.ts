/** Controls of etcd's listeners, and of kube-apiserver as their client. */
import { editManifests, flagOf, withFlag, withFlagsAtLeast, withPki } from '../change-posture.ts'
import type { Control } from '../control.ts'
import { signingAuthority } from '../signing-authority.ts'
import { flagValue, setFlag } from '../manifest.ts'
import { manifestPath } from './manifest-path.ts'
import type { Posture } from '../posture.ts'

const ETCD = manifestPath('etcd')
const APISERVER = manifestPath('kube-apiserver')
const CA = '/etc/kubernetes/pki/etcd/ca.crt'

const CLIENT_CRL = '/etc/kubernetes/pki/etcd/clients.crl'

/** So that a run fills it in a second. */
const SMALL_QUOTA_BYTES = '1048576'

const CLIENT_URLS = ['listen-client-urls', 'advertise-client-urls']
const PEER_URLS = ['listen-peer-urls', 'initial-advertise-peer-urls', 'initial-cluster']

/** Every URL of some flags with another scheme; flags that are not there stay away. */
function withScheme(
  posture: Posture,
  component: 'etcd' | 'kube-apiserver',
  flags: readonly string[],
  scheme: string,
): Posture {
  // Each member's manifest names its own addresses.
  return editManifests(posture, component, (text, file) =>
    flags.reduce((changed, name) => {
      const value = flagValue(changed, name)
      return value === undefined ? changed : setFlag(file, changed, name, value.replace(/https?:\/\//g, `${scheme}://`))
    }, text),
  )
}

function hasEtcd(posture: Posture): boolean {
  return flagOf(posture, 'etcd', 'data-dir') !== undefined || flagOf(posture, 'etcd', 'name') !== undefined
}

export const ETCD_CONTROLS: readonly Control[] = [
  {
    id: 'etcd-quota-backend-bytes',
    title: 'the store has more room than its users fill in a day (2 GiB by default; as good as full without it)',
    layer: 'app',
    files: [ETCD],
    weaken: (posture) => withFlag(posture, 'etcd', 'quota-backend-bytes', SMALL_QUOTA_BYTES),
    restore: (posture) => withFlag(posture, 'etcd', 'quota-backend-bytes', undefined),
  },
  {
    id: 'etcd-client-tls',
    title: 'etcd serves its clients over TLS',
    cis: ['2.1'],
    layer: 'crypto',
    files: [ETCD, APISERVER],
    weaken: (posture) =>
      withScheme(withScheme(posture, 'etcd', CLIENT_URLS, 'http'), 'kube-apiserver', ['etcd-servers'], 'http'),
    restore: (posture) => {
      const served = withFlagsAtLeast(withScheme(posture, 'etcd', CLIENT_URLS, 'https'), 'etcd', {
        'cert-file': '/etc/kubernetes/pki/etcd/server.crt',
        'key-file': '/etc/kubernetes/pki/etcd/server.key',
      })
      const dialled = withScheme(served, 'kube-apiserver', ['etcd-servers'], 'https')
      return withFlagsAtLeast(dialled, 'kube-apiserver', { 'etcd-cafile': CA })
    },
  },
  {
    id: 'etcd-peer-tls',
    title: 'etcd members speak TLS to each other',
    cis: ['2.4'],
    layer: 'crypto',
    files: [ETCD],
    weaken: (posture) => withScheme(posture, 'etcd', PEER_URLS, 'http'),
    restore: (posture) =>
      withFlagsAtLeast(withScheme(posture, 'etcd', PEER_URLS, 'https'), 'etcd', {
        'peer-cert-file': '/etc/kubernetes/pki/etcd/peer.crt',
        'peer-key-file': '/etc/kubernetes/pki/etcd/peer.key',
        // Members verify each other by the machine's roots without one: no quorum.
        'peer-trusted-ca-file': peerCa(posture),
      }),
  },
  {
    id: 'etcd-client-cert-auth',
    title: 'etcd is told to demand client certificates (a CA file alone makes it demand them too)',
    cis: ['2.2'],
    layer: 'tls-alert',
    files: [ETCD],
    weaken: (posture) => withFlag(posture, 'etcd', 'client-cert-auth', undefined),
    restore: (posture) =>
      withApiserverClient(
        withFlagsAtLeast(withFlag(posture, 'etcd', 'client-cert-auth', 'true'), 'etcd', { 'trusted-ca-file': CA }),
      ),
  },
  {
    id: 'etcd-trusted-ca-file',
    title: 'etcd knows which CA signs its clients, and therefore demands a certificate',
    cis: ['2.2', '2.7'],
    layer: 'tls-alert',
    files: [ETCD],
    weaken: (posture) => withFlag(posture, 'etcd', 'trusted-ca-file', undefined),
    restore: (posture) => withApiserverClient(withFlagsAtLeast(posture, 'etcd', { 'trusted-ca-file': CA })),
  },
  {
    id: 'etcd-client-allowed-hostname',
    title: 'etcd lets in only clients whose certificate names one certain host',
    layer: 'tls-alert',
    files: [ETCD],
    weaken: (posture) => withFlag(posture, 'etcd', 'client-cert-allowed-hostname', undefined),
    restore: (posture) => {
      // The name is the posture's own choice: where none was chosen, no certificate carries one.
      const client = posture.pki.certificates.find(({ name }) => name === 'apiserver-etcd-client')
      const [host] = client?.sans.dns ?? []
      return host === undefined ? posture : withFlag(posture, 'etcd', 'client-cert-allowed-hostname', host)
    },
  },
  {
    id: 'etcd-client-crl-file',
    title: `etcd turns away clients whose certificate's serial is on a list`,
    layer: 'tls-alert',
    files: [ETCD],
    weaken: (posture) => withFlag(posture, 'etcd', 'client-crl-file', undefined),
    restore: (posture) => {
      const isKept = posture.pki.revocationLists.some(({ file }) => file === CLIENT_CRL)
      const list = { on: 'etcd', signedBy: 'etcd-ca', file: CLIENT_CRL }
      const kept = isKept ? posture : withPki(posture, ['revocationLists', 'etcd-clients'], list)
      return withFlagsAtLeast(kept, 'etcd', { 'client-crl-file': CLIENT_CRL })
    },
  },
  {
    id: 'etcd-peer-client-cert-auth',
    title: 'etcd is told to demand certificates of its peers (a CA file alone makes it demand them too)',
    cis: ['2.5'],
    layer: 'tls-alert',
    files: [ETCD],
    weaken: (posture) => withFlag(posture, 'etcd', 'peer-client-cert-auth', undefined),
    restore: (posture) =>
      withFlagsAtLeast(withFlag(posture, 'etcd', 'peer-client-cert-auth', 'true'), 'etcd', {
        'peer-trusted-ca-file': peerCa(posture),
      }),
  },
  {
    id: 'etcd-peer-trusted-ca-file',
    title: 'etcd knows which CA signs its peers, and therefore demands a certificate',
    cis: ['2.5'],
    layer: 'tls-alert',
    files: [ETCD],
    weaken: (posture) => withFlag(posture, 'etcd', 'peer-trusted-ca-file', undefined),
    restore: (posture) => withFlagsAtLeast(posture, 'etcd', { 'peer-trusted-ca-file': peerCa(posture) }),
  },
  {
    id: 'dedicated-etcd-ca',
    title: `etcd trusts a CA of its own, which signs nobody's kubelet`,
    cis: ['2.7'],
    layer: 'tls-alert',
    files: ['pki.yaml'],
    weaken: (posture) => {
      const clients = signingAuthority(posture.pki, 'ca', ['clientAuth'])
      const known = new Set(posture.pki.authorities.map(({ name }) => name))
      return known.has(clients) && known.has('etcd-ca')
        ? withPki(posture, ['authorities', 'etcd-ca', 'sameAs'], clients)
        : posture
    },
    restore: (posture) => {
      const shared = posture.pki.authorities.find(({ name, sameAs }) => name === 'etcd-ca' && sameAs !== undefined)
      if (!shared) return posture
      const named = withPki(posture, ['authorities', 'etcd-ca', 'commonName'], 'etcd-ca')
      return withPki(named, ['authorities', 'etcd-ca', 'sameAs'], undefined)
    },
  },
  {
    id: 'etcd-cafile',
    title: `kube-apiserver verifies etcd by etcd's CA; without it by the machine's roots, which never signed etcd: the link dies`,
    cis: ['1.2.26'],
    layer: 'cert-verify',
    files: [APISERVER],
    weaken: (posture) => withFlag(posture, 'kube-apiserver', 'etcd-cafile', undefined),
    restore: (posture) =>
      hasEtcd(posture) ? withFlagsAtLeast(posture, 'kube-apiserver', { 'etcd-cafile': CA }) : posture,
  },
]

function withApiserverClient(posture: Posture): Posture {
  return withFlagsAtLeast(posture, 'kube-apiserver', {
    'etcd-certfile': '/etc/kubernetes/pki/apiserver-etcd-client.crt',
    'etcd-keyfile': '/etc/kubernetes/pki/apiserver-etcd-client.key',
  })
}

function peerCa({ pki }: Posture): string {
  const signer = pki.certificates.find(({ name }) => name === 'etcd-peer')?.signedBy
  const files = pki.authorities.find(({ name }) => name === signer)?.files ?? []
  return files.find(({ on, certificate }) => on === 'etcd' && certificate)?.certificate ?? CA
}
