/**
 * What Go's server makes of a ClientHello before anything is sent: the version and the protocol agreed on, or the alert and
 * the words it ends the handshake with (crypto/tls handshake_server.go and handshake_server_tls13.go, in their order).
 */
import { goQuoteBytes } from '../x509/go-quote.ts'
import { ALERTS } from './alerts.ts'
import type { ClientHello } from './client-hello.ts'
import { CIPHER_SUITES, CURVES, TLS13_SUITES, allowedCurves, allowedSuites, type TlsPolicy } from './policy.ts'

/** Kind of the serving key; of an elliptic curve, which. */
export type ServingKey = 'RSA' | 'Ed25519' | 'P-224' | 'P-256' | 'P-384' | 'P-521'

export interface HelloTerms {
  policy: TlsPolicy
  /** Protocols in order of preference; empty: not negotiated. */
  alpn: readonly string[]
  /** Asked once the hello is good enough for Go to look for a certificate; may throw, as Go's GetCertificate may fail. */
  servingKey: () => ServingKey | undefined
}

export type HelloAnswer =
  | { ok: true; version: number; alpn?: string }
  /** `version`: the one that was agreed on before the fault was found, if any. */
  | { ok: false; version?: number; alert: number; text: string }

const TLS10 = 0x0301
const TLS12 = 0x0303
const TLS13 = 0x0304
const VERSIONS = { TLSv1: TLS10, 'TLSv1.1': 0x0302, 'TLSv1.2': TLS12, 'TLSv1.3': TLS13 } as const

/** TLS_FALLBACK_SCSV (RFC 7507). */
const FALLBACK = 0x5600

export function answerHello(hello: ClientHello, terms: HelloTerms): HelloAnswer {
  const { policy } = terms
  const offered = offeredVersions(hello)
  const highest = VERSIONS[policy.maxVersion]
  const version = range(highest, VERSIONS[policy.minVersion]).find((one) => offered.includes(one))
  if (version === undefined) {
    return fault('protocol_version', `tls: client offered only unsupported versions: ${hexList(offered)}`)
  }
  const isFallback = hello.cipherSuites.includes(FALLBACK)
  const fallbackFault = fault('inappropriate_fallback', 'tls: client using inappropriate protocol fallback')
  const answer =
    version === TLS13
      ? answer13(hello, terms, isFallback && version < highest ? fallbackFault : undefined)
      : answer12(hello, terms, version, isFallback && hello.version < highest ? fallbackFault : undefined)
  return { ...answer, version }
}

type Fault = { ok: false; alert: number; text: string }

function fault(alert: keyof typeof ALERTS, text: string): Fault {
  return { ok: false, alert: ALERTS[alert], text }
}

function offeredVersions({ version, supportedVersions }: ClientHello): number[] {
  return supportedVersions.length > 0 ? supportedVersions : range(Math.min(version, TLS12), TLS10)
}

function range(highest: number, lowest: number): number[] {
  return Array.from({ length: Math.max(0, highest - lowest + 1) }, (_, index) => highest - index)
}

type Part = { ok: true; alpn?: string } | Fault

function answer12(hello: ClientHello, terms: HelloTerms, version: number, fallbackFault: Fault | undefined): Part {
  if (!hello.compressionMethods.includes(0)) {
    return fault('illegal_parameter', 'tls: client does not support uncompressed connections')
  }
  if (hello.renegotiationLength > 0) return RENEGOTIATION
  const protocol = negotiate(terms.alpn, hello.alpn)
  if (!protocol.ok) return protocol
  const key = servingKey(terms)
  if (typeof key === 'object') return key
  if (hello.pointFormats.length > 0 && !hello.pointFormats.includes(0)) {
    return fault('missing_extension', 'tls: client offered only incompatible point formats')
  }
  const hasCurve = commonCurves(hello, terms.policy).length > 0
  const suite = allowedSuites(terms.policy).find(
    (name) => hello.cipherSuites.includes(CIPHER_SUITES.get(name)!.id) && fits(name, key, version, hasCurve),
  )
  if (!suite) return noSuite(hello)
  if (fallbackFault) return fallbackFault
  const unsigned = suite.startsWith('TLS_ECDHE') && version === TLS12 ? signatureFault(hello, key, version) : undefined
  return unsigned ?? protocol
}

function answer13(hello: ClientHello, terms: HelloTerms, fallbackFault: Fault | undefined): Part {
  if (fallbackFault) return fallbackFault
  if (hello.compressionMethods.length !== 1 || hello.compressionMethods[0] !== 0) {
    return fault('illegal_parameter', 'tls: TLS 1.3 client supports illegal compression methods')
  }
  if (hello.renegotiationLength > 0) return RENEGOTIATION
  if (hello.hasEarlyData) return fault('unsupported_extension', 'tls: client sent unexpected early data')
  const suites = [...TLS13_SUITES.values()]
  if (!suites.some((suite) => hello.cipherSuites.includes(suite))) return noSuite(hello)
  if (commonCurves(hello, terms.policy).length === 0) {
    return fault('handshake_failure', 'tls: no key exchanges supported by both client and server')
  }
  const protocol = negotiate(terms.alpn, hello.alpn)
  if (!protocol.ok) return protocol
  if (hello.hasQuicParameters) {
    const text = 'tls: client sent an unexpected quic_transport_parameters extension'
    return fault('unsupported_extension', text)
  }
  if (hello.signatureAlgorithms.length === 0) {
    return fault('missing_extension', 'local error: tls: missing extension')
  }
  const key = servingKey(terms)
  if (typeof key === 'object') return key
  return signatureFault(hello, key, TLS13) ?? protocol
}

const RENEGOTIATION = fault('handshake_failure', 'tls: initial handshake had non-empty renegotiation extension')

function noSuite({ cipherSuites }: ClientHello): Fault {
  const offer = `client offered: ${hexList(cipherSuites)}`
  return fault('handshake_failure', `tls: no cipher suite supported by both client and server; ${offer}`)
}

function servingKey({ servingKey: ask }: HelloTerms): ServingKey | Fault {
  try {
    return ask() ?? fault('internal_error', 'tls: no certificates configured')
  } catch (error) {
    return fault('internal_error', (error as Error).message)
  }
}

function commonCurves({ groups }: ClientHello, policy: TlsPolicy): string[] {
  return allowedCurves(policy).filter((name) => groups.includes(CURVES.get(name)!))
}

/** cipherSuiteOk: whether key, version and curves go with the suite. */
function fits(suite: string, key: ServingKey, version: number, hasCurve: boolean): boolean {
  if (suite.startsWith('TLS_ECDHE') ? !hasCurve : key !== 'RSA') return false
  if (suite.startsWith('TLS_ECDHE_ECDSA') === (key === 'RSA')) return false
  const needs12 = !suite.endsWith('_SHA')
  return !needs12 || version >= TLS12
}

/** Go's signature schemes for a key (crypto/tls auth.go); at TLS 1.2 an ECDSA scheme does not name the curve. */
const ECDSA_SCHEMES = { 'P-256': 0x0403, 'P-384': 0x0503, 'P-521': 0x0603 }
const PSS_SCHEMES = [0x0804, 0x0805, 0x0806]
const PKCS1_SCHEMES = [0x0401, 0x0501, 0x0601]

function schemes(key: ServingKey, version: number): number[] {
  if (key === 'RSA') return version === TLS13 ? PSS_SCHEMES : [...PSS_SCHEMES, ...PKCS1_SCHEMES]
  if (key === 'Ed25519') return [0x0807]
  if (version < TLS13) return Object.values(ECDSA_SCHEMES)
  return key === 'P-224' ? [] : [ECDSA_SCHEMES[key]]
}

function signatureFault(hello: ClientHello, key: ServingKey, version: number): Fault | undefined {
  const { signatureAlgorithms } = hello
  if (schemes(key, version).length === 0)
    return fault('handshake_failure', `tls: unsupported certificate curve (${key})`)
  if (signatureAlgorithms.length === 0) {
    return fault('handshake_failure', 'tls: missing signature_algorithms from TLS 1.2 peer')
  }
  if (schemes(key, version).some((scheme) => signatureAlgorithms.includes(scheme))) return undefined
  return fault('handshake_failure', `tls: peer doesn't support any of the certificate's signature algorithms`)
}

/** Go's negotiateALPN: a client of http/1.1 alone is let in where only h2 is spoken, and then no protocol is named. */
function negotiate(ours: readonly string[], theirs: readonly string[]): Part {
  if (ours.length === 0 || theirs.length === 0) return { ok: true }
  const common = ours.find((name) => theirs.includes(name))
  if (common !== undefined) return { ok: true, alpn: common }
  if (ours.includes('h2') && theirs.includes('http/1.1')) return { ok: true }
  const names = theirs.map(goQuoteBytes).join(' ')
  return fault('no_application_protocol', `tls: client requested unsupported application protocols ([${names}])`)
}

/** Go's %x of a slice of uint16. */
function hexList(numbers: readonly number[]): string {
  return `[${numbers.map((number) => number.toString(16)).join(' ')}]`
}
