/**
 * a tool of yesterday  ===TLS 1.2===>  kube-apiserver          later: apiserver.key from a backup  -->  the recording
 *                         |
 *                        tap
 */

import type { TlsPolicy } from '../../lib/tls/policy.ts'
import { tapOn, tapWith, tapWithKeys } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'

const LINK = { from: 'operator', to: 'control-plane-1' }
const IN_THE_CLEAR = { notApplicable: 'there is nothing to decrypt: the link is plain HTTP (tap-link)' }
const SEALED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: 'crypto', code: 'ciphertext' }

const OF_YESTERDAY: TlsPolicy = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
  cipherSuites: ['TLS_RSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'],
}

const THIEF = tapWith('tap, and apiserver.key a month later', LINK, {
  'apiserver.key': { stolen: '/etc/kubernetes/pki/apiserver.key', host: 'control-plane-1' },
})

const STATIC_RSA: Variant = {
  id: 'a',
  title: 'the server takes the premaster secret by static RSA',
  foothold: THIEF,
  goal: { read: 'word', what: 'what a tool sent a month ago' },
  premise: ['forward-secrecy'],
  expect: {
    open: IN_THE_CLEAR,
    encrypted: { kind: 'through' },
    kubeadm: { kind: 'through' },
    hardened: { kind: 'through' },
    'zero-trust': { notApplicable: 'TLS 1.3 alone: it knows no static RSA' },
  },
  twin: {
    // There static RSA stands first in a list of many.
    encrypted: { through: { foothold: tapOn(LINK) } },
    kubeadm: { through: { restore: 'forward-secrecy' } },
    hardened: { through: { restore: 'forward-secrecy' } },
  },
}

const EPHEMERAL: Variant = {
  id: 'b',
  title: 'the key only signed an ephemeral share',
  foothold: THIEF,
  goal: { read: 'word', what: 'what a tool sent a month ago' },
  expect: { open: IN_THE_CLEAR, encrypted: SEALED, kubeadm: SEALED, hardened: SEALED, 'zero-trust': SEALED },
  twin: { stopped: { foothold: tapWithKeys(LINK) } },
}

export default scenario({
  title: `Decrypt last month's capture`,
  story: `A sniffer kept what it recorded; later the server's key leaks. Whether that opens the recording was settled by a cipher suite: by
static RSA the client sent the secret to that very key. Go offers it no more since 1.22; a tool of yesterday does, and a list of
suites may still take it.`,
  refs: [
    'RFC 5246 section 7.4.7.1',
    'RFC 8446 section 1.2',
    'kube-apiserver --tls-cipher-suites',
    'golang.org/doc/go1.22',
  ],
  cis: ['1.2.29', '4.2.12'],
  attack: ['T1040', 'T1552.004'],
  variants: [STATIC_RSA, EPHEMERAL],
  async meanwhile(operator, { variant, namespace, secret, canary }) {
    const note = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: secret, namespace }, data: { note: canary } }
    await operator.use({
      tool: 'backup-tool',
      path: `/api/v1/namespaces/${namespace}/configmaps?dryRun=All`,
      body: JSON.stringify(note),
      canary,
      ...(variant === 'a' ? { policy: OF_YESTERDAY } : {}),
    })
  },
  async attempt(world) {
    await world.meanwhile()
    return world.capture()
  },
})
