/** TLS settings in the words of Go's crypto/tls, and what they are for Node's. */
import { createHash } from 'node:crypto'
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

/** Suites that Go knows for TLS 1.2 and below, in its order of preference (crypto/tls cipher_suites.go), to OpenSSL's names. */
export const CIPHER_SUITES: ReadonlyMap<string, { openssl: string; insecure?: true }> = new Map([
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', { openssl: 'ECDHE-ECDSA-AES128-GCM-SHA256' }],
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', { openssl: 'ECDHE-RSA-AES128-GCM-SHA256' }],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', { openssl: 'ECDHE-ECDSA-AES256-GCM-SHA384' }],
  ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', { openssl: 'ECDHE-RSA-AES256-GCM-SHA384' }],
  ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', { openssl: 'ECDHE-ECDSA-CHACHA20-POLY1305' }],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', { openssl: 'ECDHE-RSA-CHACHA20-POLY1305' }],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', { openssl: 'ECDHE-ECDSA-AES128-SHA' }],
  ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', { openssl: 'ECDHE-RSA-AES128-SHA' }],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA', { openssl: 'ECDHE-ECDSA-AES256-SHA' }],
  ['TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', { openssl: 'ECDHE-RSA-AES256-SHA' }],
  ['TLS_RSA_WITH_AES_128_GCM_SHA256', { openssl: 'AES128-GCM-SHA256', insecure: true }],
  ['TLS_RSA_WITH_AES_256_GCM_SHA384', { openssl: 'AES256-GCM-SHA384', insecure: true }],
  ['TLS_RSA_WITH_AES_128_CBC_SHA', { openssl: 'AES128-SHA', insecure: true }],
  ['TLS_RSA_WITH_AES_256_CBC_SHA', { openssl: 'AES256-SHA', insecure: true }],
  ['TLS_RSA_WITH_AES_128_CBC_SHA256', { openssl: 'AES128-SHA256', insecure: true }],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256', { openssl: 'ECDHE-ECDSA-AES128-SHA256', insecure: true }],
  ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256', { openssl: 'ECDHE-RSA-AES128-SHA256', insecure: true }],
])

const CURVES: ReadonlyMap<string, string> = new Map([
  ['X25519', 'X25519'],
  ['P-256', 'P-256'],
  ['P-384', 'P-384'],
  ['P-521', 'P-521'],
])

/** Go's own order, also where a component was given an empty list. */
const GO_CURVES = ['X25519', 'P-256', 'P-384', 'P-521']

const TLS13_SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']

/** Node's options for a policy. Server preference is Go's: its own order, not the client's. */
export function policyOptions(policy: TlsPolicy): SecureContextOptions {
  const names = policy.cipherSuites ?? [...CIPHER_SUITES].filter(([, suite]) => !suite.insecure).map(([name]) => name)
  const older = names.map((name) => CIPHER_SUITES.get(name)?.openssl).filter((name) => name !== undefined)
  const weak = policy.minVersion === 'TLSv1' || policy.minVersion === 'TLSv1.1'
  return {
    minVersion: policy.minVersion,
    maxVersion: policy.maxVersion,
    ciphers: [...TLS13_SUITES, ...older, ...(weak ? ['@SECLEVEL=0'] : [])].join(':'),
    honorCipherOrder: true,
    ecdhCurve: (policy.curvePreferences?.length ? policy.curvePreferences : GO_CURVES)
      .map((name) => CURVES.get(name) ?? name)
      .join(':'),
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
