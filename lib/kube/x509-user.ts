/**
 * Who a verified client certificate says its holder is: pkg/authentication/request/x509/x509.go (CommonNameUserConversion).
 * SANs and OU are never read.
 */
import { createHash } from 'node:crypto'
import type { Certificate } from '../x509/parse.ts'
import type { User } from './user.ts'

/** Subject attribute that carries a uid (gate AllowParsingUserUIDFromCertAuth, on since 1.33). */
const UID_ATTRIBUTE = '1.3.6.1.4.1.57683.2'

export const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id'

/** A certificate whose subject contradicts itself; whoever shows it is refused, not anonymous. */
export class CertificateUserError extends Error {
  override readonly name = 'CertificateUserError'
}

/**
 * The last CN is the name, every O a group, also an empty one. `undefined` where there is no name: the certificate then says
 * nothing about anybody. Throws a CertificateUserError for more than one uid attribute, or an empty one.
 */
export function userFromCertificate(certificate: Certificate): User | undefined {
  const { subject } = certificate
  if (subject.commonName === '') return undefined
  const uids = subject.names.filter(([oid]) => oid === UID_ATTRIBUTE).map(([, value]) => value)
  if (uids.length > 1) throw new CertificateUserError('expected 1 UID, but found multiple')
  if (uids[0] === '') throw new CertificateUserError('UID cannot be an empty string')
  const user: User = {
    username: subject.commonName,
    groups: [...subject.organization],
    extra: { [CREDENTIAL_ID]: [`X509SHA256=${createHash('sha256').update(certificate.raw).digest('hex')}`] },
  }
  if (uids[0] !== undefined) user.uid = uids[0]
  return user
}
