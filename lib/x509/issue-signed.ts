/**
 * Issues a certificate with a fresh key under an authority, of whatever family its key is: kubeadm's shape
 * (cmd/kubeadm/app/util/pkiutil/pki_helpers.go, NewSignedCert), names encoded as Go encodes them.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import {
  alternativeNames,
  BASIC_CONSTRAINTS,
  CA_USAGE,
  certificateDer,
  CLIENT_AUTH,
  COMMON_NAME,
  extendedKeyUsage,
  KEY_USAGE,
  LEAF_USAGE,
  ORGANIZATION,
  rdnSequence,
  SERVER_AUTH,
  SUBJECT_ALTERNATIVE_NAME,
} from './certificate-der.ts'
import type { CertificateSpec, Issued, KeyUsage } from './certificate-spec.ts'
import { SEQUENCE } from './der.ts'
import { certificatePem, element, extension, TRUE } from './der-writer.ts'
import { parseCertificate } from './parse.ts'
import { certificatesFromPem, pemBlocks } from './pem.ts'
import { issueKeyPair } from './private-key.ts'

const USAGES: Readonly<Record<KeyUsage, string>> = {
  serverAuth: SERVER_AUTH,
  clientAuth: CLIENT_AUTH,
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
    publicKeyInfo: pemBlocks(publicKey)[0]!.der,
    extensions: extensionsOf(spec),
    signer: key,
  })
  return { certificate: certificatePem(der), privateKey }
}

function extensionsOf(spec: CertificateSpec): Buffer[] {
  const names = alternativeNames(spec)
  return [
    extension(KEY_USAGE, true, spec.isCa ? CA_USAGE : LEAF_USAGE),
    ...extendedKeyUsage((spec.usages ?? []).map((usage) => USAGES[usage])),
    extension(BASIC_CONSTRAINTS, true, spec.isCa ? element(SEQUENCE, TRUE) : element(SEQUENCE)),
    ...(names.length === 0 ? [] : [extension(SUBJECT_ALTERNATIVE_NAME, false, element(SEQUENCE, ...names))]),
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
