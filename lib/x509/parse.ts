import { readTime } from './asn1-time.ts'
import type { Certificate } from './certificate.ts'
import { constructedTag, contextTag, DerReader, rightAlign, SEQUENCE } from './der.ts'
import { CertificateParseError, refuse } from './errors.ts'
import { processExtensions, readExtensions } from './extensions.ts'
import { parseName } from './name.ts'
import { parsePublicKey } from './public-key.ts'
import { readAlgorithmIdentifier, signatureAlgorithm } from './signature-algorithm.ts'

export type { Certificate } from './certificate.ts'
export { CertificateParseError } from './errors.ts'
export { nameToString, type Name } from './name.ts'

const NONE = Buffer.alloc(0)

/** The same few certificates come with every connection; a flood of others must not be kept. */
const MOST_REMEMBERED = 128
const remembered = new Map<string, Certificate>()

/**
 * Reads one certificate as Go 1.26's x509.ParseCertificate does, in the same order. The same bytes give the same value,
 * which nobody changes.
 * @throws CertificateParseError with Go's text
 */
export function parseCertificate(der: Buffer): Certificate {
  const key = der.toString('latin1')
  let certificate = remembered.get(key)
  if (!certificate) {
    certificate = parse(der)
    if (remembered.size >= MOST_REMEMBERED) remembered.delete(remembered.keys().next().value!)
    remembered.set(key, certificate)
  }
  return certificate
}

function parse(der: Buffer): Certificate {
  const raw = new DerReader(der).readElement(SEQUENCE) ?? refuse('x509: malformed certificate')
  const outer = new DerReader(raw).read(SEQUENCE) ?? refuse('x509: malformed certificate')
  const rawTbsCertificate = outer.readElement(SEQUENCE) ?? refuse('x509: malformed tbs certificate')
  const tbs = new DerReader(rawTbsCertificate).read(SEQUENCE) ?? refuse('x509: malformed tbs certificate')

  const version = readVersion(tbs)
  const serialNumber = tbs.readInteger() ?? refuse('x509: malformed serial number')
  // GODEBUG x509negativeserial=1 would let it pass; no component sets it.
  if (serialNumber < 0n) refuse('x509: negative serial number')
  const innerAlgorithm = tbs.read(SEQUENCE) ?? refuse('x509: malformed signature algorithm identifier')
  const outerAlgorithm = outer.read(SEQUENCE) ?? refuse('x509: malformed algorithm identifier')
  if (!outerAlgorithm.rest.equals(innerAlgorithm.rest)) {
    refuse("x509: inner and outer signature algorithm identifiers don't match")
  }
  const algorithm = signatureAlgorithm(readAlgorithmIdentifier(innerAlgorithm))
  const rawIssuer = tbs.readElement(SEQUENCE) ?? refuse('x509: malformed issuer')
  const issuer = parseName(rawIssuer)
  const validity = tbs.read(SEQUENCE) ?? refuse('x509: malformed validity')
  const notBefore = readTime(validity)
  const notAfter = readTime(validity)
  // "issuer" is what Go says of a subject too.
  const rawSubject = tbs.readElement(SEQUENCE) ?? refuse('x509: malformed issuer')
  const subject = parseName(rawSubject)
  const rawSubjectPublicKeyInfo = tbs.readElement(SEQUENCE) ?? refuse('x509: malformed spki')
  const publicKey = readSubjectPublicKeyInfo(rawSubjectPublicKeyInfo)

  const certificate: Certificate = {
    raw,
    rawTbsCertificate,
    rawSubject,
    rawIssuer,
    rawSubjectPublicKeyInfo,
    version,
    serialNumber,
    signatureAlgorithm: algorithm,
    signature: NONE,
    issuer,
    subject,
    notBefore: notBefore.date,
    notAfter: notAfter.date,
    notBeforeText: notBefore.text,
    notAfterText: notAfter.text,
    publicKey,
    extensions: [],
    hasUnhandledCriticalExtension: false,
    keyUsage: undefined,
    basicConstraintsValid: false,
    isCA: false,
    maxPathLen: -1,
    extKeyUsage: [],
    subjectKeyId: NONE,
    authorityKeyId: NONE,
    dnsNames: [],
    emails: [],
    ipAddresses: [],
    rawIpAddresses: [],
    uris: [],
    parsedUris: [],
    nameConstraints: undefined,
    policies: [],
    policyMappings: [],
    requireExplicitPolicy: undefined,
    inhibitPolicyMapping: undefined,
    inhibitAnyPolicy: undefined,
  }
  if (version > 1) readUniqueIdsAndExtensions(tbs, certificate)
  certificate.signature = rightAlign(outer.readBitString() ?? refuse('x509: malformed signature'))
  if (raw.length !== der.length) refuse('x509: trailing data')
  return certificate
}

function readVersion(tbs: DerReader): number {
  const explicit = tbs.readOptional(constructedTag(0))
  if (explicit === null) return 1
  const version = explicit?.readInt64()
  if (version === undefined || !explicit?.isEmpty || version < 0n) return refuse('x509: malformed version')
  // Go adds one to a 64-bit integer and so reads the largest one as the smallest.
  const counted = Number(BigInt.asIntN(64, version + 1n))
  return counted > 3 ? refuse('x509: invalid version') : counted
}

export function readSubjectPublicKeyInfo(raw: Buffer): Certificate['publicKey'] {
  const spki = new DerReader(raw).read(SEQUENCE) ?? refuse('x509: malformed spki')
  const algorithm = spki.read(SEQUENCE) ?? refuse('x509: malformed public key algorithm identifier')
  const identifier = readAlgorithmIdentifier(algorithm)
  const subjectPublicKey = spki.readBitString() ?? refuse('x509: malformed subjectPublicKey')
  return parsePublicKey(identifier, subjectPublicKey)
}

function readUniqueIdsAndExtensions(tbs: DerReader, certificate: Certificate): void {
  if (tbs.readOptional(contextTag(1)) === undefined) refuse('x509: malformed issuerUniqueID')
  if (tbs.readOptional(contextTag(2)) === undefined) refuse('x509: malformed subjectUniqueID')
  if (certificate.version !== 3) return
  const wrapped = tbs.readOptional(constructedTag(3))
  if (wrapped === undefined) refuse('x509: malformed extensions')
  if (wrapped === null) return
  certificate.extensions = readExtensions(wrapped)
  processExtensions(certificate)
}

/** All of a sent chain, or the first element that is no certificate: nothing is verified then. */
export function parseChain(
  ders: readonly Buffer[],
): { ok: true; chain: Certificate[] } | { ok: false; index: number; error: string } {
  const chain: Certificate[] = []
  for (const [index, der] of ders.entries()) {
    try {
      chain.push(parseCertificate(der))
    } catch (error) {
      if (error instanceof CertificateParseError) return { ok: false, index, error: error.message }
      throw error
    }
  }
  return { ok: true, chain }
}
