/**
 * Issues the ordinary certificates of a cluster: a CA, or a leaf under a CA with a key of the same family. This is the one
 * door to selfsigned. Whatever it cannot say (key identifiers, a chosen serial, a foreign key) is odd.ts's.
 *
 * Shape: kubeadm's (cmd/kubeadm/app/util/pkiutil/pki_helpers.go). Key usages digitalSignature and keyEncipherment, and
 * keyCertSign for a CA; basic constraints critical; validity as given. Two differences from kubeadm are selfsigned's: the
 * serial has 71 random bits instead of 63, and there are no key identifiers. Go verifies without them; a pool with two
 * CAs of one name needs odd.ts for other verifiers' sake.
 */
import selfsigned from 'selfsigned'
import type { CertificateSpec, Issued, KeyAlgorithm } from './certificate-spec.ts'
import { pemBlocks } from './pem.ts'
import { curveOf, keyAlgorithmOf, rsaBits, traditionalKeyPem } from './private-key.ts'

type Options = NonNullable<Parameters<typeof selfsigned.generate>[1]>
type Extension = NonNullable<Options['extensions']>[number]

/**
 * Issues a certificate with a fresh key, signed by `authority`, or by itself without one.
 *
 * @throws Error `[issue_key_family]` when the leaf's key is of another family than the CA's: selfsigned imports the CA's
 *   key as if it were the leaf's kind.
 */
export async function issue(spec: CertificateSpec, authority?: Issued): Promise<Issued> {
  const key = spec.key ?? 'ECDSA-P256'
  const signer = authority && signerKind(authority)
  if (authority && signer?.slice(0, 3) !== key.slice(0, 3)) {
    throw new Error(
      `[issue_key_family] ${spec.commonName ?? ''}: an ${key} leaf under a ${signer ?? 'foreign'} CA is odd.ts's to issue`,
    )
  }
  const curve = curveOf(key)
  const made = await selfsigned.generate(subjectFields(spec), {
    ...(curve ? { keyType: 'ec', curve } : { keyType: 'rsa', keySize: rsaBits(key) }),
    // The default is SHA-1, which neither Go nor OpenSSL accepts any more.
    algorithm: 'sha256',
    notBeforeDate: spec.notBefore,
    notAfterDate: spec.notAfter,
    extensions: extensionsOf(spec),
    ...(authority ? { ca: { key: authority.privateKey, cert: authority.certificate } } : {}),
  })
  return { certificate: endLine(made.cert), privateKey: traditionalKeyPem(pemBlocks(made.private)[0]!.der) }
}

/** Reading a private key costs a millisecond, and one CA signs many. */
const signerKinds = new WeakMap<Issued, KeyAlgorithm | undefined>()

function signerKind(authority: Issued): KeyAlgorithm | undefined {
  if (!signerKinds.has(authority)) signerKinds.set(authority, keyAlgorithmOf(authority.privateKey))
  return signerKinds.get(authority)
}

/** Go's order (crypto/x509/pkix Name.ToRDNSequence): the organizations as one set, then the common name. */
function subjectFields(spec: CertificateSpec): { name: string; value: string }[] {
  const fields: { name: string; value: string }[] = []
  const organizations = (spec.organizations ?? []).map(escapeValue)
  if (organizations.length > 0) fields.push({ name: 'organizationName', value: organizations.join('+O=') })
  if (spec.commonName) fields.push({ name: 'commonName', value: escapeValue(spec.commonName) })
  return fields
}

/**
 * selfsigned joins names to a string that is parsed as RFC 4514: an unescaped comma would end the value, and what
 * follows would become another attribute, such as a group nobody meant.
 */
function escapeValue(value: string): string {
  return value.replace(/[,+"\\<>;=#]/g, '\\$&').replace(/^ | $/g, '\\ ')
}

function extensionsOf(spec: CertificateSpec): Extension[] {
  const extensions: Extension[] = [
    {
      name: 'keyUsage',
      digitalSignature: true,
      keyEncipherment: true,
      ...(spec.isCa ? { keyCertSign: true } : {}),
      critical: true,
    },
  ]
  if (spec.usages?.length) {
    extensions.push({ name: 'extKeyUsage', ...Object.fromEntries(spec.usages.map((usage) => [usage, true])) })
  }
  extensions.push({ name: 'basicConstraints', cA: spec.isCa ?? false, critical: true })
  const altNames = [
    ...(spec.dnsNames ?? []).map((value) => ({ type: 2 as const, value })),
    ...(spec.emails ?? []).map((value) => ({ type: 1 as const, value })),
    ...(spec.ipAddresses ?? []).map((ip) => ({ type: 7 as const, ip })),
    ...(spec.uris ?? []).map((value) => ({ type: 6 as const, value })),
  ]
  if (altNames.length > 0) extensions.push({ name: 'subjectAltName', altNames })
  return extensions
}

function endLine(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`
}
