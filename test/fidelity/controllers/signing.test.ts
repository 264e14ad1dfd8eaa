/** Recorded requests that were approved by hand: signed, or refused by the signer with its words. */
import t from 'tap'
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { parseCertificateRequest } from '../../../lib/x509/certificate-request.ts'
import { issue } from '../../../lib/x509/issue.ts'
import { nameToString, parseCertificate } from '../../../lib/x509/parse.ts'
import type { Certificate } from '../../../lib/x509/parse.ts'
import { certificatesFromPem, pemBlocks } from '../../../lib/x509/pem.ts'
import { certPool } from '../../../lib/x509/pool.ts'
import { verify } from '../../../lib/x509/verify.ts'
import { authorityOf, lifetimeMs, signedCertificate } from '../../../sim/kube-controller-manager/certificate-signing.ts'
import { refuseRequest } from '../../../sim/kube-controller-manager/kubelet-request.ts'
import { writeRequest } from '../kube-apiserver/certificate-writer.ts'

interface Row {
  id: string
  signerName: string
  subject: { CN: string; O: string[] }
  usages: string[]
  dns?: string[]
  ips?: string[]
  uris?: string[]
  key?: 'rsa' | 'rsa1024' | 'p384' | 'ed25519'
  expirationSeconds?: number
  /** --cluster-signing-duration, where it is not a year. */
  signingSeconds?: number
  failed?: string
  certificate?: { seconds: number; notBefore: number; subject: string; extensions: Record<string, string> }
}

const YEAR_SECONDS = 365 * 24 * 3600
const UNSIGNED: Readonly<Record<string, string>> = {
  'csr-unknown-signer': 'nobody signs for it',
}

t.test('every recorded request is signed or refused as recorded', async (t) => {
  const rows = JSON.parse(readFileSync(join(packageRoot(), 'test/fidelity/controllers/signing.json'), 'utf8')) as Row[]
  const validity = {
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 2 * YEAR_SECONDS * 1000),
  }
  const ca = await issue({ commonName: 'kubernetes', isCa: true, ...validity })
  const [der] = certificatesFromPem(ca.certificate)
  const authority = { certificate: parseCertificate(der!), key: createPrivateKey(ca.privateKey) }
  for (const row of rows) {
    if (UNSIGNED[row.id] !== undefined) continue
    const { signerName, usages, expirationSeconds, signingSeconds = YEAR_SECONDS } = row
    const [block] = pemBlocks(
      writeRequest({ subject: subjectOf(row), sans: sansOf(row), ...(row.key && { key: row.key }) }),
    )
    const request = parseCertificateRequest(block!.der)
    t.equal(request.signatureError, undefined, `${row.id}: signed with its own key`)
    const refused = refuseRequest(signerName, request, usages)
    t.equal(refused, row.failed, row.id)
    if (refused !== undefined || !row.certificate) continue
    const lifeMs = lifetimeMs(expirationSeconds, signingSeconds * 1000)
    const pem = signedCertificate(request, authority, { usages, lifeMs, now: Date.now() })
    const [leaf] = certificatesFromPem(pem)
    const certificate = parseCertificate(leaf!)
    const seconds = (certificate.notAfter.getTime() - certificate.notBefore.getTime()) / 1000
    t.equal(Math.round(seconds), row.certificate.seconds, `${row.id}: life`)
    t.equal(nameToString(certificate.subject), row.certificate.subject, `${row.id}: subject`)
    t.strictSame(extensionsOf(certificate), namesOf(row.certificate.extensions), `${row.id}: extensions`)
    const usage = signerName.endsWith('serving') ? 'serverAuth' : 'clientAuth'
    const chain = { roots: certPool(ca.certificate), time: new Date(), usage } as const
    t.match(verify([certificate], chain), { ok: true }, `${row.id}: verifies`)
  }
  t.equal(rows.length, 28, 'no row was left out')
})

t.test('a CA that cannot sign', async (t) => {
  const ends = { notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 3_600_000) }
  const gone = await issue({ commonName: 'kubernetes', isCa: true, ...ends })
  const [der] = certificatesFromPem(gone.certificate)
  const authority = { certificate: parseCertificate(der!), key: createPrivateKey(gone.privateKey) }
  const [block] = pemBlocks(writeRequest({ subject: [['CN', 'jane']] }))
  const request = parseCertificateRequest(block!.der)
  const options = { usages: ['client auth'], lifeMs: 3_600_000, now: Date.now() }
  t.throws(() => signedCertificate(request, authority, options), {
    message: /^error auto signing csr: the signer has expired: NotAfter=/,
  })
  t.throws(() => authorityOf({ cert: '/nonexistent', key: '/nonexistent' }), {
    message: 'error reading CA cert file "/nonexistent": open /nonexistent: no such file or directory',
  })
})

function subjectOf({ subject: { CN, O } }: Row): [string, string][] {
  return [...O.map((name): [string, string] => ['O', name]), ...(CN === '' ? [] : [['CN', CN] as [string, string]])]
}

function sansOf({ dns = [], ips = [], uris = [] }: Row): string[] {
  return [...dns.map((name) => `DNS:${name}`), ...ips.map((ip) => `IP:${ip}`), ...uris.map((uri) => `URI:${uri}`)]
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  '2.5.29.15': 'keyUsage',
  '2.5.29.37': 'extendedKeyUsage',
  '2.5.29.19': 'basicConstraints',
  '2.5.29.35': 'authorityKeyIdentifier',
  '2.5.29.17': 'subjectAltName',
}

function extensionsOf({ extensions }: Certificate): string[] {
  return extensions.map(({ oid, critical }) => `${EXTENSIONS[oid] ?? oid}${critical ? ' critical' : ''}`)
}

function namesOf(recorded: Record<string, string>): string[] {
  return Object.entries(recorded).map(([name, value]) => `${name}${value.startsWith('critical') ? ' critical' : ''}`)
}
