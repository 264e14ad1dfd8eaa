import type { Certificate } from './certificate.ts'
import { goQuote } from './go-quote.ts'

/** Go's InvalidReason, where Verify can answer with it. */
export type InvalidReason =
  | 'NotAuthorizedToSign'
  | 'Expired'
  | 'CANotAuthorizedForThisName'
  | 'TooManyIntermediates'
  | 'IncompatibleUsage'
  | 'NameMismatch'
  | 'NoValidChains'

/** Our word for each way to fail. */
export type VerifyCode =
  | 'unknown_authority'
  | 'expired'
  | 'not_yet_valid'
  | 'incompatible_usage'
  | 'host_name_mismatch'
  | 'not_authorized_to_sign'
  | 'name_not_permitted'
  | 'too_many_intermediates'
  | 'issuer_name_mismatch'
  | 'no_valid_chains'
  | 'unhandled_critical_extension'
  | 'signature_limit'

/** An error of Certificate.Verify. */
export interface VerifyFailure {
  stage: 'verify' | 'hostname'
  /** The Go type. */
  type: string
  reason?: InvalidReason
  /** Go's text. */
  error: string
  code: VerifyCode
}

const CODES: Record<Exclude<InvalidReason, 'Expired'>, VerifyCode> = {
  NotAuthorizedToSign: 'not_authorized_to_sign',
  CANotAuthorizedForThisName: 'name_not_permitted',
  TooManyIntermediates: 'too_many_intermediates',
  IncompatibleUsage: 'incompatible_usage',
  NameMismatch: 'issuer_name_mismatch',
  NoValidChains: 'no_valid_chains',
}

const TEXTS: Record<keyof typeof CODES, string> = {
  NotAuthorizedToSign: 'x509: certificate is not authorized to sign other certificates',
  CANotAuthorizedForThisName: 'x509: a root or intermediate certificate is not authorized to sign for this name: ',
  TooManyIntermediates: 'x509: too many intermediates for path length constraint',
  IncompatibleUsage: 'x509: certificate specifies an incompatible key usage',
  NameMismatch: 'x509: issuer name does not match subject from issuing certificate',
  NoValidChains: 'x509: no valid chains built: ',
}

const TYPE = 'x509.CertificateInvalidError'

export function invalid(reason: keyof typeof CODES, detail = ''): VerifyFailure {
  return { stage: 'verify', type: TYPE, reason, error: TEXTS[reason] + detail, code: CODES[reason] }
}

/** `detail` is `current time … is before …` or `… is after …`. */
export function outsideValidity(code: 'expired' | 'not_yet_valid', detail: string): VerifyFailure {
  const error = `x509: certificate has expired or is not yet valid: ${detail}`
  return { stage: 'verify', type: TYPE, reason: 'Expired', error, code }
}

export function hostnameMismatch(error: string): VerifyFailure {
  return { stage: 'hostname', type: 'x509.HostnameError', error, code: 'host_name_mismatch' }
}

export const UNHANDLED_CRITICAL_EXTENSION: VerifyFailure = {
  stage: 'verify',
  type: 'x509.UnhandledCriticalExtension',
  error: 'x509: unhandled critical extension',
  code: 'unhandled_critical_extension',
}

export const SIGNATURE_LIMIT: VerifyFailure = {
  stage: 'verify',
  type: '*errors.errorString',
  error: 'x509: signature check attempts limit reached while verifying certificate chain',
  code: 'signature_limit',
}

/** `hint` is the first candidate that could not be the issuer, and why. */
export function unknownAuthority(hint: { error: string; candidate: Certificate } | undefined): VerifyFailure {
  let error = 'x509: certificate signed by unknown authority'
  if (hint) {
    const name = goQuote(authorityName(hint.candidate))
    error += ` (possibly because of ${goQuote(hint.error)} while trying to verify candidate authority certificate ${name})`
  }
  return { stage: 'verify', type: 'x509.UnknownAuthorityError', error, code: 'unknown_authority' }
}

function authorityName({ subject, serialNumber }: Certificate): string {
  if (subject.commonName !== '') return subject.commonName
  return subject.organization[0] ?? `serial:${serialNumber}`
}
