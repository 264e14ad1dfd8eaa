/** Signs a certificate request as kube-controller-manager's signer does: pkg/controller/certificates/authority. */
import { createHash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { CertificateRequest } from './certificate-request.ts'
import type { Certificate } from './certificate.ts'
import {
  alternativeNames,
  AUTHORITY_KEY_ID,
  BASIC_CONSTRAINTS,
  certificateDer,
  CLIENT_AUTH,
  extendedKeyUsage,
  KEY_USAGE,
  SERVER_AUTH,
  SUBJECT_ALTERNATIVE_NAME,
} from './certificate-der.ts'
import { BIT_STRING, contextTag, SEQUENCE } from './der.ts'
import { certificatePem, element, extension } from './der-writer.ts'

/** An authority's certificate and the private key to it. */
export interface SigningAuthority {
  certificate: Certificate
  key: KeyObject
}

export interface SigningOptions {
  /** As certificates.k8s.io names them: `digital signature`, `client auth`, …; others than those below say nothing. */
  usages: readonly string[]
  notBefore: Date
  notAfter: Date
}

/** Bits of RFC 5280 section 4.2.1.3, the first one highest. */
const KEY_USAGES: Readonly<Record<string, number>> = {
  signing: 0x8000,
  'digital signature': 0x8000,
  'content commitment': 0x4000,
  'key encipherment': 0x2000,
  'data encipherment': 0x1000,
  'key agreement': 0x0800,
  'cert sign': 0x0400,
  'crl sign': 0x0200,
  'encipher only': 0x0100,
  'decipher only': 0x0080,
}
const EXTENDED_USAGES: Readonly<Record<string, string>> = {
  any: '551d2500',
  'server auth': SERVER_AUTH,
  'client auth': CLIENT_AUTH,
  'code signing': '2b06010505070303',
  'email protection': '2b06010505070304',
  's/mime': '2b06010505070304',
  'ipsec end system': '2b06010505070305',
  'ipsec tunnel': '2b06010505070306',
  'ipsec user': '2b06010505070307',
  timestamping: '2b06010505070308',
  'ocsp signing': '2b06010505070309',
  'microsoft sgc': '2b0601040182370a0303',
  'netscape sgc': '6086480186f8420401',
}

/** PEM of the leaf alone. Subject, names and key are the request's; its other extensions are not taken over. */
export function signCertificateRequest(
  request: CertificateRequest,
  { certificate, key }: SigningAuthority,
  { usages, notBefore, notAfter }: SigningOptions,
): string {
  return certificatePem(
    certificateDer({
      issuer: certificate.rawSubject,
      subject: request.rawSubject,
      notBefore,
      notAfter,
      publicKeyInfo: request.rawSubjectPublicKeyInfo,
      extensions: extensionsOf(request, certificate, usages),
      signer: key,
    }),
  )
}

function extensionsOf(request: CertificateRequest, authority: Certificate, usages: readonly string[]): Buffer[] {
  const keyUsage = usages.reduce((bits, usage) => bits | (KEY_USAGES[usage] ?? 0), 0)
  const extended = [...new Set(usages.flatMap((usage) => EXTENDED_USAGES[usage] ?? []))]
  const names = alternativeNames(request)
  const isNameless = request.subject.names.length === 0
  return [
    ...(keyUsage === 0 ? [] : [extension(KEY_USAGE, true, bitString(keyUsage))]),
    ...extendedKeyUsage(extended),
    extension(BASIC_CONSTRAINTS, true, element(SEQUENCE)),
    extension(AUTHORITY_KEY_ID, false, element(SEQUENCE, element(contextTag(0), keyIdOf(authority)))),
    ...(names.length === 0 ? [] : [extension(SUBJECT_ALTERNATIVE_NAME, isNameless, element(SEQUENCE, ...names))]),
  ]
}

/** Without the zero bits at its end, as DER wants a named bit list. */
function bitString(bits: number): Buffer {
  const octets = Buffer.from([bits >> 8, bits & 0xff])
  const used = octets[1] === 0 ? octets.subarray(0, 1) : octets
  const last = used.at(-1) ?? 0
  const unused = 31 - Math.clz32(last & -last)
  return element(BIT_STRING, Buffer.from([unused]), used)
}

/** The authority's own key identifier; of one that has none the hash of its key. */
function keyIdOf({ subjectKeyId, rawSubjectPublicKeyInfo }: Certificate): Buffer {
  return subjectKeyId.length > 0 ? subjectKeyId : createHash('sha1').update(rawSubjectPublicKeyInfo).digest()
}
