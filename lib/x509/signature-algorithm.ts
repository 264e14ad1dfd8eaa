import type { DerReader } from './der.ts'
import { refuse } from './errors.ts'
import { pssHash } from './pss-parameters.ts'

export type Hash = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512'

/** One of the algorithms that Go's crypto/x509 knows by name; it verifies fewer. */
export interface SignatureAlgorithm {
  /** As Go prints it, such as `SHA256-RSA`. */
  name: string
  keyKind: 'RSA' | 'DSA' | 'ECDSA' | 'Ed25519'
  /** Absent for Ed25519, which takes the message whole. */
  hash?: Hash
  pss?: true
}

export interface AlgorithmIdentifier {
  oid: string
  /** The whole DER element, empty where there is none. */
  parameters: Buffer
}

const SHA1_RSA: SignatureAlgorithm = { name: 'SHA1-RSA', keyKind: 'RSA', hash: 'sha1' }

const BY_OID = new Map<string, SignatureAlgorithm>([
  ['1.2.840.113549.1.1.4', { name: 'MD5-RSA', keyKind: 'RSA', hash: 'md5' }],
  ['1.2.840.113549.1.1.5', SHA1_RSA],
  // ISO's own name for the same, which makecert.exe used to write.
  ['1.3.14.3.2.29', SHA1_RSA],
  ['1.2.840.113549.1.1.11', { name: 'SHA256-RSA', keyKind: 'RSA', hash: 'sha256' }],
  ['1.2.840.113549.1.1.12', { name: 'SHA384-RSA', keyKind: 'RSA', hash: 'sha384' }],
  ['1.2.840.113549.1.1.13', { name: 'SHA512-RSA', keyKind: 'RSA', hash: 'sha512' }],
  ['1.2.840.10040.4.3', { name: 'DSA-SHA1', keyKind: 'DSA', hash: 'sha1' }],
  ['2.16.840.1.101.3.4.3.2', { name: 'DSA-SHA256', keyKind: 'DSA', hash: 'sha256' }],
  ['1.2.840.10045.4.1', { name: 'ECDSA-SHA1', keyKind: 'ECDSA', hash: 'sha1' }],
  ['1.2.840.10045.4.3.2', { name: 'ECDSA-SHA256', keyKind: 'ECDSA', hash: 'sha256' }],
  ['1.2.840.10045.4.3.3', { name: 'ECDSA-SHA384', keyKind: 'ECDSA', hash: 'sha384' }],
  ['1.2.840.10045.4.3.4', { name: 'ECDSA-SHA512', keyKind: 'ECDSA', hash: 'sha512' }],
  ['1.3.101.112', { name: 'Ed25519', keyKind: 'Ed25519' }],
])

const ED25519 = '1.3.101.112'
const RSA_PSS = '1.2.840.113549.1.1.10'

/** `undefined` for what Go counts as UnknownSignatureAlgorithm. Parameters matter for Ed25519 and RSA-PSS only. */
export function signatureAlgorithm({ oid, parameters }: AlgorithmIdentifier): SignatureAlgorithm | undefined {
  if (oid === ED25519 && parameters.length > 0) return undefined
  if (oid !== RSA_PSS) return BY_OID.get(oid)
  const hash = pssHash(parameters)
  return hash && { name: `${hash.toUpperCase()}-RSAPSS`, keyKind: 'RSA', hash, pss: true }
}

export function readAlgorithmIdentifier(content: DerReader): AlgorithmIdentifier {
  const oid = content.readOid() ?? refuse('x509: malformed OID')
  if (content.isEmpty) return { oid, parameters: Buffer.alloc(0) }
  return { oid, parameters: (content.readAny() ?? refuse('x509: malformed parameters')).element }
}
