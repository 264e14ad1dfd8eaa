/**
 * JSON Web Tokens as Kubernetes signs and reads service account tokens: compact serialization, asymmetric keys only.
 * RFC 7515, RFC 7518; pkg/serviceaccount/jwt.go.
 */
import { constants, createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

export interface Jwt {
  header: { alg?: unknown; kid?: unknown; typ?: unknown }
  payload: Record<string, unknown>
  /** `<header>.<payload>` as it came: what the signature covers. */
  signingInput: string
  signature: Buffer
}

interface Algorithm {
  hash: string
  keyType: 'rsa' | 'ec'
  curve?: string
  pss?: boolean
}

const ALGORITHMS: Record<string, Algorithm> = {
  RS256: { hash: 'sha256', keyType: 'rsa' },
  RS384: { hash: 'sha384', keyType: 'rsa' },
  RS512: { hash: 'sha512', keyType: 'rsa' },
  PS256: { hash: 'sha256', keyType: 'rsa', pss: true },
  PS384: { hash: 'sha384', keyType: 'rsa', pss: true },
  PS512: { hash: 'sha512', keyType: 'rsa', pss: true },
  ES256: { hash: 'sha256', keyType: 'ec', curve: 'prime256v1' },
  ES384: { hash: 'sha384', keyType: 'ec', curve: 'secp384r1' },
  ES512: { hash: 'sha512', keyType: 'ec', curve: 'secp521r1' },
}

/** The `kid` that Kubernetes writes: unpadded base64url of SHA-256 over the PKIX DER public key. */
export function keyId(key: KeyObject): string {
  const publicKey = key.type === 'public' ? key : createPublicKey(key)
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('base64url')
}

/** The algorithm Kubernetes signs with: RS256 for RSA, ES256, ES384 or ES512 by the curve. */
function algorithmFor(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256'
  const curve = key.asymmetricKeyDetails?.namedCurve
  const found = Object.entries(ALGORITHMS).find(([, each]) => each.keyType === 'ec' && each.curve === curve)
  if (!found)
    throw new Error(
      `[jwt_key] signing key: RSA or an ECDSA curve of P-256, P-384, P-521, got ${curve ?? key.asymmetricKeyType}`,
    )
  return found[0]
}

/**
 * A signed token. `key` is a PEM private key or its KeyObject. `header` overrides what Kubernetes writes, for tokens that
 * Kubernetes would not write; `alg` then also chooses the signature.
 */
export function signJwt(
  payload: object,
  key: string | KeyObject,
  header: { alg?: string; kid?: string | undefined } = {},
): string {
  const privateKey = typeof key === 'string' ? createPrivateKey(key) : key
  const alg = header.alg ?? algorithmFor(privateKey)
  const algorithm = ALGORITHMS[alg]
  if (!algorithm) throw new Error(`[jwt_algorithm] ${alg}: not one of ${Object.keys(ALGORITHMS).join(', ')}`)
  const kid = 'kid' in header ? header.kid : keyId(privateKey)
  const signingInput = `${encode(kid === undefined ? { alg } : { alg, kid })}.${encode(payload)}`
  return `${signingInput}.${sign(algorithm.hash, Buffer.from(signingInput), options(privateKey, algorithm)).toString('base64url')}`
}

/** The parts of a token, or undefined where it is none. Nothing is verified. */
export function parseJwt(token: string): Jwt | undefined {
  const parts = token.split('.')
  const [header, payload, signature] = parts
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined) return undefined
  if (!parts.every((part) => /^[A-Za-z0-9_-]*$/.test(part))) return undefined
  const decoded = { header: decode(header), payload: decode(payload) }
  if (!decoded.header || !decoded.payload) return undefined
  return {
    header: decoded.header,
    payload: decoded.payload,
    signingInput: `${header}.${payload}`,
    signature: Buffer.from(signature, 'base64url'),
  }
}

/** Whether `key` made the signature, by the algorithm the header names. A key never verifies an algorithm of another kind. */
export function verifyJwt(jwt: Jwt, key: KeyObject): boolean {
  const algorithm = typeof jwt.header.alg === 'string' ? ALGORITHMS[jwt.header.alg] : undefined
  if (!algorithm || algorithm.keyType !== key.asymmetricKeyType) return false
  if (algorithm.curve !== undefined && algorithm.curve !== key.asymmetricKeyDetails?.namedCurve) return false
  return verify(algorithm.hash, Buffer.from(jwt.signingInput), options(key, algorithm), jwt.signature)
}

function options(
  key: KeyObject,
  algorithm: Algorithm,
): { key: KeyObject; padding?: number; saltLength?: number; dsaEncoding?: 'ieee-p1363' } {
  if (algorithm.keyType === 'ec') return { key, dsaEncoding: 'ieee-p1363' }
  if (!algorithm.pss) return { key }
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
