/** A serving pair looked at as Go's tls.X509KeyPair does: what signs, and that certificate and key belong together. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { certificatePem } from '../x509/der-writer.ts'
import { parseCertificate } from '../x509/parse.ts'
import { certificatesFromPem, pemBlocks } from '../x509/pem.ts'
import type { ServingKey } from './answer-hello.ts'
import type { KeyPair } from './listen.ts'

const CURVE_NAMES: Readonly<Record<string, ServingKey>> = {
  secp224r1: 'P-224',
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
}

/** @throws Error with Go's text (crypto/tls tls.go, X509KeyPair). */
export function servingKeyOf({ cert, key }: KeyPair): ServingKey {
  const [leaf] = certificatesFromPem(cert)
  if (!leaf)
    throw new Error(
      `tls: failed to find ${pemBlocks(cert).length > 0 ? '"CERTIFICATE" PEM block' : 'any PEM data'} in certificate input`,
    )
  parseCertificate(leaf)
  const privateKey = readPrivateKey(key)
  const spki = { type: 'spki', format: 'der' } as const
  const wanted = readPublicKey(leaf)
  const type = servingKind(wanted)
  if (!createPublicKey(privateKey).export(spki).equals(wanted.export(spki))) {
    const matches = wanted.asymmetricKeyType === privateKey.asymmetricKeyType
    throw new Error(`tls: private key ${matches ? '' : 'type '}does not match public key${matches ? '' : ' type'}`)
  }
  return type
}

function servingKind({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): ServingKey {
  if (asymmetricKeyType === 'rsa') return 'RSA'
  if (asymmetricKeyType === 'ed25519') return 'Ed25519'
  const curve = CURVE_NAMES[asymmetricKeyDetails?.namedCurve ?? '']
  if (!curve) throw new Error('tls: unknown public key algorithm')
  return curve
}

function readPrivateKey(pem: string): KeyObject {
  const block = pemBlocks(pem).find(({ label }) => label === 'PRIVATE KEY' || label.endsWith(' PRIVATE KEY'))
  if (!block) throw new Error('tls: failed to find any PEM data in key input')
  try {
    return createPrivateKey(pem)
  } catch {
    throw new Error('tls: failed to parse private key')
  }
}

/** A certificate that Go can read and OpenSSL cannot holds no key that either could serve with. */
function readPublicKey(leaf: Buffer): KeyObject {
  try {
    return createPublicKey(certificatePem(leaf))
  } catch {
    throw new Error('tls: unknown public key algorithm')
  }
}
