/**
 * Writes a certificate from the properties credentials.json lists, also those no issuer would: plain DER, one shape for good
 * and bad. For tests alone.
 */
import { createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

export interface CertificateProperties {
  /** Attributes in order; a list inside is one RDN with several. */
  subject: readonly (readonly [attribute: string, value: string] | readonly (readonly [string, string])[])[]
  extendedKeyUsage?: readonly string[]
  keyUsage?: readonly string[]
  basicConstraintsCA?: boolean
  pathLength?: number
  basicConstraints?: 'absent'
  notBeforeSecondsFromNow?: number
  notAfterSecondsFromNow?: number
  keyType?: 'p256' | 'p384' | 'ed25519' | 'rsa1024'
  /** Certifies this key instead of a fresh one. */
  key?: KeyObject
  serial?: 'negative' | 'long' | bigint
  sha1Signature?: number
  signatureBitFlipped?: number
  unknownCriticalExtension?: boolean
  subjectAltNames?: readonly string[]
  permittedDnsSuffix?: string
  /** The issuer's name as the certificate writes it, where that differs from the issuer's own. */
  issuerNameWritten?: CertificateProperties['subject']
}

export interface WrittenCertificate {
  der: Buffer
  key: KeyObject
  subject: CertificateProperties['subject']
}

const OIDS: Record<string, string> = {
  CN: '2.5.4.3',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  UID: '1.3.6.1.4.1.57683.2',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  email: '1.3.6.1.5.5.7.3.4',
  any: '2.5.29.37.0',
}
/** Bits of RFC 5280 section 4.2.1.3. */
const KEY_USAGE_BITS: Record<string, number> = { digitalSignature: 0x80, keyEncipherment: 0x20, keyCertSign: 0x04 }

/** Signed by `issuer`, or by itself without one. */
export function writeCertificate(properties: CertificateProperties, issuer?: WrittenCertificate): WrittenCertificate {
  const key = properties.key ?? makeKey(properties.keyType ?? 'p256')
  const signer = issuer?.key ?? key
  const algorithm = sequence(oid(properties.sha1Signature ? '1.2.840.10045.4.1' : '1.2.840.10045.4.3.2'))
  const signatureAlgorithm =
    signer.asymmetricKeyType === 'ec' ? algorithm : sequence(oid('1.2.840.113549.1.1.11'), tag(0x05))
  const { notBeforeSecondsFromNow: from = -3600, notAfterSecondsFromNow: until = 86_400 } = properties
  const tbs = sequence(
    tag(0xa0, integer(Buffer.from([2]))),
    integer(serialOf(properties.serial)),
    signatureAlgorithm,
    name(properties.issuerNameWritten ?? issuer?.subject ?? properties.subject),
    sequence(time(from), time(until)),
    name(properties.subject),
    publicKeyInfo(key),
    tag(0xa3, sequence(...extensions(properties))),
  )
  const signature = sign(properties.sha1Signature ? 'sha1' : 'sha256', tbs, signer)
  if (properties.signatureBitFlipped) signature[signature.length - 1]! ^= 1
  const der = sequence(tbs, signatureAlgorithm, tag(0x03, Buffer.from([0]), signature))
  return { der, key, subject: properties.subject }
}

export interface RequestProperties {
  subject: CertificateProperties['subject']
  sans?: readonly string[]
  key?: 'rsa2048' | 'rsa' | 'rsa1024' | 'p384' | 'ed25519'
  /** A bit of the signature is flipped. */
  tamper?: number
  /** The PEM label. */
  block?: string
}

/** A certificate request, PEM. */
export function writeRequest({
  subject,
  sans = [],
  key: kind,
  tamper,
  block = 'CERTIFICATE REQUEST',
}: RequestProperties): string {
  const isRsa = kind?.startsWith('rsa') === true
  const rsa = (): KeyObject =>
    generateKeyPairSync('rsa', { modulusLength: kind === 'rsa1024' ? 1024 : 2048 }).privateKey
  const key = isRsa ? rsa() : makeKey(kind === 'p384' || kind === 'ed25519' ? kind : 'p256')
  const names = extension('2.5.29.17', false, sequence(...sans.map(generalName)))
  const attribute = sequence(oid('1.2.840.113549.1.9.14'), tag(0x31, sequence(names)))
  const info = sequence(
    integer(Buffer.from([0])),
    name(subject),
    publicKeyInfo(key),
    tag(0xa0, ...(sans.length > 0 ? [attribute] : [])),
  )
  const ecdsa = kind === 'ed25519' ? '1.3.101.112' : '1.2.840.10045.4.3.2'
  const algorithm = isRsa ? sequence(oid('1.2.840.113549.1.1.11'), tag(0x05)) : sequence(oid(ecdsa))
  const signature = sign(kind === 'ed25519' ? null : 'sha256', info, key)
  if (tamper) signature[signature.length - 1]! ^= 1
  return pemOf(sequence(info, algorithm, tag(0x03, Buffer.from([0]), signature)), block)
}

export function pemOf(der: Buffer, label = 'CERTIFICATE'): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function makeKey(type: NonNullable<CertificateProperties['keyType']>): KeyObject {
  if (type === 'ed25519') return generateKeyPairSync('ed25519').privateKey
  if (type === 'rsa1024') return generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
  return generateKeyPairSync('ec', { namedCurve: type === 'p384' ? 'P-384' : 'P-256' }).privateKey
}

function publicKeyInfo(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' })
}

function tag(type: number, ...contents: Buffer[]): Buffer {
  const body = Buffer.concat(contents)
  if (body.length < 0x80) return Buffer.concat([Buffer.from([type, body.length]), body])
  const length = body.length > 0xff ? [0x82, body.length >> 8, body.length & 0xff] : [0x81, body.length]
  return Buffer.concat([Buffer.from([type, ...length]), body])
}

function sequence(...contents: Buffer[]): Buffer {
  return tag(0x30, ...contents)
}

function integer(bytes: Buffer): Buffer {
  return tag(0x02, bytes)
}

function serialOf(kind: CertificateProperties['serial']): Buffer {
  if (typeof kind === 'bigint') {
    const hex = kind.toString(16)
    return Buffer.from(hex.length % 2 === 1 ? `0${hex}` : hex, 'hex')
  }
  const bytes = randomBytes(kind === 'long' ? 25 : 8)
  bytes[0] = kind === 'negative' ? 0x80 : 0x01
  return bytes
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of rest) {
    const groups = [arc & 0x7f]
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return tag(0x06, Buffer.from(bytes))
}

function name(subject: CertificateProperties['subject']): Buffer {
  const attribute = ([type, value]: readonly [string, string]): Buffer =>
    sequence(oid(OIDS[type] ?? type), tag(0x0c, Buffer.from(value)))
  return sequence(...subject.map((each) => tag(0x31, ...(isRdn(each) ? each.map(attribute) : [attribute(each)]))))
}

function isRdn(each: CertificateProperties['subject'][number]): each is readonly (readonly [string, string])[] {
  return Array.isArray(each[0])
}

function time(secondsFromNow: number): Buffer {
  const text = new Date(Date.now() + secondsFromNow * 1000).toISOString()
  return tag(0x17, Buffer.from(`${text.slice(2, 19).replace(/[-T:]/g, '')}Z`))
}

function extensions(properties: CertificateProperties): Buffer[] {
  const { keyUsage = [], extendedKeyUsage = [], subjectAltNames = [], permittedDnsSuffix } = properties
  const found: Buffer[] = []
  if (keyUsage.length > 0) {
    const bits = keyUsage.reduce((sum, each) => sum | (KEY_USAGE_BITS[each] ?? 0), 0)
    const unused = Math.clz32(bits & -bits) === 32 ? 0 : 31 - Math.clz32(bits & -bits)
    found.push(extension('2.5.29.15', true, tag(0x03, Buffer.from([unused, bits]))))
  }
  if (extendedKeyUsage.length > 0) {
    found.push(extension('2.5.29.37', false, sequence(...extendedKeyUsage.map((each) => oid(OIDS[each] ?? each)))))
  }
  if (properties.basicConstraints !== 'absent') found.push(extension('2.5.29.19', true, basicConstraints(properties)))
  if (subjectAltNames.length > 0)
    found.push(extension('2.5.29.17', false, sequence(...subjectAltNames.map(generalName))))
  if (permittedDnsSuffix !== undefined) {
    const subtree = sequence(tag(0x82, Buffer.from(permittedDnsSuffix)))
    found.push(extension('2.5.29.30', true, sequence(tag(0xa0, subtree))))
  }
  if (properties.unknownCriticalExtension) found.push(extension('1.2.3.4.5', true, tag(0x05)))
  return found
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [tag(0x01, Buffer.from([0xff]))] : []), tag(0x04, value))
}

function basicConstraints({ basicConstraintsCA, pathLength }: CertificateProperties): Buffer {
  if (!basicConstraintsCA) return sequence()
  return sequence(
    tag(0x01, Buffer.from([0xff])),
    ...(pathLength === undefined ? [] : [integer(Buffer.from([pathLength]))]),
  )
}

function generalName(text: string): Buffer {
  const kind = text.slice(0, text.indexOf(':'))
  const value = text.slice(kind.length + 1)
  if (kind === 'URI') return tag(0x86, Buffer.from(value))
  if (kind === 'IP') return tag(0x87, value === '::1' ? Buffer.from([...Array(15).fill(0), 1]) : ipv4(value))
  return tag(kind === 'email' ? 0x81 : 0x82, Buffer.from(value))
}

function ipv4(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number))
}
