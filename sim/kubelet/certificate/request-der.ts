/** A certificate request of a kubelet, PKCS #10 (RFC 2986): Go's x509.CreateCertificateRequest with an ECDSA P-256 key. */
import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { addressBytes, element, extension, hex } from '../../../lib/x509/der-writer.ts'
import { BIT_STRING, INTEGER, OBJECT_IDENTIFIER, SEQUENCE, SET } from '../../../lib/x509/der.ts'

export interface RequestedSubject {
  commonName: string
  organization: string
  /** DNS names and IP addresses. */
  names?: readonly string[]
}

const PRINTABLE_STRING = 0x13
const ATTRIBUTES = 0xa0
const DNS_NAME = 0x82
const IP_ADDRESS = 0x87
/** id-at-organizationName, id-at-commonName, ecdsa-with-SHA256, extensionRequest, id-ce-subjectAltName. */
const ORGANIZATION = '55040a'
const COMMON_NAME = '550403'
const ECDSA_SHA256 = '2a8648ce3d040302'
const EXTENSION_REQUEST = '2a864886f70d01090e'
const SUBJECT_ALT_NAME = '551d11'

export function makeKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

/** As Go's keyutil writes it: `EC PRIVATE KEY`. */
export function keyPem(key: KeyObject): string {
  return key.export({ type: 'sec1', format: 'pem' }).toString()
}

/** PEM, `CERTIFICATE REQUEST`. */
export function certificateRequest(key: KeyObject, { commonName, organization, names = [] }: RequestedSubject): string {
  const attribute = (oid: string, value: string): Buffer =>
    element(SET, element(SEQUENCE, element(OBJECT_IDENTIFIER, hex(oid)), element(PRINTABLE_STRING, Buffer.from(value))))
  const subject = element(SEQUENCE, attribute(ORGANIZATION, organization), attribute(COMMON_NAME, commonName))
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const info = element(
    SEQUENCE,
    element(INTEGER, hex('00')),
    subject,
    publicKey,
    element(ATTRIBUTES, ...(names.length > 0 ? [extensionRequest(names)] : [])),
  )
  const algorithm = element(SEQUENCE, element(OBJECT_IDENTIFIER, hex(ECDSA_SHA256)))
  const signature = element(BIT_STRING, hex('00'), sign('sha256', info, key))
  const lines = element(SEQUENCE, info, algorithm, signature)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines}\n-----END CERTIFICATE REQUEST-----\n`
}

function extensionRequest(names: readonly string[]): Buffer {
  const sorted = names.toSorted((one, other) => Number(isIP(one) > 0) - Number(isIP(other) > 0))
  const general = sorted.map((name) =>
    isIP(name) > 0 ? element(IP_ADDRESS, addressBytes(name)) : element(DNS_NAME, Buffer.from(name)),
  )
  const extensions = element(SEQUENCE, extension(SUBJECT_ALT_NAME, false, element(SEQUENCE, ...general)))
  return element(SEQUENCE, element(OBJECT_IDENTIFIER, hex(EXTENSION_REQUEST)), element(SET, extensions))
}
