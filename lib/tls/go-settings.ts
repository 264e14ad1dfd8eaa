/** --tls-min-version, --tls-cipher-suites, --tls-curve-preferences: component-base/cli/flag/{ciphersuites,curves}_flag.go. */
import { CIPHER_SUITES, CURVES, GO_DEFAULT_POLICY, TLS13_SUITES, type TlsPolicy, type TlsVersion } from './policy.ts'

const VERSIONS: Readonly<Record<string, TlsVersion>> = {
  VersionTLS10: 'TLSv1',
  VersionTLS11: 'TLSv1.1',
  VersionTLS12: 'TLSv1.2',
  VersionTLS13: 'TLSv1.3',
}

/** Names that Go knows by an older form as well; the CIS benchmark still uses it. */
const ALIASES: Readonly<Record<string, string>> = {
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
}

/**
 * Empty values mean Go's defaults; curves are Go's CurveIDs, and one that this OpenSSL has not is left out.
 * @throws Error with the real component's text for a name that Go does not know.
 */
export function policyFromFlags(
  minVersion: string,
  cipherSuites: readonly string[],
  curvePreferences: readonly (string | number)[] = [],
): TlsPolicy {
  const version = minVersion === '' ? GO_DEFAULT_POLICY.minVersion : VERSIONS[minVersion]
  if (version === undefined) throw new Error(`unknown tls version ${JSON.stringify(minVersion)}`)
  const names = cipherSuites.map(suiteName)
  for (const name of names) {
    if (!CIPHER_SUITES.has(name) && !TLS13_SUITES.has(name)) {
      throw new Error(`Cipher suite ${name} not supported or doesn't exist`)
    }
  }
  const curves = [...CURVES].filter(([, id]) => curvePreferences.map(Number).includes(id)).map(([name]) => name)
  return {
    ...GO_DEFAULT_POLICY,
    minVersion: version,
    ...(names.length > 0 ? { cipherSuites: names.filter((name) => CIPHER_SUITES.has(name)) } : {}),
    ...(curves.length > 0 ? { curvePreferences: curves } : {}),
  }
}

/** What the real components log of suites that Go calls insecure. */
export function insecureSuiteWarnings(cipherSuites: readonly string[]): string[] {
  return cipherSuites
    .map(suiteName)
    .filter((name) => CIPHER_SUITES.get(name)?.insecure)
    .map((name) => `Use of insecure cipher '${name}' detected.`)
}

/** golang.org/x/net/http2 wants one suite of RFC 9113: what it says of a policy that names suites and not that one. */
export function http2SuiteProblem({ cipherSuites, minVersion }: TlsPolicy): string | undefined {
  if (!cipherSuites || minVersion === 'TLSv1.3' || cipherSuites.some((name) => HTTP2_SUITES.includes(name))) {
    return undefined
  }
  return `http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher (need at least one of ${HTTP2_SUITES.join(' or ')})`
}

const HTTP2_SUITES = ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256']

function suiteName(name: string): string {
  const bare = name.trim()
  return ALIASES[bare] ?? bare
}
