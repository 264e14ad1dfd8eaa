/** Puts a certificate together and signs it (RFC 5280 section 4.1), with the algorithm that Go takes for the signer's key. */
import { randomBytes, sign, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { BIT_STRING, constructedTag, contextTag, INTEGER, OBJECT_IDENTIFIER, SEQUENCE, SET } from './der.ts'
import { addressBytes, element, hex, time } from './der-writer.ts'

export interface CertificateContent {
  /** DER of the Names. */
  issuer: Buffer
  subject: Buffer
  notBefore: Date
  notAfter: Date
  /** DER of the SubjectPublicKeyInfo. */
  publicKeyInfo: Buffer
  /** DER of each extension, in order. */
  extensions: readonly Buffer[]
  signer: KeyObject
}

const NULL = hex('0500')
const ALGORITHMS: Readonly<Record<string, { hash: string; identifier: Buffer }>> = {
  rsa: { hash: 'sha256', identifier: algorithm('2a864886f70d01010b', NULL) },
  prime256v1: { hash: 'sha256', identifier: algorithm('2a8648ce3d040302') },
  secp384r1: { hash: 'sha384', identifier: algorithm('2a8648ce3d040303') },
  secp521r1: { hash: 'sha512', identifier: algorithm('2a8648ce3d040304') },
}

/** The certificate's DER. @throws Error `[certificate_signer]` for a key that Go signs with and this does not. */
export function certificateDer(content: CertificateContent): Buffer {
  const { issuer, subject, notBefore, notAfter, publicKeyInfo, extensions, signer } = content
  const kind = signer.asymmetricKeyType === 'ec' ? signer.asymmetricKeyDetails?.namedCurve : signer.asymmetricKeyType
  const known = ALGORITHMS[kind ?? '']
  if (!known) throw new Error(`[certificate_signer] ${kind}: signs no certificate here (take RSA or a NIST curve)`)
  const serial = randomBytes(16)
  // positive, and of full length
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const body = element(
    SEQUENCE,
    element(constructedTag(0), element(INTEGER, hex('02'))),
    element(INTEGER, serial),
    known.identifier,
    issuer,
    element(SEQUENCE, time(notBefore), time(notAfter)),
    subject,
    publicKeyInfo,
    element(constructedTag(3), element(SEQUENCE, ...extensions)),
  )
  const signature = element(BIT_STRING, hex('00'), sign(known.hash, body, signer))
  return element(SEQUENCE, body, known.identifier, signature)
}

export function publicKeyInfo(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

const UTF8_STRING = 0x0c

/** A Name of one attribute; `oid` as the hex of its content octets. */
export function nameOf(oid: string, value: string): Buffer {
  const attribute = element(SEQUENCE, element(OBJECT_IDENTIFIER, hex(oid)), element(UTF8_STRING, Buffer.from(value)))
  return element(SEQUENCE, element(SET, attribute))
}

/** A host as a subject alternative name: iPAddress where it is one, dNSName otherwise. */
export function generalName(host: string): Buffer {
  return isIP(host) === 0 ? element(contextTag(2), Buffer.from(host)) : element(contextTag(7), addressBytes(host))
}

function algorithm(oid: string, ...parameters: readonly Buffer[]): Buffer {
  return element(SEQUENCE, element(OBJECT_IDENTIFIER, hex(oid)), ...parameters)
}
