/** --tls-min-version, --tls-cipher-suites: component-base/cli/flag/ciphersuites_flag.go. */
import { CIPHER_SUITES, GO_DEFAULT_POLICY, type TlsPolicy, type TlsVersion } from './policy.ts'

const VERSIONS: Readonly<Record<string, TlsVersion>> = {
  VersionTLS10: 'TLSv1',
  VersionTLS11: 'TLSv1.1',
  VersionTLS12: 'TLSv1.2',
  VersionTLS13: 'TLSv1.3',
}

const TLS13_SUITES = new Set(['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'])

/** Empty values mean Go's defaults. @throws Error with the real component's text for a name that Go does not know. */
export function policyFromFlags(minVersion: string, cipherSuites: readonly string[]): TlsPolicy {
  const version = minVersion === '' ? GO_DEFAULT_POLICY.minVersion : VERSIONS[minVersion]
  if (version === undefined) throw new Error(`unknown tls version ${JSON.stringify(minVersion)}`)
  for (const name of cipherSuites) {
    if (CIPHER_SUITES.has(name) || TLS13_SUITES.has(name)) continue
    throw new Error(`Cipher suite ${name} not supported or doesn't exist`)
  }
  const older = cipherSuites.filter((name) => !TLS13_SUITES.has(name))
  return { ...GO_DEFAULT_POLICY, minVersion: version, ...(cipherSuites.length > 0 ? { cipherSuites: older } : {}) }
}
