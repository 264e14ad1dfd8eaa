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
