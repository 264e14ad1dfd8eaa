/** The signature methods of JSON Web Tokens (RFC 7518 section 3.1) with the keys that golang-jwt takes for them, and its words. */
import {
  constants,
  createHmac,
  createPrivateKey,
  createPublicKey,
  sign,
  timingSafeEqual,
  verify,
  type KeyObject,
  type SignKeyObjectInput,
} from 'node:crypto'

type Family = 'HS' | 'RS' | 'PS' | 'ES' | 'EdDSA'

export interface JwtMethod {
  name: string
  family: Family
  /** Undefined where the method has a digest of its own. */
  digest: string | undefined
  /** The curve that signs by it. */
  curve: string | undefined
}

/** A secret, or a key pair of which only the public half may be there. */
export type JwtKey = { secret: Buffer } | { privateKey: KeyObject | undefined; publicKey: KeyObject }

const CURVES: Readonly<Record<string, string>> = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' }

export const JWT_METHODS: ReadonlyMap<string, JwtMethod> = new Map(
  [
    ...(['HS', 'RS', 'PS', 'ES'] as const).flatMap((family) =>
      ['256', '384', '512'].map((bits) => methodOf(`${family}${bits}`, family, `sha${bits}`)),
    ),
    methodOf('EdDSA', 'EdDSA', undefined),
  ].map((method) => [method.name, method]),
)

function methodOf(name: string, family: Family, digest: string | undefined): JwtMethod {
  return { name, family, digest, curve: CURVES[name] }
}

const KINDS: Readonly<Record<Exclude<Family, 'HS'>, { type: string; name: string }>> = {
  RS: { type: 'rsa', name: 'RSA' },
  PS: { type: 'rsa', name: 'RSA' },
  ES: { type: 'ec', name: 'ECDSA' },
  EdDSA: { type: 'ed25519', name: 'Ed25519' },
}

/** server/auth/options.go, Key. @throws Error */
export function jwtKeyOf({ family }: JwtMethod, pem: { privateKey: Buffer; publicKey: Buffer }): JwtKey {
  if (family === 'HS') {
    if (pem.privateKey.length === 0) throw new Error(MISSING)
    return { secret: pem.privateKey }
  }
  const { type, name } = KINDS[family]
  const read = (bytes: Buffer, make: (bytes: Buffer) => KeyObject, half: string): KeyObject | undefined => {
    if (bytes.length === 0) return undefined
    if (!bytes.includes('-----BEGIN ')) throw new Error(NOT_PEM)
    const key = make(bytes)
    if (key.asymmetricKeyType !== type) throw new Error(`key is not a valid ${name} ${half} key`)
    return key
  }
  const privateKey = read(pem.privateKey, createPrivateKey, 'private')
  const publicKey = read(pem.publicKey, createPublicKey, 'public')
  const own = privateKey && createPublicKey(privateKey)
  if (own && publicKey && !own.equals(publicKey)) throw new Error("auth: public and private keys don't match")
  const known = own ?? publicKey
  if (!known) throw new Error(MISSING)
  return { privateKey, publicKey: known }
}

const MISSING = 'auth: missing key data'
const NOT_PEM = 'invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key'

/** @throws Error */
export function jwtSignature(method: JwtMethod, key: JwtKey, content: string): Buffer {
  if ('secret' in key) return createHmac(method.digest!, key.secret).update(content).digest()
  const { privateKey } = key
  if (!privateKey) throw new Error('auth: token signing attempted with verify-only key')
  const curve = privateKey.asymmetricKeyDetails?.namedCurve
  if (method.curve !== undefined && curve !== method.curve) throw new Error('key is invalid')
  return sign(method.digest, Buffer.from(content), optionsOf(method, privateKey))
}

/** What is wrong with a signature, or undefined. */
export function jwtSignatureProblem(
  method: JwtMethod,
  key: JwtKey,
  content: string,
  signature: Buffer,
): string | undefined {
  if ('secret' in key) {
    const own = jwtSignature(method, key, content)
    return own.length === signature.length && timingSafeEqual(own, signature) ? undefined : 'signature is invalid'
  }
  if (verify(method.digest, Buffer.from(content), optionsOf(method, key.publicKey), signature)) return undefined
  return { RS: 'crypto/rsa', PS: 'crypto/rsa', ES: 'crypto/ecdsa', EdDSA: 'ed25519' }[
    method.family as Exclude<Family, 'HS'>
  ].concat(': verification error')
}

function optionsOf({ family }: JwtMethod, key: KeyObject): SignKeyObjectInput {
  if (family === 'PS')
    return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }
  // Two numbers of fixed length, not ASN.1 (RFC 7518 section 3.4).
  return family === 'ES' ? { key, dsaEncoding: 'ieee-p1363' } : { key }
}
