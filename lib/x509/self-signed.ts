/**
 * The pair that a Kubernetes server makes for itself where it was given none: a leaf and the CA that signed it, both sent.
 * client-go util/cert/cert.go, GenerateSelfSignedCertKeyWithOptions. Its keys are RSA 2048; these are ECDSA P-256, which
 * cost 1 ms in place of 100.
 */
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import {
  AUTHORITY_KEY_ID,
  BASIC_CONSTRAINTS,
  CA_USAGE,
  certificateDer,
  COMMON_NAME,
  extendedKeyUsage,
  generalName,
  KEY_USAGE,
  LEAF_USAGE,
  nameOf,
  publicKeyInfo,
  SERVER_AUTH,
  SUBJECT_ALTERNATIVE_NAME,
  SUBJECT_KEY_ID,
} from './certificate-der.ts'
import { contextTag, OCTET_STRING, SEQUENCE } from './der.ts'
import { certificatePem, element, extension, TRUE } from './der-writer.ts'

export interface SelfSignedOptions {
  dnsNames?: readonly string[]
  ipAddresses?: readonly string[]
  now?: Date
}

const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS
/**
 * PEM texts. The leaf's CN is `host@unix time`, it is valid from an hour ago for a year, and it names `host` and the
 * names given beside it, nothing else.
 */
export function selfSigned(host: string, options: SelfSignedOptions = {}): { cert: string; key: string } {
  const now = options.now ?? new Date()
  const unix = Math.floor(now.getTime() / 1000)
  const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const caName = nameOf(COMMON_NAME, `${host}-ca@${unix}`)
  const caKeyId = keyId(ca.publicKey)
  const hosts = [host, ...(options.dnsNames ?? []), ...(options.ipAddresses ?? [])]
  // Go writes names before addresses.
  const names = [...hosts.filter((each) => isIP(each) === 0), ...hosts.filter((each) => isIP(each) !== 0)].map(
    generalName,
  )
  const common = {
    issuer: caName,
    notBefore: new Date(now.getTime() - HOUR_MS),
    notAfter: new Date(now.getTime() + YEAR_MS),
    signer: ca.privateKey,
  }
  const caCertificate = certificateDer({
    ...common,
    subject: caName,
    publicKeyInfo: publicKeyInfo(ca.publicKey),
    extensions: [
      extension(KEY_USAGE, true, CA_USAGE),
      extension(BASIC_CONSTRAINTS, true, element(SEQUENCE, TRUE)),
      extension(SUBJECT_KEY_ID, false, element(OCTET_STRING, caKeyId)),
      ...(isIP(host) !== 0 ? [] : [extension(SUBJECT_ALTERNATIVE_NAME, false, element(SEQUENCE, generalName(host)))]),
    ],
  })
  const leafCertificate = certificateDer({
    ...common,
    subject: nameOf(COMMON_NAME, `${host}@${unix}`),
    publicKeyInfo: publicKeyInfo(leaf.publicKey),
    extensions: [
      extension(KEY_USAGE, true, LEAF_USAGE),
      ...extendedKeyUsage([SERVER_AUTH]),
      extension(BASIC_CONSTRAINTS, true, element(SEQUENCE)),
      extension(AUTHORITY_KEY_ID, false, element(SEQUENCE, element(contextTag(0), caKeyId))),
      extension(SUBJECT_ALTERNATIVE_NAME, false, element(SEQUENCE, ...names)),
    ],
  })
  return {
    cert: certificatePem(leafCertificate) + certificatePem(caCertificate),
    key: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1').update(publicKeyInfo(key)).digest()
}
