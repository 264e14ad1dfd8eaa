/** Controls of what etcd's members show each other, and of whom they take for one. */
import { flagOf, withFlag, withFlagsAtLeast, withPki } from '../change-posture.ts'
import type { Control } from '../control.ts'
import { manifestPath } from './manifest-path.ts'
import type { Posture } from '../posture.ts'

const ETCD = manifestPath('etcd')
const PEER_CA = '/etc/kubernetes/pki/etcd/peer-ca.crt'
const PEER_PAIR = {
  'peer-cert-file': '/etc/kubernetes/pki/etcd/peer.crt',
  'peer-key-file': '/etc/kubernetes/pki/etcd/peer.key',
}
/** The one name that all members share, where one is asked for. */
const PEER_NAME = 'etcd-peer'

export const ETCD_PEER_CONTROLS: readonly Control[] = [
  {
    id: 'dedicated-etcd-peer-ca',
    title: `etcd's members trust a CA of their own, which signs no client`,
    layer: 'tls-alert',
    files: ['pki.yaml'],
    weaken: (posture) => {
      const known = new Set(posture.pki.authorities.map(({ name }) => name))
      return known.has('etcd-peer-ca') && known.has('etcd-ca')
        ? withPki(posture, ['authorities', 'etcd-peer-ca', 'sameAs'], 'etcd-ca')
        : posture
    },
    restore: (posture) => {
      const own = posture.pki.authorities.find(({ name }) => name === 'etcd-peer-ca')
      if (own) return own.sameAs ? withPki(posture, ['authorities', 'etcd-peer-ca', 'sameAs'], undefined) : posture
      const files = [{ on: 'etcd', certificate: PEER_CA }]
      const made = withPki(posture, ['authorities', 'etcd-peer-ca'], { commonName: 'etcd-peer-ca', files })
      const signed = withPki(made, ['certificates', 'etcd-peer', 'signedBy'], 'etcd-peer-ca')
      return withFlag(signed, 'etcd', 'peer-trusted-ca-file', PEER_CA)
    },
  },
  {
    id: 'etcd-peer-allowed-cn',
    title: 'etcd takes for a member only who has the name that all members share',
    layer: 'tls-alert',
    files: [ETCD],
    weaken: (posture) => withFlag(posture, 'etcd', 'peer-cert-allowed-cn', undefined),
    restore: (posture) => {
      const peer = posture.pki.certificates.find(({ name }) => name === 'etcd-peer')
      const isShared = peer?.commonName.prefix === PEER_NAME && !peer.commonName.hostName
      const named = isShared ? posture : withPki(posture, ['certificates', 'etcd-peer', 'commonName'], PEER_NAME)
      return withFlag(named, 'etcd', 'peer-cert-allowed-cn', PEER_NAME)
    },
  },
  {
    id: 'etcd-peer-auto-tls',
    title: `etcd's members show certificates that a CA has signed, not their own handiwork that nobody can verify`,
    cis: ['2.6'],
    layer: 'cert-verify',
    files: [ETCD],
    weaken: (posture) =>
      flagOf(posture, 'etcd', 'peer-cert-file') === undefined ? posture : withOwnHandiwork(posture),
    restore: (posture) =>
      flagOf(posture, 'etcd', 'peer-auto-tls') === undefined
        ? posture
        : withFlagsAtLeast(withFlag(posture, 'etcd', 'peer-auto-tls', undefined), 'etcd', PEER_PAIR),
  },
]

/** etcd ignores --peer-auto-tls beside a pair of files (embed/config.go). */
function withOwnHandiwork(posture: Posture): Posture {
  const without = Object.keys(PEER_PAIR).reduce((changed, name) => withFlag(changed, 'etcd', name, undefined), posture)
  return withFlag(without, 'etcd', 'peer-auto-tls', 'true')
}
