import { type Asn1Time, readTime } from './asn1-time.ts'
import type { Extension } from './certificate.ts'
import { constructedTag, DerReader, ENUMERATED, GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME } from './der.ts'
import { refuse } from './errors.ts'
import { parseAuthorityKeyIdentifier, readExtension } from './extensions.ts'
import { type Name, parseName } from './name.ts'
import { readAlgorithmIdentifier } from './signature-algorithm.ts'

/** What Go's x509.RevocationList holds, less the signature: etcd, the one reader of lists here, does not verify it. */
export interface RevocationList {
  issuer: Name
  thisUpdate: Date
  nextUpdate: Date | undefined
  /** crlNumber. */
  number: bigint | undefined
  /** Empty where absent. */
  authorityKeyId: Buffer
  revoked: RevokedCertificate[]
}

export interface RevokedCertificate {
  serialNumber: bigint
  revocationTime: Date
  /** 0, unspecified, where the list does not say (RFC 5280 section 5.3.1). */
  reasonCode: number
}

const REASON_CODE = '2.5.29.21'
const CRL_NUMBER = '2.5.29.20'
const AUTHORITY_KEY_IDENTIFIER = '2.5.29.35'

const MALFORMED = 'x509: malformed crl'

/**
 * Reads a version 2 list as Go 1.26's x509.ParseRevocationList does: DER only (PEM is `malformed crl`), trailing bytes are ignored.
 * @throws CertificateParseError with Go's text
 */
export function parseRevocationList(der: Buffer): RevocationList {
  const outer = new DerReader(der).read(SEQUENCE) ?? refuse(MALFORMED)
  const tbs = outer.read(SEQUENCE) ?? refuse('x509: malformed tbs crl')
  if (!tbs.peek(INTEGER)) refuse('x509: unsupported crl version')
  const version = tbs.readInt64() ?? refuse(MALFORMED)
  if (version !== 1n) refuse(`x509: unsupported crl version: ${version}`)
  const innerAlgorithm = tbs.read(SEQUENCE) ?? refuse('x509: malformed signature algorithm identifier')
  const outerAlgorithm = outer.read(SEQUENCE) ?? refuse('x509: malformed algorithm identifier')
  if (!outerAlgorithm.rest.equals(innerAlgorithm.rest)) {
    refuse("x509: inner and outer signature algorithm identifiers don't match")
  }
  readAlgorithmIdentifier(innerAlgorithm)
  if (outer.readBitString() === undefined) refuse('x509: malformed signature')
  const issuer = parseName(tbs.readElement(SEQUENCE) ?? refuse('x509: malformed issuer'))
  const thisUpdate = readTime(tbs).date
  const nextUpdate = tbs.peek(GENERALIZED_TIME) || tbs.peek(UTC_TIME) ? readTime(tbs).date : undefined
  const entries = tbs.readOptional(SEQUENCE)
  if (entries === undefined) refuse(MALFORMED)
  const revoked = entries === null ? [] : readEntries(entries)
  const extensions = readListExtensions(tbs)
  return { issuer, thisUpdate, nextUpdate, revoked, ...extensions }
}

function readEntries(entries: DerReader): RevokedCertificate[] {
  const revoked: RevokedCertificate[] = []
  while (!entries.isEmpty) revoked.push(readEntry(entries.read(SEQUENCE) ?? refuse(MALFORMED)))
  return revoked
}

function readEntry(entry: DerReader): RevokedCertificate {
  const serialNumber = entry.readInteger() ?? refuse('x509: malformed serial number')
  const revocationTime: Asn1Time = readTime(entry)
  const extensions = entry.readOptional(SEQUENCE)
  if (extensions === undefined) refuse('x509: malformed extensions')
  let reasonCode = 0
  for (const { oid, value } of extensions === null ? [] : readAll(extensions)) {
    if (oid !== REASON_CODE) continue
    const reason = new DerReader(value).readInt64(ENUMERATED) ?? refuse('x509: malformed reasonCode extension')
    reasonCode = Number(reason)
  }
  return { serialNumber, revocationTime: revocationTime.date, reasonCode }
}

function readListExtensions(tbs: DerReader): Pick<RevocationList, 'number' | 'authorityKeyId'> {
  const found: Pick<RevocationList, 'number' | 'authorityKeyId'> = {
    number: undefined,
    authorityKeyId: Buffer.alloc(0),
  }
  const wrapped = tbs.readOptional(constructedTag(0))
  if (wrapped === null) return found
  const sequence = wrapped?.read(SEQUENCE) ?? refuse('x509: malformed extensions')
  for (const { oid, critical, value } of readAll(sequence)) {
    if (oid === AUTHORITY_KEY_IDENTIFIER) {
      if (critical) refuse('x509: authority key identifier incorrectly marked critical')
      found.authorityKeyId = parseAuthorityKeyIdentifier(value)
    } else if (oid === CRL_NUMBER) {
      found.number = new DerReader(value).readInteger() ?? refuse('x509: malformed crl number')
    }
  }
  return found
}

/** One after the other, so that the first thing amiss is the one complained of. Repeated ones are not refused in a list. */
function* readAll(sequence: DerReader): Generator<Extension> {
  while (!sequence.isEmpty) yield readExtension(sequence.read(SEQUENCE) ?? refuse('x509: malformed extension'))
}
