/** TLS settings in the words of Go's crypto/tls, and what they are for Node's. */
import { constants, createHash } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'

/** What one end may negotiate, in the words of Go's crypto/tls. */
export interface TlsPolicy {
  minVersion: TlsVersion
  maxVersion: TlsVersion
  /** IANA names for TLS 1.2 and below; absent means Go's defaults. TLS 1.3 suites cannot be chosen, as in Go. */
  cipherSuites?: readonly string[]
  /** Names such as `X25519`, `P-256`; absent means Go's defaults. */
  curvePreferences?: readonly string[]
}

/** Go's defaults since 1.22: TLS 1.2 and 1.3, no static RSA, no 3DES. */
export const GO_DEFAULT_POLICY: TlsPolicy = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' }

export interface CipherSuite {
  /** IANA's number. */
  id: number
  /** Undefined for what this OpenSSL has forgotten: such a suite is known, and never agreed on. */
  openssl?: string
  /** Go lists it under InsecureCipherSuites: known by name, off unless asked for. */
  insecure?: true
}

/** Suites that Go knows for TLS 1.2 and below, in its order of preference (crypto/tls cipher_suites.go), to OpenSSL's names. */
export const CIPHER_SUITES: ReadonlyMap<string, CipherSuite> = new Map<string, CipherSuite>([
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', { id: 0xc02b, openssl: 'ECDHE-ECDSA-AES128-GCM-SHA256' }],
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', { id: 0xc02f, openssl: 'ECDHE-RSA-AES128-GCM-SHA256' }],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', { id: 0xc02c, openssl: 'ECDHE-ECDSA-AES256-GCM-SHA384' }],
  ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', { id: 0xc030, openssl: 'ECDHE-RSA-AES256-GCM-SHA384' }],
  ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', { id: 0xcca9, openssl: 'ECDHE-ECDSA-CHACHA20-POLY1305' }],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', { id: 0xcca8, openssl: 'ECDHE-RSA-CHACHA20-POLY1305' }],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', { id: 0xc009, openssl: 'ECDHE-ECDSA-AES128-SHA' }],
  ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', { id: 0xc013, openssl: 'ECDHE-RSA-AES128-SHA' }],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA', { id: 0xc00a, openssl: 'ECDHE-ECDSA-AES256-SHA' }],
  ['TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', { id: 0xc014, openssl: 'ECDHE-RSA-AES256-SHA' }],
  ['TLS_RSA_WITH_AES_128_GCM_SHA256', { id: 0x9c, openssl: 'AES128-GCM-SHA256', insecure: true }],
  ['TLS_RSA_WITH_AES_256_GCM_SHA384', { id: 0x9d, openssl: 'AES256-GCM-SHA384', insecure: true }],
  ['TLS_RSA_WITH_AES_128_CBC_SHA', { id: 0x2f, openssl: 'AES128-SHA', insecure: true }],
  ['TLS_RSA_WITH_AES_256_CBC_SHA', { id: 0x35, openssl: 'AES256-SHA', insecure: true }],
  ['TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA', { id: 0xc012, insecure: true }],
  ['TLS_RSA_WITH_3DES_EDE_CBC_SHA', { id: 0x0a, insecure: true }],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256', { id: 0xc023, openssl: 'ECDHE-ECDSA-AES128-SHA256', insecure: true }],
  ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256', { id: 0xc027, openssl: 'ECDHE-RSA-AES128-SHA256', insecure: true }],
  ['TLS_RSA_WITH_AES_128_CBC_SHA256', { id: 0x3c, openssl: 'AES128-SHA256', insecure: true }],
  ['TLS_ECDHE_ECDSA_WITH_RC4_128_SHA', { id: 0xc007, insecure: true }],
  ['TLS_ECDHE_RSA_WITH_RC4_128_SHA', { id: 0xc011, insecure: true }],
  ['TLS_RSA_WITH_RC4_128_SHA', { id: 0x05, insecure: true }],
])

/** Go's TLS 1.3 suites, which no setting reaches. */
export const TLS13_SUITES: ReadonlyMap<string, number> = new Map([
  ['TLS_AES_128_GCM_SHA256', 0x1301],
  ['TLS_AES_256_GCM_SHA384', 0x1302],
  ['TLS_CHACHA20_POLY1305_SHA256', 0x1303],
])

/** Named groups to their numbers, in Go's own order of preference; its post-quantum ones are unknown to this OpenSSL. */
export const CURVES: ReadonlyMap<string, number> = new Map([
  ['X25519', 29],
  ['P-256', 23],
  ['P-384', 24],
  ['P-521', 25],
])

/** Go's defaultSupportedSignatureAlgorithms without SHA-1, which is off since Go 1.25 (GODEBUG tlssha1). */
const SIGNATURE_ALGORITHMS = [
  'rsa_pss_rsae_sha256',
  'ecdsa_secp256r1_sha256',
  'ed25519',
  'rsa_pss_rsae_sha384',
  'rsa_pss_rsae_sha512',
  'rsa_pkcs1_sha256',
  'rsa_pkcs1_sha384',
  'rsa_pkcs1_sha512',
  'ecdsa_secp384r1_sha384',
  'ecdsa_secp521r1_sha512',
]

/** Names of the suites of TLS 1.2 and below that a policy allows, in Go's order, whatever order they were given in. */
export function allowedSuites(policy: TlsPolicy): string[] {
  const { cipherSuites } = policy
  const isAllowed = (name: string, suite: CipherSuite): boolean => cipherSuites?.includes(name) ?? !suite.insecure
  return [...CIPHER_SUITES].filter(([name, suite]) => isAllowed(name, suite)).map(([name]) => name)
}

/** The named groups of a policy; an empty list means Go's. */
export function allowedCurves(policy: TlsPolicy): string[] {
  const wanted = policy.curvePreferences
  return [...CURVES.keys()].filter((name) => !wanted?.length || wanted.includes(name))
}

/** Node's options for a policy: Go's order, Go's signature algorithms, and no renegotiation, which Go never grants. */
export function policyOptions(policy: TlsPolicy): SecureContextOptions {
  const older = allowedSuites(policy).map((name) => CIPHER_SUITES.get(name)?.openssl)
  const weak = policy.minVersion < 'TLSv1.2'
  return {
    minVersion: policy.minVersion,
    maxVersion: policy.maxVersion,
    ciphers: [...TLS13_SUITES.keys(), ...older, ...(weak ? ['@SECLEVEL=0'] : [])].filter(Boolean).join(':'),
    honorCipherOrder: true,
    // Go takes ChaCha20 first from a client that does, since it will have no AES in hardware.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_PRIORITIZE_CHACHA,
    ecdhCurve: allowedCurves(policy).join(':'),
    sigalgs: SIGNATURE_ALGORITHMS.join(':'),
  }
}

const contexts = new Map<string, SecureContext>()
const MOST_CONTEXTS = 64

/** A secure context for these options, made once: 0.9 ms each, and each has its own ticket keys. */
export function cachedContext(options: SecureContextOptions): SecureContext {
  const key = createHash('sha256').update(JSON.stringify(options)).digest('base64')
  let context = contexts.get(key)
  if (!context) {
    context = createSecureContext(options)
    if (contexts.size >= MOST_CONTEXTS) contexts.delete(contexts.keys().next().value!)
    contexts.set(key, context)
  }
  return context
}
