/**
 * The pair that a Kubernetes server makes for itself where it was given none: a leaf and the CA that signed it, both sent.
 * client-go util/cert/cert.go, GenerateSelfSignedCertKeyWithOptions. Its keys are RSA 2048; these are ECDSA P-256, which
 * cost 1 ms in place of 100.
 */
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import {
  BIT_STRING,
  constructedTag,
  contextTag,
  INTEGER,
  OBJECT_IDENTIFIER,
  OCTET_STRING,
  SEQUENCE,
  SET,
} from './der.ts'
import { addressBytes, certificatePem, element, extension, hex, time, TRUE } from './der-writer.ts'

export interface SelfSignedOptions {
  dnsNames?: readonly string[]
  ipAddresses?: readonly string[]
  now?: Date
}

const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS
const UTF8_STRING = 0x0c

const COMMON_NAME = '550403'
const ECDSA_WITH_SHA256 = element(SEQUENCE, element(OBJECT_IDENTIFIER, hex('2a8648ce3d040302')))
const KEY_USAGE = '551d0f'
const BASIC_CONSTRAINTS = '551d13'
const EXTENDED_KEY_USAGE = '551d25'
const SUBJECT_ALTERNATIVE_NAME = '551d11'
const SUBJECT_KEY_ID = '551d0e'
const AUTHORITY_KEY_ID = '551d23'
const SERVER_AUTH = '2b06010505070301'
/** digitalSignature and keyEncipherment; with keyCertSign. */
const LEAF_USAGE = hex('030205a0')
const CA_USAGE = hex('030202a4')

/**
 * PEM texts. The leaf's CN is `host@unix time`, it is valid from an hour ago for a year, and it names `host` and the
 * names given beside it, nothing else.
 */
export function selfSigned(host: string, options: SelfSignedOptions = {}): { cert: string; key: string } {
  const now = options.now ?? new Date()
  const unix = Math.floor(now.getTime() / 1000)
  const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const caName = name(`${host}-ca@${unix}`)
  const caKeyId = keyId(ca.publicKey)
  const isAddress = isIP(host) !== 0
  const names = [
    ...[...(isAddress ? [] : [host]), ...(options.dnsNames ?? [])].map((each) =>
      element(contextTag(2), Buffer.from(each)),
    ),
    ...[...(isAddress ? [host] : []), ...(options.ipAddresses ?? [])].map((each) =>
      element(contextTag(7), addressBytes(each)),
    ),
  ]
  const validity = element(SEQUENCE, time(new Date(now.getTime() - HOUR_MS)), time(new Date(now.getTime() + YEAR_MS)))
  const caCertificate = certificate(
    { issuer: caName, subject: caName, validity, key: ca.publicKey, signer: ca.privateKey },
    [
      extension(KEY_USAGE, true, CA_USAGE),
      extension(BASIC_CONSTRAINTS, true, element(SEQUENCE, TRUE)),
      extension(SUBJECT_KEY_ID, false, element(OCTET_STRING, caKeyId)),
      ...(isAddress
        ? []
        : [extension(SUBJECT_ALTERNATIVE_NAME, false, element(SEQUENCE, element(contextTag(2), Buffer.from(host))))]),
    ],
  )
  const subject = name(`${host}@${unix}`)
  const leafCertificate = certificate(
    { issuer: caName, subject, validity, key: leaf.publicKey, signer: ca.privateKey },
    [
      extension(KEY_USAGE, true, LEAF_USAGE),
      extension(EXTENDED_KEY_USAGE, false, element(SEQUENCE, element(OBJECT_IDENTIFIER, hex(SERVER_AUTH)))),
      extension(BASIC_CONSTRAINTS, true, element(SEQUENCE)),
      extension(AUTHORITY_KEY_ID, false, element(SEQUENCE, element(contextTag(0), caKeyId))),
      extension(SUBJECT_ALTERNATIVE_NAME, false, element(SEQUENCE, ...names)),
    ],
  )
  return {
    cert: certificatePem(leafCertificate) + certificatePem(caCertificate),
    key: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

interface Content {
  issuer: Buffer
  subject: Buffer
  validity: Buffer
  key: KeyObject
  signer: KeyObject
}

function certificate({ issuer, subject, validity, key, signer }: Content, extensions: readonly Buffer[]): Buffer {
  const serial = randomBytes(16)
  // positive, and of full length
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const body = element(
    SEQUENCE,
    element(constructedTag(0), element(INTEGER, hex('02'))),
    element(INTEGER, serial),
    ECDSA_WITH_SHA256,
    issuer,
    validity,
    subject,
    key.export({ type: 'spki', format: 'der' }),
    element(constructedTag(3), element(SEQUENCE, ...extensions)),
  )
  const signature = sign('sha256', body, signer)
  return element(SEQUENCE, body, ECDSA_WITH_SHA256, element(BIT_STRING, hex('00'), signature))
}

function name(commonName: string): Buffer {
  const attribute = element(
    SEQUENCE,
    element(OBJECT_IDENTIFIER, hex(COMMON_NAME)),
    element(UTF8_STRING, Buffer.from(commonName)),
  )
  return element(SEQUENCE, element(SET, attribute))
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
}
