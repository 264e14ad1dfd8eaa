import { createPublicKey, type KeyObject } from 'node:crypto'
import { DerReader, type BitString, rightAlign, SEQUENCE } from './der.ts'
import { type CurveName, curveFromOid, requireUncompressedPoint } from './elliptic-curve.ts'
import { refuse } from './errors.ts'
import type { AlgorithmIdentifier } from './signature-algorithm.ts'

/** A key of a kind that Go's parser knows. DSA is parsed and then never used. */
export type PublicKey =
  | { kind: 'RSA'; modulus: bigint; modulusBits: number; exponent: bigint }
  | { kind: 'ECDSA'; curve: CurveName; spki: Buffer }
  | { kind: 'Ed25519'; spki: Buffer }
  | { kind: 'DSA' }

const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const NULL = Buffer.from([5, 0])

/** `undefined` for a kind that Go does not know (X25519 and the RSASSA-PSS identifier among them): its content is not looked at. */
export function parsePublicKey(algorithm: AlgorithmIdentifier, subjectPublicKey: BitString): PublicKey | undefined {
  const data = rightAlign(subjectPublicKey)
  switch (algorithm.oid) {
    case '1.2.840.113549.1.1.1':
      return rsaKey(algorithm.parameters, data)
    case '1.2.840.10045.2.1':
      return ecdsaKey(algorithm.parameters, data)
    case '1.3.101.112':
      if (algorithm.parameters.length > 0) refuse('x509: Ed25519 key encoded with illegal parameters')
      if (data.length !== 32) refuse('x509: wrong Ed25519 public key size')
      return { kind: 'Ed25519', spki: Buffer.concat([ED25519_PREFIX, data]) }
    case '1.2.840.10040.4.1':
      return dsaKey(algorithm.parameters, data)
    default:
      return undefined
  }
}

function rsaKey(parameters: Buffer, data: Buffer): PublicKey {
  if (!parameters.equals(NULL)) refuse('x509: RSA key missing NULL parameters')
  const key = new DerReader(data).read(SEQUENCE) ?? refuse('x509: invalid RSA public key')
  const modulus = key.readInteger() ?? refuse('x509: invalid RSA modulus')
  const exponent = key.readInt64() ?? refuse('x509: invalid RSA public exponent')
  if (modulus <= 0n) refuse('x509: RSA modulus is not a positive number')
  if (exponent <= 0n) refuse('x509: RSA public exponent is not a positive number')
  return { kind: 'RSA', modulus, modulusBits: bitLength(modulus), exponent }
}

function ecdsaKey(parameters: Buffer, data: Buffer): PublicKey {
  const oid = new DerReader(parameters).readOid() ?? refuse('x509: invalid ECDSA parameters')
  const curve = curveFromOid(oid) ?? refuse('x509: unsupported elliptic curve')
  requireUncompressedPoint(curve, data)
  return { kind: 'ECDSA', curve: curve.name, spki: Buffer.concat([curve.prefix, data]) }
}

function dsaKey(parameters: Buffer, data: Buffer): PublicKey {
  const y = new DerReader(data).readInteger() ?? refuse('x509: invalid DSA public key')
  const group = new DerReader(parameters).read(SEQUENCE)
  const numbers = [group?.readInteger(), group?.readInteger(), group?.readInteger()]
  const known = numbers.filter((number) => number !== undefined)
  if (known.length < 3) refuse('x509: invalid DSA parameters')
  if ([y, ...known].some((number) => number <= 0n)) refuse('x509: zero or negative DSA parameter')
  return { kind: 'DSA' }
}

function bitLength(value: bigint): number {
  const hex = value.toString(16)
  return hex.length * 4 - Math.clz32(Number.parseInt(hex.charAt(0), 16)) + 28
}

export const rsaKeyOctets = (key: { modulusBits: number }): number => Math.ceil(key.modulusBits / 8)

/** Making one costs more than a verification; intermediates come anew with every connection. The oldest go first. */
const keyObjects = new Map<string, KeyObject>()
const KEY_OBJECTS_KEPT = 256

/** The same key for node:crypto. Not for DSA. */
export function keyObject(key: PublicKey): KeyObject {
  if (key.kind === 'DSA') throw new Error('[x509_dsa] DSA: Go verifies nothing with such a key (do not ask for it)')
  const id = key.kind === 'RSA' ? `${key.exponent} ${key.modulus.toString(16)}` : key.spki.toString('latin1')
  const known = keyObjects.get(id)
  if (known) return known
  const made =
    key.kind === 'RSA'
      ? createPublicKey({ key: { kty: 'RSA', n: base64url(key.modulus), e: base64url(key.exponent) }, format: 'jwk' })
      : createPublicKey({ key: key.spki, format: 'der', type: 'spki' })
  const [oldest] = keyObjects.keys()
  if (oldest !== undefined && keyObjects.size >= KEY_OBJECTS_KEPT) keyObjects.delete(oldest)
  keyObjects.set(id, made)
  return made
}

function base64url(value: bigint): string {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url')
}
