/** Private keys, made and written as Go's client-go writes them. */
import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { constructedTag, DerReader, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE } from './der.ts'
import { element } from './der-writer.ts'
import type { IssuedKeyPair, KeyAlgorithm } from './certificate-spec.ts'

const generate = promisify(generateKeyPair)

const CURVES = { 'ECDSA-P256': 'P-256', 'ECDSA-P384': 'P-384' } as const

/** The curve of an ECDSA kind, or undefined for RSA. */
export function curveOf(key: KeyAlgorithm): 'P-256' | 'P-384' | undefined {
  return key === 'ECDSA-P256' || key === 'ECDSA-P384' ? CURVES[key] : undefined
}

/** The modulus length of an RSA kind; 0 for ECDSA. */
export function rsaBits(key: KeyAlgorithm): number {
  return key.startsWith('RSA-') ? Number(key.slice('RSA-'.length)) : 0
}

/** PEM as keyutil.MarshalPrivateKeyToPEM writes it (client-go/util/keyutil/key.go): SEC 1 for EC, PKCS #1 for RSA. */
export function privateKeyPem(key: KeyObject): string {
  if (key.asymmetricKeyType === 'ec') return key.export({ type: 'sec1', format: 'pem' }).toString()
  if (key.asymmetricKeyType === 'rsa') return key.export({ type: 'pkcs1', format: 'pem' }).toString()
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

const EC_PUBLIC_KEY = '2a8648ce3d0201'

/**
 * The same from the DER of a PKCS #8 key (RFC 5208), EC or RSA, without OpenSSL: its decoder takes most of a millisecond for
 * each key. SEC 1 (RFC 5915) names the curve itself, where PKCS #8 names it beside.
 */
export function traditionalKeyPem(pkcs8: Buffer): string {
  const info = new DerReader(pkcs8).read(SEQUENCE)
  info?.readElement(INTEGER)
  const algorithm = info?.read(SEQUENCE)
  const key = info?.read(OCTET_STRING)?.rest
  const oid = algorithm?.read(OBJECT_IDENTIFIER)?.rest
  if (!algorithm || !key || !oid) throw new Error('[key_not_pkcs8] private key: needs PKCS #8, is none')
  if (oid.toString('hex') !== EC_PUBLIC_KEY) return pem('RSA PRIVATE KEY', key)
  const parts = new DerReader(key).read(SEQUENCE)
  const scalar = [parts?.readElement(INTEGER), parts?.readElement(OCTET_STRING)].filter((part) => part !== undefined)
  const curve = element(constructedTag(0), algorithm.rest)
  return pem('EC PRIVATE KEY', element(SEQUENCE, ...scalar, curve, parts?.rest ?? Buffer.alloc(0)))
}

function pem(label: string, der: Buffer): string {
  return `-----BEGIN ${label}-----\n${der.toString('base64').replaceAll(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`
}

/** Which of kubeadm's kinds a key is, or undefined for another kind. */
export function keyAlgorithmOf(pem: string): KeyAlgorithm | undefined {
  const key = createPrivateKey(pem)
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {}
  if (namedCurve === 'prime256v1') return 'ECDSA-P256'
  if (namedCurve === 'secp384r1') return 'ECDSA-P384'
  if (modulusLength === 2048 || modulusLength === 3072 || modulusLength === 4096) return `RSA-${modulusLength}`
  return undefined
}

/** A key pair for signing tokens: `sa.key` and `sa.pub`. */
export async function issueKeyPair(key: KeyAlgorithm = 'ECDSA-P256'): Promise<IssuedKeyPair> {
  const namedCurve = curveOf(key)
  const pair = namedCurve
    ? await generate('ec', { namedCurve })
    : await generate('rsa', { modulusLength: rsaBits(key) })
  return {
    privateKey: privateKeyPem(pair.privateKey),
    publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  }
}
