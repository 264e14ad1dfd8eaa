/** The --tls-* flags that every Kubernetes server has, in the words of the real ones. */
import t from 'tap'
import { http2SuiteProblem, insecureSuiteWarnings, policyFromFlags } from '../../../lib/tls/go-settings.ts'

const AES_128 = 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'

t.test('names are read as Go reads them', async (t) => {
  t.strictSame(policyFromFlags('', []), { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' })
  t.match(policyFromFlags('VersionTLS13', []), { minVersion: 'TLSv1.3' })
  // As the CIS benchmark still spells it.
  t.match(policyFromFlags('', [' TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305 ', AES_128]), {
    cipherSuites: ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', AES_128],
  })
  t.match(policyFromFlags('', [AES_128, 'TLS_AES_128_GCM_SHA256']), { cipherSuites: [AES_128] })
  t.match(policyFromFlags('', [], ['29', '24']), { curvePreferences: ['X25519', 'P-384'] })
  t.throws(() => policyFromFlags('VersionTLS14', []), { message: 'unknown tls version "VersionTLS14"' })
  t.throws(() => policyFromFlags('', ['BOGUS']), { message: "Cipher suite BOGUS not supported or doesn't exist" })
})

t.test('a suite that Go calls insecure is taken, and that is said', async (t) => {
  t.strictSame(insecureSuiteWarnings(['TLS_RSA_WITH_AES_128_CBC_SHA', AES_128]), [
    `Use of insecure cipher 'TLS_RSA_WITH_AES_128_CBC_SHA' detected.`,
  ])
})

t.test('HTTP/2 wants one suite, where suites of TLS 1.2 are named', async (t) => {
  const without = ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384']
  t.match(
    http2SuiteProblem(policyFromFlags('', without)),
    /^http2: TLSConfig\.CipherSuites is missing an HTTP\/2-required/,
  )
  t.match(http2SuiteProblem(policyFromFlags('', ['TLS_AES_128_GCM_SHA256'])), /^http2: /, 'names of TLS 1.3 are none')
  t.equal(http2SuiteProblem(policyFromFlags('', [AES_128])), undefined)
  t.equal(http2SuiteProblem(policyFromFlags('', [])), undefined)
  t.equal(http2SuiteProblem(policyFromFlags('VersionTLS13', without)), undefined)
})
