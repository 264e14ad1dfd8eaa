/** Controls of what a TLS handshake may settle on. */
import { flagOf, withFlag, withPki } from '../change-posture.ts'
import type { Control } from '../control.ts'
import type { Posture } from '../posture.ts'
import { manifestPath } from './manifest-path.ts'

/** Static RSA: the one that CIS 4.2.12's list still takes. */
const STATIC_RSA = 'TLS_RSA_WITH_AES_128_GCM_SHA256'
const SUITES = 'tls-cipher-suites'

/** Without one such suite kube-apiserver does not start: golang.org/x/net/http2 wants it (RFC 9113 section 9.2.2). */
const NEEDED = 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'

export const CIPHER_CONTROLS: readonly Control[] = [
  {
    id: 'forward-secrecy',
    title: `kube-apiserver's key only signs: no suite sends it a secret that whoever gets the key later can read`,
    cis: ['1.2.29'],
    layer: 'crypto',
    files: [manifestPath('kube-apiserver'), 'pki.yaml'],
    weaken: (posture) => withStaticRsa(posture, true),
    restore: (posture) => withStaticRsa(posture, false),
  },
]

/** The suite beside those that are named, and an RSA key, which it needs. */
function withStaticRsa(posture: Posture, isTaken: boolean): Posture {
  const named = (flagOf(posture, 'kube-apiserver', SUITES) ?? '').split(',').filter((suite) => suite !== '')
  if (named.includes(STATIC_RSA) === isTaken) return posture
  const suites = isTaken
    ? [...(named.length > 0 ? named : [NEEDED]), STATIC_RSA]
    : named.filter((suite) => suite !== STATIC_RSA)
  const isDefault = suites.length === 1 && suites[0] === NEEDED
  const told = withFlag(posture, 'kube-apiserver', SUITES, isDefault ? undefined : suites.join(','))
  return withPki(told, ['certificates', 'apiserver', 'encryptionAlgorithm'], isTaken ? 'RSA-2048' : undefined)
}
