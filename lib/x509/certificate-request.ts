/** Certificate requests as Go's x509.ParseCertificateRequest reads them (PKCS #10, RFC 2986). */
import type { Extension } from './certificate.ts'
import { constructedTag, DerReader, INTEGER, rightAlign, SEQUENCE, SET } from './der.ts'
import { refuse } from './errors.ts'
import { readExtension } from './extensions.ts'
import { ipToString } from './ip.ts'
import { parseName } from './name.ts'
import type { Name } from './name.ts'
import { readSubjectPublicKeyInfo } from './parse.ts'
import type { PublicKey } from './public-key.ts'
import { readAlgorithmIdentifier, signatureAlgorithm } from './signature-algorithm.ts'
import { signatureError } from './signature.ts'
import { parseSubjectAlternativeNames } from './subject-alternative-names.ts'
import { uriToString } from './uri.ts'

export interface CertificateRequest {
  /** DER, as the request has it. */
  rawSubject: Buffer
  rawSubjectPublicKeyInfo: Buffer
  subject: Name
  publicKey: PublicKey | undefined
  extensions: readonly Extension[]
  dnsNames: string[]
  emails: string[]
  ipAddresses: string[]
  uris: string[]
  /** Why the request is not signed with its own key, in Go's words; undefined for a good one. */
  signatureError: string | undefined
}

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14'
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17'
const MALFORMED = 'asn1: structure error: malformed certificate request'

/** @throws CertificateParseError for what is no request; a bad signature is only told. */
export function parseCertificateRequest(der: Buffer): CertificateRequest {
  const whole = new DerReader(der)
  const outer = whole.read(SEQUENCE) ?? refuse(MALFORMED)
  if (!whole.isEmpty) refuse('asn1: syntax error: trailing data')
  const rawInfo = outer.readElement(SEQUENCE) ?? refuse(MALFORMED)
  const algorithm = signatureAlgorithm(readAlgorithmIdentifier(outer.read(SEQUENCE) ?? refuse(MALFORMED)))
  const signature = rightAlign(outer.readBitString() ?? refuse(MALFORMED))
  const info = new DerReader(rawInfo).read(SEQUENCE) ?? refuse(MALFORMED)
  if (info.readElement(INTEGER) === undefined) refuse(MALFORMED)
  const rawSubject = info.readElement(SEQUENCE) ?? refuse(MALFORMED)
  const rawSubjectPublicKeyInfo = info.readElement(SEQUENCE) ?? refuse(MALFORMED)
  const publicKey = readSubjectPublicKeyInfo(rawSubjectPublicKeyInfo)
  const extensions = requestedExtensions(info)
  const names = extensions.filter(({ oid }) => oid === SUBJECT_ALTERNATIVE_NAME)
  const all = names.map(({ value }) => parseSubjectAlternativeNames(value))
  const unsupported = 'x509: cannot verify signature: algorithm unimplemented'
  return {
    rawSubject,
    rawSubjectPublicKeyInfo,
    subject: parseName(rawSubject),
    publicKey,
    extensions,
    dnsNames: all.flatMap(({ dns }) => dns),
    emails: all.flatMap(({ emails }) => emails),
    ipAddresses: all.flatMap(({ ips }) => ips.map(ipToString)),
    uris: all.flatMap(({ uris }) => uris.map(uriToString)),
    signatureError: publicKey ? signatureError(algorithm, rawInfo, signature, publicKey) : unsupported,
  }
}

/** Those of every extensionRequest attribute. */
function requestedExtensions(info: DerReader): Extension[] {
  const attributes = info.readOptional(constructedTag(0))
  const extensions: Extension[] = []
  if (!attributes) return extensions
  while (!attributes.isEmpty) {
    const attribute = attributes.read(SEQUENCE) ?? refuse(MALFORMED)
    const oid = attribute.readOid() ?? refuse(MALFORMED)
    const values = attribute.read(SET)
    if (oid !== EXTENSION_REQUEST || !values) continue
    const list = values.read(SEQUENCE) ?? refuse(MALFORMED)
    while (!list.isEmpty) extensions.push(readExtension(list.read(SEQUENCE) ?? refuse(MALFORMED)))
  }
  return extensions
}
