import type { VerifyFailure } from './verify-failure.ts'

/** TLS alert descriptions (RFC 8446 section 6) that certificates bring about. */
export const BAD_CERTIFICATE = 42
export const UNSUPPORTED_CERTIFICATE = 43
export const CERTIFICATE_EXPIRED = 45
export const UNKNOWN_CA = 48
export const DECODE_ERROR = 50

/** The alert that Go's crypto/tls sends for a failed verification. A client knows but one. */
export function alertFor(failure: Pick<VerifyFailure, 'type' | 'reason'>, who: 'server' | 'client'): number {
  if (who === 'client') return BAD_CERTIFICATE
  if (failure.type === 'x509.UnknownAuthorityError') return UNKNOWN_CA
  return failure.reason === 'Expired' ? CERTIFICATE_EXPIRED : BAD_CERTIFICATE
}
