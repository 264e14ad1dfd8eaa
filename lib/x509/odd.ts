/**
 * Issues what is out of the ordinary: key identifiers, a chosen serial, a key of another family than the CA's, a subject
 * with several values in one RDN, name constraints, a broken signature, a request (PKCS #10) and its signing, a revocation
 * list. This is the one door to @peculiar/x509. Only the range's own process and attackers import it (77 ms).
 */
import { createPrivateKey, createPublicKey, webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
  type JsonAttributeObject,
  type JsonName,
  type JsonGeneralName,
} from '@peculiar/x509'
import type { CertificateSpec, Issued, KeyAlgorithm } from './certificate-spec.ts'
import { issueKeyPair } from './private-key.ts'
import { nameConstraintsDer, type NameConstraints } from './name-constraints-der.ts'

cryptoProvider.set(webcrypto)

/** An ordinary certificate and its deviations; each is off unless named. */
export interface OddSpec extends Omit<CertificateSpec, 'isCa'> {
  isCa?: boolean
  /** Relative distinguished names in order, instead of commonName and organizations: `[{O: ['a', 'b']}, {CN: ['x']}]`. */
  subject?: JsonName | Name
  serialNumber?: bigint
  /** SHA-1 over the key, as Go gives every CA. */
  subjectKeyIdentifier?: boolean
  /** The issuer's key identifier, as Go gives every leaf whose CA has one. */
  authorityKeyIdentifier?: boolean
  pathLength?: number
  nameConstraints?: NameConstraints
  /** Certify this key (PEM, `PUBLIC KEY`) instead of a fresh one; the result then has an empty `privateKey`. */
  publicKey?: string
  /** Certify the key that this PEM holds, so that a certificate can be re-issued under another name or CA. */
  privateKey?: string
  hash?: 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512'
  /** The signature's last bit is flipped. */
  brokenSignature?: boolean
}

export async function issueOdd(spec: OddSpec, authority?: Issued): Promise<Issued> {
  const privateKey = spec.publicKey ? '' : (spec.privateKey ?? (await issueKeyPair(spec.key)).privateKey)
  const publicKey = await importPublic(spec.publicKey ?? privateKey)
  const issuer = authority && new X509Certificate(authority.certificate)
  const signingKey = await importPrivate(authority?.privateKey ?? privateKey, spec.hash)
  const subject = spec.subject ?? subjectOf(spec)
  const certificate = await X509CertificateGenerator.create({
    serialNumber: (spec.serialNumber ?? randomSerial()).toString(16).padStart(2, '0'),
    subject,
    issuer: issuer ? issuer.subjectName : subject,
    notBefore: spec.notBefore,
    notAfter: spec.notAfter,
    publicKey,
    signingKey,
    signingAlgorithm: { ...signingKey.algorithm, hash: spec.hash ?? 'SHA-256' },
    extensions: await extensionsOf(spec, publicKey, issuer),
  })
  const der = Buffer.from(certificate.rawData)
  if (spec.brokenSignature) der[der.length - 1]! ^= 1
  return { certificate: pem('CERTIFICATE', der), privateKey }
}

/**
 * A CA that says exactly what `authority` says, under a key of the attacker's own: same subject, validity and names. What
 * it signs differs from the true thing in the signature alone.
 */
export async function foreignTwin(authority: Issued): Promise<Issued> {
  const original = new X509Certificate(authority.certificate)
  return issueOdd({
    subject: original.subjectName,
    isCa: true,
    dnsNames: original.getExtension(SubjectAlternativeNameExtension)?.names.items.map((name) => name.value) ?? [],
    notBefore: original.notBefore,
    notAfter: original.notAfter,
    subjectKeyIdentifier: original.getExtension(SubjectKeyIdentifierExtension) !== null,
  })
}

export interface RequestSpec {
  commonName?: string
  organizations?: readonly string[]
  dnsNames?: readonly string[]
  ipAddresses?: readonly string[]
  key?: KeyAlgorithm
}

/** A certificate request as kubelet and kubectl users make them: PEM `CERTIFICATE REQUEST`, and its key. */
export async function createRequest(spec: RequestSpec): Promise<{ request: string; privateKey: string }> {
  const { privateKey } = await issueKeyPair(spec.key)
  const keys = { privateKey: await importPrivate(privateKey), publicKey: await importPublic(privateKey) }
  const names = generalNames(spec)
  const made = await Pkcs10CertificateRequestGenerator.create({
    name: subjectOf(spec),
    keys,
    signingAlgorithm: { ...keys.privateKey.algorithm, hash: 'SHA-256' },
    extensions: names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : [],
  })
  return { request: pem('CERTIFICATE REQUEST', Buffer.from(made.rawData)), privateKey }
}

/** A revocation list of serials, PEM `X509 CRL`. @peculiar/x509 writes the label `CRL`, which nobody else reads. */
export async function revocationList(
  authority: Issued,
  serials: readonly bigint[],
  validity: { thisUpdate: Date; nextUpdate: Date },
): Promise<string> {
  const signingKey = await importPrivate(authority.privateKey)
  const made = await X509CrlGenerator.create({
    ...validity,
    issuer: new X509Certificate(authority.certificate).subjectName,
    signingKey,
    signingAlgorithm: { ...signingKey.algorithm, hash: 'SHA-256' },
    entries: serials.map((serial) => ({ serialNumber: evenHex(serial), revocationDate: validity.thisUpdate })),
  })
  return pem('X509 CRL', Buffer.from(made.rawData))
}

async function extensionsOf(spec: OddSpec, publicKey: CryptoKey, issuer?: X509Certificate): Promise<Extension[]> {
  const certSign = spec.isCa ? KeyUsageFlags.keyCertSign : 0
  const usages = (spec.usages ?? []).map((usage) => ExtendedKeyUsage[usage])
  const names = generalNames(spec)
  const extensions: Extension[] = [
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment | certSign, true),
    new BasicConstraintsExtension(spec.isCa ?? false, spec.pathLength, true),
  ]
  if (usages.length > 0) extensions.push(new ExtendedKeyUsageExtension(usages))
  if (names.length > 0) extensions.push(new SubjectAlternativeNameExtension(names))
  if (spec.subjectKeyIdentifier) extensions.push(await SubjectKeyIdentifierExtension.create(publicKey))
  const issuerKeyId = issuer?.getExtension(SubjectKeyIdentifierExtension)?.keyId
  if (spec.authorityKeyIdentifier && issuerKeyId) extensions.push(new AuthorityKeyIdentifierExtension(issuerKeyId))
  if (spec.nameConstraints) {
    extensions.push(new Extension('2.5.29.30', true, nameConstraintsDer(spec.nameConstraints)))
  }
  return extensions
}

/** Values as objects: a plain string is read as RFC 4514 text, where `#`, quotes and backslashes mean something. */
function subjectOf({ commonName, organizations }: Pick<CertificateSpec, 'commonName' | 'organizations'>): Name {
  return new Name([
    ...(organizations?.length ? [{ O: organizations.map(attributeValue) }] : []),
    ...(commonName ? [{ CN: [attributeValue(commonName)] }] : []),
  ])
}

function attributeValue(value: string): JsonAttributeObject {
  return Name.isPrintableString(value) ? { printableString: value } : { utf8String: value }
}

function generalNames(spec: Pick<CertificateSpec, 'dnsNames' | 'ipAddresses' | 'uris' | 'emails'>): JsonGeneralName[] {
  return [
    ...(spec.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(spec.emails ?? []).map((value) => ({ type: 'email' as const, value })),
    ...(spec.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
    ...(spec.uris ?? []).map((value) => ({ type: 'url' as const, value })),
  ]
}

/** [1, 2^63), as kubeadm and client-go draw them (client-go/util/cert/cert.go). */
function randomSerial(): bigint {
  const value = webcrypto.getRandomValues(new BigUint64Array(1))[0]! >> 1n
  return value === 0n ? 1n : value
}

function evenHex(value: bigint): string {
  const hex = value.toString(16)
  return hex.length % 2 === 0 ? hex : `0${hex}`
}

/** The kind of a key as WebCrypto names it. */
function importAlgorithm(
  type: string | undefined,
  curve: string | undefined,
  hash: string,
): EcKeyImportParams | RsaHashedImportParams {
  if (type === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash }
  return { name: 'ECDSA', namedCurve: curve === 'secp384r1' ? 'P-384' : 'P-256' }
}

async function importPrivate(pemText: string, hash = 'SHA-256'): Promise<CryptoKey> {
  const key = createPrivateKey(pemText)
  const algorithm = importAlgorithm(key.asymmetricKeyType, key.asymmetricKeyDetails?.namedCurve, hash)
  const der = new Uint8Array(key.export({ type: 'pkcs8', format: 'der' }))
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign'])
}

/** Accepts a private key too: the public one follows from it. */
async function importPublic(pemText: string): Promise<CryptoKey> {
  const key = createPublicKey(pemText)
  const algorithm = importAlgorithm(key.asymmetricKeyType, key.asymmetricKeyDetails?.namedCurve, 'SHA-256')
  const der = new Uint8Array(key.export({ type: 'spki', format: 'der' }))
  return webcrypto.subtle.importKey('spki', der, algorithm, true, ['verify'])
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
