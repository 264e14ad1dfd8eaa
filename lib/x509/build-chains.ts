import { rfc3339 } from './asn1-time.ts'
import { type Certificate, subjectAltNameExtension } from './certificate.ts'
import type { CertPool } from './pool.ts'
import { signatureProblem } from './signature.ts'
import {
  invalid,
  outsideValidity,
  SIGNATURE_LIMIT,
  UNHANDLED_CRITICAL_EXTENSION,
  unknownAuthority,
  type VerifyFailure,
} from './verify-failure.ts'

/** What one verification searches in, and at what moment. */
export interface ChainSearch {
  roots: CertPool
  intermediates: CertPool
  time: Date
  /** Zone that the current time is printed in, minutes east of Greenwich. */
  zoneMinutes: number
  signatureChecks: number
}

type Role = 'leaf' | 'intermediate' | 'root'

/** Go's maxChainSignatureChecks. */
const MAX_SIGNATURE_CHECKS = 100

/**
 * Every chain from the last of `chain` to a root, leaf first; Go's buildChains. Where there is none, the failure is that of
 * the candidate looked at last, unless that was no more than a wrong signature.
 */
export function buildChains(chain: readonly Certificate[], search: ChainSearch): Certificate[][] | VerifyFailure {
  const certificate = chain.at(-1)
  if (certificate === undefined) return []
  const found: Certificate[][] = []
  let failure: VerifyFailure | undefined
  let hint: { error: string; candidate: Certificate } | undefined

  const consider = (role: Role, candidate: Certificate): void => {
    if (++search.signatureChecks > MAX_SIGNATURE_CHECKS) {
      failure = SIGNATURE_LIMIT
      return
    }
    if (candidate.publicKey === undefined || isAlreadyIn(chain, candidate)) return
    const wrongSignature = signatureProblem(certificate, candidate)
    if (wrongSignature !== undefined) {
      hint ??= { error: wrongSignature, candidate }
      return
    }
    failure = validityProblem(candidate, role, chain, search)
    if (failure) {
      hint ??= { error: failure.error, candidate }
      return
    }
    if (role === 'root') {
      found.push([...chain, candidate])
      return
    }
    const longer = buildChains([...chain, candidate], search)
    if (Array.isArray(longer)) found.push(...longer)
    else failure = longer
  }

  for (const role of ['root', 'intermediate'] as const) {
    const pool = role === 'root' ? search.roots : search.intermediates
    for (const candidate of pool.potentialParents(certificate)) {
      consider(role, candidate)
      if (failure === SIGNATURE_LIMIT) return found.length > 0 ? found : failure
    }
  }
  return found.length > 0 ? found : (failure ?? unknownAuthority(hint))
}

/** Go's isValid: what stands against the certificate as the next of the chain, whatever its signature. */
export function validityProblem(
  certificate: Certificate,
  role: Role,
  chain: readonly Certificate[],
  { time, zoneMinutes }: Pick<ChainSearch, 'time' | 'zoneMinutes'>,
): VerifyFailure | undefined {
  if (certificate.hasUnhandledCriticalExtension) return UNHANDLED_CRITICAL_EXTENSION
  const child = chain.at(-1)
  if (child && !child.rawIssuer.equals(certificate.rawSubject)) return invalid('NameMismatch')
  if (time < certificate.notBefore) {
    const now = rfc3339(time, zoneMinutes)
    return outsideValidity('not_yet_valid', `current time ${now} is before ${certificate.notBeforeText}`)
  }
  if (time > certificate.notAfter) {
    const now = rfc3339(time, zoneMinutes)
    return outsideValidity('expired', `current time ${now} is after ${certificate.notAfterText}`)
  }
  // keyUsage says nothing here: Go ignores it, but for the right to sign (signature.ts).
  const isCA = certificate.basicConstraintsValid && certificate.isCA
  if (role === 'intermediate' && !isCA) return invalid('NotAuthorizedToSign')
  // Self-issued certificates count, against RFC 5280.
  const limit = certificate.basicConstraintsValid ? certificate.maxPathLen : -1
  if (limit >= 0 && chain.length - 1 > limit) return invalid('TooManyIntermediates')
  return undefined
}

/** Subject, key and SAN make the certificate; otherwise cross-signatures would lead in circles. */
function isAlreadyIn(chain: readonly Certificate[], candidate: Certificate): boolean {
  const san = subjectAltNameExtension(candidate)
  for (const certificate of chain) {
    if (!candidate.rawSubject.equals(certificate.rawSubject)) continue
    if (!candidate.rawSubjectPublicKeyInfo.equals(certificate.rawSubjectPublicKeyInfo)) continue
    const other = subjectAltNameExtension(certificate)
    if (san === undefined && other === undefined) return true
    // Go looks no further once one of the two has no SAN.
    if (san === undefined || other === undefined) return false
    if (san.equals(other)) return true
  }
  return false
}
