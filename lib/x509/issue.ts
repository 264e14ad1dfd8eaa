/**
 * Issues the ordinary certificates of a cluster: a CA, which signs itself, and what it signs. This is the one door to
 * selfsigned, which makes the former; what a CA signs is issue-signed.ts's (selfsigned takes 5 to 10 ms for each, and signs
 * within one family of keys only). Key identifiers, a chosen serial or a foreign key are odd.ts's.
 *
 * Shape: kubeadm's (cmd/kubeadm/app/util/pkiutil/pki_helpers.go). Key usages digitalSignature and keyEncipherment, and
 * keyCertSign for a CA; basic constraints critical; validity as given. Unlike kubeadm's there are no key identifiers. Go
 * verifies without them; a pool with two CAs of one name needs odd.ts for other verifiers' sake.
 */
import selfsigned from 'selfsigned'
import type { CertificateSpec, Issued } from './certificate-spec.ts'
import { issueSigned } from './issue-signed.ts'
import { pemBlocks } from './pem.ts'
import { curveOf, rsaBits, traditionalKeyPem } from './private-key.ts'

type Options = NonNullable<Parameters<typeof selfsigned.generate>[1]>
type Extension = NonNullable<Options['extensions']>[number]

/** Issues a certificate with a fresh key, signed by `authority`, or by itself without one. */
export async function issue(spec: CertificateSpec, authority?: Issued): Promise<Issued> {
  if (authority) return issueSigned(spec, authority)
  const key = spec.key ?? 'ECDSA-P256'
  const curve = curveOf(key)
  const made = await selfsigned.generate(subjectFields(spec), {
    ...(curve ? { keyType: 'ec', curve } : { keyType: 'rsa', keySize: rsaBits(key) }),
    // The default is SHA-1, which neither Go nor OpenSSL accepts any more.
    algorithm: 'sha256',
    notBeforeDate: spec.notBefore,
    notAfterDate: spec.notAfter,
    extensions: extensionsOf(spec),
  })
  return { certificate: endLine(made.cert), privateKey: traditionalKeyPem(pemBlocks(made.private)[0]!.der) }
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
