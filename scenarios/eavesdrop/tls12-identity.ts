/**
 * a client with a certificate  ===TLS===>  kube-apiserver
 *                                |
 *                               tap: who is that?
 */
import { streamsOf } from '../../lib/wire/plaintext.ts'
import { readTlsHandshake } from '../../lib/wire/tls-handshake.ts'
import { nameToString } from '../../lib/x509/name.ts'
import { parseCertificate } from '../../lib/x509/parse.ts'
import { tapOn } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const ONLY_NEW = { notApplicable: 'TLS 1.3 alone: no end can go lower, and no certificate crosses in the clear' }
const NO_NAMES = { notApplicable: 'nobody shows a certificate' }
const SEALED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: 'crypto', code: 'ciphertext' }
const [OLD, NEW] = ['TLSv1.2', 'TLSv1.3'] as const

const COMMON = {
  foothold: tapOn({ from: 'operator', to: 'control-plane-1' }),
  goal: { read: 'word', what: `the client's name` },
} as const

export default scenario({
  title: 'Who is talking, read from the handshake',
  story: `The sniffer does not want content, only names. At TLS 1.2 both certificates cross in the clear: system:node:payroll-3 is intelligence.
TLS 1.3 seals them. It takes one end that goes no higher than 1.2.`,
  refs: ['RFC 5246 section 7.4.6', 'RFC 8446 section 4.4', 'kube-apiserver --tls-min-version'],
  attack: ['T1040', 'T1590'],
  variants: [
    {
      id: 'tls12',
      title: 'one end goes no higher than TLS 1.2',
      ...COMMON,
      target: OLD,
      expect: {
        open: NO_NAMES,
        encrypted: NO_NAMES,
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': ONLY_NEW,
      },
      twin: { through: { target: NEW } },
    },
    {
      id: 'tls13',
      title: 'both ends speak TLS 1.3',
      ...COMMON,
      target: NEW,
      expect: { open: NO_NAMES, encrypted: NO_NAMES, kubeadm: SEALED, hardened: SEALED, 'zero-trust': ONLY_NEW },
      twin: { stopped: { target: OLD } },
    },
  ],
  async meanwhile(operator, { canary, target }) {
    const keyPair = await operator.mint({ signedBy: 'ca', commonName: canary, usages: ['clientAuth'] })
    await operator.use({
      tool: 'payroll',
      path: '/version',
      keyPair,
      canary,
      policy: { minVersion: 'TLSv1.2', maxVersion: target === OLD ? OLD : NEW },
    })
  },
  async attempt(world) {
    await world.meanwhile()
    await world.capture()
    return streamsOf(world.heldPath('capture.pcapng')).flatMap(({ toCallee, toCaller }) => {
      const handshake = readTlsHandshake(toCallee, toCaller)
      const names = [...(handshake?.clientChain ?? []), ...(handshake?.serverChain ?? [])]
      return names.map((der) => nameToString(parseCertificate(der).subject))
    })
  },
})
