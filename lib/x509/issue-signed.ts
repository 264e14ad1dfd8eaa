/**
 * Issues a certificate with a fresh key under an authority, of whatever family its key is: kubeadm's shape
 * (cmd/kubeadm/app/util/pkiutil/pki_helpers.go, NewSignedCert), names encoded as Go encodes them.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { alternativeNames, certificateDer, rdnSequence } from './certificate-der.ts'
import type { CertificateSpec, Issued, KeyUsage } from './certificate-spec.ts'
import { OBJECT_IDENTIFIER, SEQUENCE } from './der.ts'
import { certificatePem, element, extension, hex, TRUE } from './der-writer.ts'
import { parseCertificate } from './parse.ts'
import { certificatesFromPem } from './pem.ts'
import { issueKeyPair } from './private-key.ts'

const COMMON_NAME = '550403'
const ORGANIZATION = '55040a'
/** digitalSignature and keyEncipherment; with keyCertSign. */
const LEAF_USAGE = hex('030205a0')
const CA_USAGE = hex('030202a4')
const USAGES: Readonly<Record<KeyUsage, string>> = {
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
}

export async function issueSigned(spec: CertificateSpec, authority: Issued): Promise<Issued> {
  const { key, name } = signerOf(authority)
  const { privateKey, publicKey } = await issueKeyPair(spec.key)
  const der = certificateDer({
    issuer: name,
    // Go's order (crypto/x509/pkix Name.ToRDNSequence): the organizations as one set, then the common name.
    subject: rdnSequence([
      { oid: ORGANIZATION, values: spec.organizations ?? [] },
      { oid: COMMON_NAME, values: spec.commonName ? [spec.commonName] : [] },
    ]),
    notBefore: spec.notBefore,
    notAfter: spec.notAfter,
    publicKeyInfo: createPublicKey(publicKey).export({ type: 'spki', format: 'der' }),
    extensions: extensionsOf(spec),
    signer: key,
  })
  return { certificate: certificatePem(der), privateKey }
}

function extensionsOf(spec: CertificateSpec): Buffer[] {
  const usages = (spec.usages ?? []).map((usage) => element(OBJECT_IDENTIFIER, hex(USAGES[usage])))
  const names = alternativeNames(spec)
  return [
    extension('551d0f', true, spec.isCa ? CA_USAGE : LEAF_USAGE),
    ...(usages.length === 0 ? [] : [extension('551d25', false, element(SEQUENCE, ...usages))]),
    extension('551d13', true, spec.isCa ? element(SEQUENCE, TRUE) : element(SEQUENCE)),
    ...(names.length === 0 ? [] : [extension('551d11', false, element(SEQUENCE, ...names))]),
  ]
}

interface Signer {
  key: KeyObject
  /** DER of its subject. */
  name: Buffer
}

/** Reading a private key costs a millisecond, and one authority signs many. */
const signers = new WeakMap<Issued, Signer>()

function signerOf(authority: Issued): Signer {
  const known = signers.get(authority)
  if (known) return known
  const [der = Buffer.alloc(0)] = certificatesFromPem(authority.certificate)
  const signer = { key: createPrivateKey(authority.privateKey), name: parseCertificate(der).rawSubject }
  signers.set(authority, signer)
  return signer
}
