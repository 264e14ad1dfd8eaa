/** Puts a certificate together and signs it (RFC 5280 section 4.1), with the algorithm that Go takes for the signer's key. */
import { randomBytes, sign, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { BIT_STRING, constructedTag, contextTag, INTEGER, OBJECT_IDENTIFIER, SEQUENCE, SET } from './der.ts'
import { addressBytes, element, extension, hex, time } from './der-writer.ts'

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

/** Object identifiers, as the hex of their content octets: RFC 5280 sections 4.1.2.4 and 4.2.1. */
export const COMMON_NAME = '550403'
export const ORGANIZATION = '55040a'
export const SUBJECT_KEY_ID = '551d0e'
export const KEY_USAGE = '551d0f'
export const SUBJECT_ALTERNATIVE_NAME = '551d11'
export const BASIC_CONSTRAINTS = '551d13'
export const AUTHORITY_KEY_ID = '551d23'
export const EXTENDED_KEY_USAGE = '551d25'
export const SERVER_AUTH = '2b06010505070301'
export const CLIENT_AUTH = '2b06010505070302'

/** digitalSignature and keyEncipherment; with keyCertSign. */
export const LEAF_USAGE = hex('030205a0')
export const CA_USAGE = hex('030202a4')

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
const PRINTABLE_STRING = 0x13
const PRINTABLE = /^[A-Za-z0-9 '()+,./:=?-]*$/

/** A relative distinguished name; `oid` as the hex of its content octets. One without values is left out. */
export interface RelativeName {
  oid: string
  values: readonly string[]
}

/** A Name as Go's encoding/asn1 writes it: a PrintableString where the value allows, the values of a set in DER's order. */
export function rdnSequence(names: readonly RelativeName[]): Buffer {
  const sets = names
    .filter(({ values }) => values.length > 0)
    .map(({ oid, values }) => {
      const attributes = values.map((value) => {
        const tag = PRINTABLE.test(value) ? PRINTABLE_STRING : UTF8_STRING
        return element(SEQUENCE, element(OBJECT_IDENTIFIER, hex(oid)), element(tag, Buffer.from(value)))
      })
      return element(SET, ...attributes.toSorted((one, other) => one.compare(other)))
    })
  return element(SEQUENCE, ...sets)
}

/** A Name of one attribute. */
export function nameOf(oid: string, value: string): Buffer {
  return rdnSequence([{ oid, values: [value] }])
}

/** GeneralNames (RFC 5280 section 4.2.1.6), in Go's order. */
export function alternativeNames(names: AlternativeNames): Buffer[] {
  const { dnsNames = [], emails = [], ipAddresses = [], uris = [] } = names
  return [
    ...dnsNames.map((name) => element(contextTag(2), Buffer.from(name))),
    ...emails.map((name) => element(contextTag(1), Buffer.from(name))),
    ...ipAddresses.map((address) => element(contextTag(7), addressBytes(address))),
    ...uris.map((uri) => element(contextTag(6), Buffer.from(uri))),
  ]
}

/** ExtKeyUsage (RFC 5280 section 4.2.1.12); none where there is no usage. */
export function extendedKeyUsage(oids: readonly string[]): Buffer[] {
  const usages = oids.map((oid) => element(OBJECT_IDENTIFIER, hex(oid)))
  return usages.length === 0 ? [] : [extension(EXTENDED_KEY_USAGE, false, element(SEQUENCE, ...usages))]
}

export interface AlternativeNames {
  dnsNames?: readonly string[]
  emails?: readonly string[]
  ipAddresses?: readonly string[]
  uris?: readonly string[]
}

/** A host as a subject alternative name: iPAddress where it is one, dNSName otherwise. */
export function generalName(host: string): Buffer {
  return isIP(host) === 0 ? element(contextTag(2), Buffer.from(host)) : element(contextTag(7), addressBytes(host))
}

function algorithm(oid: string, ...parameters: readonly Buffer[]): Buffer {
  return element(SEQUENCE, element(OBJECT_IDENTIFIER, hex(oid)), ...parameters)
}
