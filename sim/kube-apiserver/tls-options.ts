/** --tls-*: what the serving side may negotiate, with the real refusals (component-base/cli/flag/ciphersuites_flag.go). */
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import { CIPHER_SUITES, GO_DEFAULT_POLICY } from '../../lib/tls/policy.ts'
import type { TlsPolicy, TlsVersion } from '../../lib/tls/policy.ts'
import { StartRefusal } from './options.ts'

const VERSIONS: Readonly<Record<string, TlsVersion>> = {
  VersionTLS10: 'TLSv1',
  VersionTLS11: 'TLSv1.1',
  VersionTLS12: 'TLSv1.2',
  VersionTLS13: 'TLSv1.3',
}
const TLS13_SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']
/** Names that Go knows by an older form as well. */
const ALIASES: Readonly<Record<string, string>> = {
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
}
/** crypto/tls CurveIDs. */
const CURVES: Readonly<Record<string, string>> = { '23': 'P-256', '24': 'P-384', '25': 'P-521', '29': 'X25519' }
const HTTP2_SUITES = ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256']

export interface ServingPolicy {
  policy: TlsPolicy
  /** Log lines: `Use of insecure cipher '…' detected.` */
  warnings: string[]
}

export function servingPolicy(flags: FlagSet): ServingPolicy {
  const names = flags.list('tls-cipher-suites').map((name) => ALIASES[name.trim()] ?? name.trim())
  const unknown = names.find((name) => !CIPHER_SUITES.has(name) && !TLS13_SUITES.includes(name))
  if (unknown !== undefined) throw new StartRefusal(`Cipher suite ${unknown} not supported or doesn't exist`)
  const wanted = flags.string('tls-min-version')
  const minVersion = wanted === '' ? GO_DEFAULT_POLICY.minVersion : VERSIONS[wanted]
  if (!minVersion) throw new StartRefusal(`unknown tls version ${JSON.stringify(wanted)}`)
  const curves = flags.list('tls-curve-preferences').flatMap((id) => CURVES[id] ?? [])
  return {
    policy: {
      minVersion,
      maxVersion: GO_DEFAULT_POLICY.maxVersion,
      ...(names.length > 0 && { cipherSuites: names }),
      ...(curves.length > 0 && { curvePreferences: curves }),
    },
    warnings: names
      .filter((name) => CIPHER_SUITES.get(name)?.insecure)
      .map((name) => `Use of insecure cipher '${name}' detected.`),
  }
}

/** golang.org/x/net/http2 wants one suite of RFC 7540; said last of all, when the server begins to serve. */
export function assertHttp2Suites({ cipherSuites, minVersion }: TlsPolicy): void {
  if (!cipherSuites || minVersion === 'TLSv1.3' || cipherSuites.some((name) => HTTP2_SUITES.includes(name))) return
  const needs = `(need at least one of ${HTTP2_SUITES.join(' or ')})`
  throw new StartRefusal(
    `error configuring http2: http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher ${needs}`,
  )
}
