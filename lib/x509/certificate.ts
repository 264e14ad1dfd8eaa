import type { IpRange, NameConstraints } from './name-constraints-extension.ts'
import type { Name } from './name.ts'
import type { PublicKey } from './public-key.ts'
import type { SignatureAlgorithm } from './signature-algorithm.ts'
import type { Uri } from './uri.ts'

export type { IpRange, NameConstraints }

export interface Extension {
  oid: string
  critical: boolean
  value: Buffer
}

export type KeyUsage =
  | 'digitalSignature'
  | 'contentCommitment'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly'

export interface PolicyConstraints {
  /** `undefined` where the extension does not say. Skip certificates, RFC 5280 sections 4.2.1.11 and 4.2.1.14. */
  requireExplicitPolicy: number | undefined
  inhibitPolicyMapping: number | undefined
  inhibitAnyPolicy: number | undefined
}

/** A certificate as Go's crypto/x509 decodes it. Never changed once made; its buffers are views of `raw`. */
export interface Certificate extends PolicyConstraints {
  raw: Buffer
  rawTbsCertificate: Buffer
  rawSubject: Buffer
  rawIssuer: Buffer
  rawSubjectPublicKeyInfo: Buffer
  /** 1, 2 or 3. */
  version: number
  serialNumber: bigint
  /** `undefined`: one that Go does not know. */
  signatureAlgorithm: SignatureAlgorithm | undefined
  signature: Buffer
  issuer: Name
  subject: Name
  notBefore: Date
  notAfter: Date
  /** RFC 3339 in the zone written, as Go prints the dates. */
  notBeforeText: string
  notAfterText: string
  /** `undefined`: of a kind that Go does not know. */
  publicKey: PublicKey | undefined
  /** Empty for versions 1 and 2. */
  extensions: Extension[]
  hasUnhandledCriticalExtension: boolean
  /** `undefined` without the extension; without any bit set it says as little. */
  keyUsage: KeyUsage[] | undefined
  /** The basicConstraints extension is there. */
  basicConstraintsValid: boolean
  isCA: boolean
  /** -1: no limit. */
  maxPathLen: number
  /** Dotted OIDs in order; an empty list says as little as none. */
  extKeyUsage: string[]
  /** Empty where absent. */
  subjectKeyId: Buffer
  authorityKeyId: Buffer
  dnsNames: string[]
  emails: string[]
  /** As Go prints them; `rawIpAddresses` tells an IPv4 address from its IPv4-mapped form. */
  ipAddresses: string[]
  rawIpAddresses: Buffer[]
  /** As Go prints them, which need not be as they stood. */
  uris: string[]
  parsedUris: Uri[]
  nameConstraints: NameConstraints | undefined
  /** Content octets of the policy OIDs in hex. */
  policies: string[]
  policyMappings: [issuerDomainPolicy: string, subjectDomainPolicy: string][]
}

export const ANY_EXTENDED_KEY_USAGE = '2.5.29.37.0'
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
export const SUBJECT_ALT_NAME = '2.5.29.17'

/** The octets of the SAN extension, which may be there without holding any name. */
export function subjectAltNameExtension(certificate: Certificate): Buffer | undefined {
  return certificate.extensions.find(({ oid }) => oid === SUBJECT_ALT_NAME)?.value
}
