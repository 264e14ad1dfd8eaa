import type { Certificate } from './certificate.ts'
import { contextTag, DerReader, OBJECT_IDENTIFIER, SEQUENCE } from './der.ts'
import { refuse } from './errors.ts'

/** certificatePolicies (RFC 5280 section 4.2.1.4); a policy may stand there once. */
export function readPolicies(certificate: Certificate, value: Buffer): true {
  const malformed = 'x509: invalid certificate policies'
  const sequence = new DerReader(value).read(SEQUENCE) ?? refuse(malformed)
  const seen = new Set<string>()
  while (!sequence.isEmpty) {
    const octets = sequence.read(SEQUENCE)?.read(OBJECT_IDENTIFIER)?.rest ?? refuse(malformed)
    const policy = octets.toString('hex')
    if (seen.has(policy) || !isMinimalOid(octets)) refuse(malformed)
    seen.add(policy)
  }
  certificate.policies = [...seen]
  return true
}

/** Components of any size, none with a leading zero, the last one ended: crypto/x509's newOIDFromDER. */
function isMinimalOid(octets: Buffer): boolean {
  let starts = true
  for (const octet of octets) {
    if (starts && octet === 0x80) return false
    starts = (octet & 0x80) === 0
  }
  return starts && octets.length > 0
}

/** policyMappings (section 4.2.1.5). The OIDs' own form is not checked. */
export function readPolicyMappings(certificate: Certificate, value: Buffer): true {
  const malformed = 'x509: invalid policy mappings extension'
  const sequence = new DerReader(value).read(SEQUENCE) ?? refuse(malformed)
  while (!sequence.isEmpty) {
    const mapping = sequence.read(SEQUENCE) ?? refuse(malformed)
    const issuer = mapping.read(OBJECT_IDENTIFIER) ?? refuse(malformed)
    const subject = mapping.read(OBJECT_IDENTIFIER) ?? refuse(malformed)
    certificate.policyMappings.push([issuer.rest.toString('hex'), subject.rest.toString('hex')])
  }
  return true
}

/** policyConstraints (section 4.2.1.11). */
export function readPolicyConstraints(certificate: Certificate, value: Buffer): true {
  const malformed = 'x509: invalid policy constraints extension'
  const sequence = new DerReader(value).read(SEQUENCE) ?? refuse(malformed)
  const skipCertificates = (tag: number): number | undefined =>
    sequence.peek(tag) ? Number(sequence.readInt64(tag) ?? refuse(malformed)) : undefined
  certificate.requireExplicitPolicy = skipCertificates(contextTag(0))
  certificate.inhibitPolicyMapping = skipCertificates(contextTag(1))
  return true
}
