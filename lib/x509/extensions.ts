import type { Certificate, Extension, KeyUsage } from './certificate.ts'
import { constructedTag, contextTag, DerReader, OCTET_STRING, SEQUENCE } from './der.ts'
import { refuse } from './errors.ts'
import { ipToString } from './ip.ts'
import { parseNameConstraints } from './name-constraints-extension.ts'
import { readPolicies, readPolicyConstraints, readPolicyMappings } from './policy-extensions.ts'
import { parseSubjectAlternativeNames } from './subject-alternative-names.ts'
import { uriToString } from './uri.ts'

/** The content of Extensions, in order; a repeated OID is refused. */
export function readExtensions(wrapped: DerReader): Extension[] {
  const sequence = wrapped.read(SEQUENCE) ?? refuse('x509: malformed extensions')
  const extensions: Extension[] = []
  const seen = new Set<string>()
  while (!sequence.isEmpty) {
    const extension = readExtension(sequence.read(SEQUENCE) ?? refuse('x509: malformed extension'))
    const { oid } = extension
    if (seen.has(oid)) refuse(`x509: certificate contains duplicate extension with OID "${oid}"`)
    seen.add(oid)
    extensions.push(extension)
  }
  return extensions
}

export function readExtension(content: DerReader): Extension {
  const oid = content.readOid() ?? refuse('x509: malformed extension OID field')
  const hasBoolean = content.peek(1)
  const critical = hasBoolean && (content.readBoolean() ?? refuse('x509: malformed extension critical field'))
  const value = content.read(OCTET_STRING) ?? refuse('x509: malformed extension value field')
  return { oid, critical, value: value.rest }
}

/** Reads one extension into the certificate; false where Go does not handle it. crypto/x509's processExtensions. */
type Handler = (certificate: Certificate, value: Buffer) => boolean

const HANDLERS = new Map<string, Handler>([
  ['2.5.29.14', subjectKeyIdentifier],
  ['2.5.29.15', keyUsage],
  ['2.5.29.17', subjectAlternativeNames],
  ['2.5.29.19', basicConstraints],
  ['2.5.29.30', nameConstraints],
  ['2.5.29.31', crlDistributionPoints],
  ['2.5.29.32', readPolicies],
  ['2.5.29.33', readPolicyMappings],
  ['2.5.29.35', authorityKeyIdentifier],
  ['2.5.29.36', readPolicyConstraints],
  ['2.5.29.37', extendedKeyUsage],
  ['2.5.29.54', inhibitAnyPolicy],
  ['1.3.6.1.5.5.7.1.1', authorityInformationAccess],
])

/** RFC 5280 wants these never to be critical, and Go insists. */
const NEVER_CRITICAL = new Map([
  ['2.5.29.14', 'subject key identifier'],
  ['2.5.29.35', 'authority key identifier'],
  ['1.3.6.1.5.5.7.1.1', 'authority info access'],
])

export function processExtensions(certificate: Certificate): void {
  for (const { oid, critical, value } of certificate.extensions) {
    const name = critical ? NEVER_CRITICAL.get(oid) : undefined
    if (name !== undefined) refuse(`x509: ${name} incorrectly marked critical`)
    const handled = HANDLERS.get(oid)?.(certificate, value) ?? false
    if (critical && !handled) certificate.hasUnhandledCriticalExtension = true
  }
}

function subjectKeyIdentifier(certificate: Certificate, value: Buffer): true {
  const id = new DerReader(value).read(OCTET_STRING) ?? refuse('x509: invalid subject key identifier')
  certificate.subjectKeyId = id.rest
  return true
}

function authorityKeyIdentifier(certificate: Certificate, value: Buffer): true {
  certificate.authorityKeyId = parseAuthorityKeyIdentifier(value)
  return true
}

/** Empty where the extension names the key by issuer and serial only. */
export function parseAuthorityKeyIdentifier(value: Buffer): Buffer {
  const malformed = 'x509: invalid authority key identifier'
  const id = (new DerReader(value).read(SEQUENCE) ?? refuse(malformed)).readOptional(contextTag(0))
  return id === null ? Buffer.alloc(0) : (id ?? refuse(malformed)).rest
}

const KEY_USAGES: KeyUsage[] = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
]

function keyUsage(certificate: Certificate, value: Buffer): true {
  const bits = new DerReader(value).readBitString() ?? refuse('x509: invalid key usage')
  certificate.keyUsage = KEY_USAGES.filter(
    (_, bit) => bit < bits.bitLength && ((bits.bytes[bit >> 3] ?? 0) << (bit & 7)) & 0x80,
  )
  return true
}

function subjectAlternativeNames(certificate: Certificate, value: Buffer): boolean {
  const names = parseSubjectAlternativeNames(value)
  certificate.dnsNames = names.dns
  certificate.emails = names.emails
  certificate.rawIpAddresses = names.ips
  certificate.ipAddresses = names.ips.map(ipToString)
  certificate.parsedUris = names.uris
  certificate.uris = names.uris.map(uriToString)
  return Object.values(names).some((list) => list.length > 0)
}

function basicConstraints(certificate: Certificate, value: Buffer): true {
  const malformed = 'x509: invalid basic constraints'
  const sequence = new DerReader(value).read(SEQUENCE) ?? refuse(malformed)
  certificate.isCA = sequence.peek(1) && (sequence.readBoolean() ?? refuse(malformed))
  if (sequence.peek(2)) {
    const limit = sequence.readUint64() ?? refuse(malformed)
    if (limit > 0x7fffffffffffffffn) refuse(malformed)
    certificate.maxPathLen = Number(limit)
  }
  certificate.basicConstraintsValid = true
  return true
}

function nameConstraints(certificate: Certificate, value: Buffer): boolean {
  certificate.nameConstraints = parseNameConstraints(value)
  return !certificate.nameConstraints.hasUnhandledKind
}

function extendedKeyUsage(certificate: Certificate, value: Buffer): true {
  const sequence = new DerReader(value).read(SEQUENCE) ?? refuse('x509: invalid extended key usages')
  while (!sequence.isEmpty) {
    certificate.extKeyUsage.push(sequence.readOid() ?? refuse('x509: invalid extended key usages'))
  }
  return true
}

function inhibitAnyPolicy(certificate: Certificate, value: Buffer): true {
  const skip = new DerReader(value).readInt64() ?? refuse('x509: invalid inhibit any policy extension')
  certificate.inhibitAnyPolicy = Number(skip)
  return true
}

/** Read for its form only: the range fetches no CRL. */
function crlDistributionPoints(_certificate: Certificate, value: Buffer): true {
  const malformed = 'x509: invalid CRL distribution point'
  const points = new DerReader(value).read(SEQUENCE) ?? refuse('x509: invalid CRL distribution points')
  while (!points.isEmpty) {
    const name = (points.read(SEQUENCE) ?? refuse(malformed)).readOptional(constructedTag(0))
    if (name === null) continue
    const fullName = (name ?? refuse(malformed)).read(constructedTag(0)) ?? refuse(malformed)
    while (fullName.peek(contextTag(6))) {
      if (fullName.read(contextTag(6)) === undefined) refuse(malformed)
    }
  }
  return true
}

/** Read for its form only: the range asks no OCSP responder. */
function authorityInformationAccess(_certificate: Certificate, value: Buffer): true {
  const malformed = 'x509: invalid authority info access'
  const descriptions = new DerReader(value).read(SEQUENCE) ?? refuse(malformed)
  while (!descriptions.isEmpty) {
    const description = descriptions.read(SEQUENCE) ?? refuse(malformed)
    if (description.readOid() === undefined) refuse(malformed)
    if (description.readOptional(contextTag(6)) === undefined) refuse(malformed)
  }
  return true
}
