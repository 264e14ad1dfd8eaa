import t from 'tap'
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import type { CertificateSpec, Issued } from '../../../lib/x509/certificate-spec.ts'
import { issue } from '../../../lib/x509/issue.ts'
import { createRequest, foreignTwin, issueOdd, revocationList } from '../../../lib/x509/odd.ts'
import { parseCertificateRequest, type CertificateRequest } from '../../../lib/x509/certificate-request.ts'
import { signCertificateRequest } from '../../../lib/x509/sign-request.ts'
import { parseCertificate } from '../../../lib/x509/parse.ts'
import { certificatesFromPem, pemBlocks } from '../../../lib/x509/pem.ts'
import { certPool } from '../../../lib/x509/pool.ts'
import { issueKeyPair, keyAlgorithmOf, privateKeyPem, traditionalKeyPem } from '../../../lib/x509/private-key.ts'
import { verify } from '../../../lib/x509/verify.ts'
import type { Certificate } from '../../../lib/x509/certificate.ts'

const NOW = new Date()
const VALIDITY = { notBefore: new Date(NOW.getTime() - 300_000), notAfter: new Date(NOW.getTime() + 3_600_000) }
const CA: CertificateSpec = { commonName: 'kubernetes', isCa: true, dnsNames: ['kubernetes'], ...VALIDITY }

function parsed(pem: string): Certificate {
  const [der] = certificatesFromPem(pem)
  return parseCertificate(der ?? Buffer.alloc(0))
}

function verdict(leaf: string, ca: string, usage: 'clientAuth' | 'serverAuth' = 'clientAuth'): string {
  const answer = verify([parsed(leaf)], { roots: certPool(ca), time: NOW, usage })
  return answer.ok ? 'ok' : answer.error
}

t.test('issue() makes a CA shaped as kubeadm makes one', async (t) => {
  const ca = await issue(CA)
  const certificate = parsed(ca.certificate)
  t.strictSame(certificate.subject.names, [['2.5.4.3', 'kubernetes']])
  t.equal(certificate.isCA, true)
  t.strictSame(certificate.dnsNames, ['kubernetes'])
  t.match(new X509Certificate(ca.certificate).toString(), /BEGIN CERTIFICATE/)
  t.match(ca.privateKey, /^-----BEGIN EC PRIVATE KEY-----\n/)
  t.ok(new X509Certificate(ca.certificate).checkPrivateKey(createPrivateKey(ca.privateKey)))
  t.equal(Math.trunc(certificate.notBefore.getTime() / 1000), Math.trunc(VALIDITY.notBefore.getTime() / 1000))
})

t.test('issue() signs leaves that Go accepts for their usage and no other', async (t) => {
  const ca = await issue(CA)
  const leaf = await issue(
    {
      commonName: 'etcd-1',
      usages: ['serverAuth'],
      dnsNames: ['etcd-1', 'localhost'],
      ipAddresses: ['127.0.0.1', '::1'],
      ...VALIDITY,
    },
    ca,
  )
  t.equal(verdict(leaf.certificate, ca.certificate, 'serverAuth'), 'ok')
  t.equal(
    verdict(leaf.certificate, ca.certificate, 'clientAuth'),
    'x509: certificate specifies an incompatible key usage',
  )
  const { dnsNames, isCA } = parsed(leaf.certificate)
  t.strictSame({ dnsNames, isCA }, { dnsNames: ['etcd-1', 'localhost'], isCA: false })
  t.equal(new X509Certificate(leaf.certificate).checkIP('127.0.0.1'), '127.0.0.1')
})

t.test('a name is data: a comma in it makes no further attribute', async (t) => {
  const spec = {
    commonName: 'x, O=system:masters',
    organizations: ['Acme, Inc', 'a+O=b', '#hash', ' space ', 'back\\slash', 'semi;colon', 'q"uote', '<angle>'],
    ...VALIDITY,
  }
  for (const made of [await issue(spec), await issue(spec, await issue(CA)), await issueOdd(spec)]) {
    const { subject } = parsed(made.certificate)
    t.equal(subject.commonName, spec.commonName)
    t.strictSame([...subject.organization].toSorted(), [...spec.organizations].toSorted())
  }
})

t.test('issue() makes RSA keys by choice, and mixes families', async (t) => {
  const rsa = await issue({ ...CA, key: 'RSA-2048' })
  t.match(rsa.privateKey, /^-----BEGIN RSA PRIVATE KEY-----\n/)
  t.equal(keyAlgorithmOf(rsa.privateKey), 'RSA-2048')
  const leaf = await issue({ commonName: 'x', usages: ['clientAuth'], key: 'RSA-2048', ...VALIDITY }, rsa)
  t.equal(verdict(leaf.certificate, rsa.certificate), 'ok')
  const mixed = await issue({ commonName: 'mixed', usages: ['clientAuth'], ...VALIDITY }, rsa)
  t.equal(keyAlgorithmOf(mixed.privateKey), 'ECDSA-P256')
  t.equal(verdict(mixed.certificate, rsa.certificate), 'ok')
})

t.test('issueKeyPair() makes the pair that signs tokens', async (t) => {
  const pair = await issueKeyPair()
  t.match(pair.publicKey, /^-----BEGIN PUBLIC KEY-----\n/)
  t.equal(createPublicKey(pair.privateKey).export({ type: 'spki', format: 'pem' }), pair.publicKey)
})

t.test('issueOdd() says what the ordinary issuer cannot', async (t) => {
  const ca = await issueOdd({
    ...CA,
    subjectKeyIdentifier: true,
    nameConstraints: { permitted: { dns: ['.cluster.local'] } },
  })
  const leaf = await issueOdd(
    {
      subject: [{ O: ['a', 'b'] }, { CN: ['first'] }, { CN: ['last'] }],
      serialNumber: 0x8005n,
      usages: ['clientAuth'],
      dnsNames: ['x.cluster.local'],
      authorityKeyIdentifier: true,
      ...VALIDITY,
    },
    ca,
  )
  const certificate = parsed(leaf.certificate)
  t.equal(certificate.serialNumber, 0x8005n)
  t.equal(certificate.subject.commonName, 'last')
  t.strictSame(certificate.authorityKeyId, parsed(ca.certificate).subjectKeyId)
  t.ok(certificate.authorityKeyId?.length)
  t.equal(verdict(leaf.certificate, ca.certificate), 'ok')
  const outside = await issueOdd({ commonName: 'y', usages: ['clientAuth'], dnsNames: ['y.example'], ...VALIDITY }, ca)
  t.match(verdict(outside.certificate, ca.certificate), /DNS name "y.example" is not permitted by any constraint/)
  const broken = await issueOdd({ commonName: 'z', usages: ['clientAuth'], brokenSignature: true, ...VALIDITY }, ca)
  t.match(verdict(broken.certificate, ca.certificate), /^x509: certificate signed by unknown authority/)
})

t.test('two CAs of one name in one pool are told apart with key identifiers', async (t) => {
  const specs = { ...CA, subjectKeyIdentifier: true }
  const cas = await Promise.all([issueOdd(specs), issueOdd(specs)])
  const bundle = cas.map((ca) => ca.certificate).join('')
  for (const ca of cas) {
    const leaf = await issueOdd(
      { commonName: 'x', usages: ['clientAuth'], authorityKeyIdentifier: true, ...VALIDITY },
      ca,
    )
    t.equal(verdict(leaf.certificate, bundle), 'ok')
  }
})

t.test('foreignTwin() says what the original says under another key', async (t) => {
  const ca = await issue(CA)
  const twin = await foreignTwin(ca)
  const [original, copy] = [parsed(ca.certificate), parsed(twin.certificate)]
  t.strictSame(copy.rawSubject, original.rawSubject)
  t.strictSame([copy.dnsNames, copy.notAfter], [original.dnsNames, original.notAfter])
  const leaf = await issue({ commonName: 'kubernetes-admin', usages: ['clientAuth'], ...VALIDITY }, twin)
  t.equal(verdict(leaf.certificate, twin.certificate), 'ok')
  t.match(
    verdict(leaf.certificate, ca.certificate),
    /^x509: certificate signed by unknown authority \(possibly because/,
  )
})

function requestIn(pem: string): CertificateRequest {
  return parseCertificateRequest(pemBlocks(pem)[0]?.der ?? Buffer.alloc(0))
}

t.test('a request is signed as asked, and one that was tampered with says so', async (t) => {
  const ca = await issue(CA)
  const { request, privateKey } = await createRequest({
    commonName: 'system:node:worker-1',
    organizations: ['system:nodes'],
    dnsNames: ['worker-1'],
    ipAddresses: ['192.0.2.31'],
  })
  const signer = { certificate: parsed(ca.certificate), key: createPrivateKey(ca.privateKey) }
  const signed: Issued = {
    certificate: signCertificateRequest(requestIn(request), signer, { usages: ['server auth'], ...VALIDITY }),
    privateKey,
  }
  const certificate = parsed(signed.certificate)
  t.equal(certificate.subject.commonName, 'system:node:worker-1')
  t.strictSame([certificate.subject.organization, certificate.dnsNames], [['system:nodes'], ['worker-1']])
  t.ok(new X509Certificate(signed.certificate).checkPrivateKey(createPrivateKey(privateKey)))
  t.equal(verdict(signed.certificate, ca.certificate, 'serverAuth'), 'ok')
  const der = pemBlocks(request)[0]?.der ?? Buffer.alloc(0)
  const name = der.indexOf('worker-1')
  der[name] = 'W'.charCodeAt(0)
  const tampered = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
  t.equal(requestIn(request).signatureError, undefined)
  t.match(requestIn(tampered).signatureError, /verification failure/)
})

t.test('a revocation list carries the label that everybody reads', async (t) => {
  const ca = await issue(CA)
  const list = await revocationList(ca, [1n, 0xabcn], { thisUpdate: NOW, nextUpdate: VALIDITY.notAfter })
  t.equal(pemBlocks(list)[0]?.label, 'X509 CRL')
})

/** Milliseconds for a cluster's worth of certificates. */
/** Milliseconds of CPU: the machine may be busy with others. */
async function issueSet(): Promise<number> {
  const started = process.cpuUsage()
  const cas = await Promise.all(
    ['kubernetes', 'etcd-ca', 'front-proxy-ca'].map((commonName) => issue({ ...CA, commonName })),
  )
  const leaf: CertificateSpec = { commonName: 'x', usages: ['clientAuth'], ...VALIDITY }
  await Promise.all([issueKeyPair(), ...Array.from({ length: 14 }, (_, index) => issue(leaf, cas[index % 3]))])
  const { user, system } = process.cpuUsage(started)
  return (user + system) / 1000
}

t.test('a key in its own encoding is what OpenSSL makes of it', async (t) => {
  for (const pair of [
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ]) {
    const der = pair.privateKey.export({ type: 'pkcs8', format: 'der' })
    t.equal(traditionalKeyPem(der), privateKeyPem(pair.privateKey))
  }
  t.throws(() => traditionalKeyPem(Buffer.from('3000', 'hex')), {
    message: '[key_not_pkcs8] private key: needs PKCS #8, is none',
  })
})

t.test('the ordinary set is quick', async (t) => {
  const runs = [await issueSet(), await issueSet(), await issueSet()]
  t.comment(`3 CAs, 14 leaves, 1 key pair: ${runs.map((each) => each.toFixed(0)).join(', ')} ms of CPU`)
  // 150 ms on a quiet machine; the bound here only catches a change of kind, such as RSA by default (2 s).
  t.ok(Math.min(...runs) < 1000, 'issued well under a second')
})
