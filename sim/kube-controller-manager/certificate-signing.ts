/** Signs what was approved: pkg/controller/certificates/signer/signer.go, cmd/kube-controller-manager/app/certificates.go. */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { StatusError } from '../../lib/kube/client.ts'
import { klogS } from '../../lib/kube/klog.ts'
import type { KubeObject } from '../../lib/kube/object.ts'
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import { parseCertificate } from '../../lib/x509/parse.ts'
import { certificatesFromPem } from '../../lib/x509/pem.ts'
import type { CertificateRequest } from '../../lib/x509/certificate-request.ts'
import { signCertificateRequest } from '../../lib/x509/sign-request.ts'
import type { SigningAuthority } from '../../lib/x509/sign-request.ts'
import { controllerQueue, follow, type Controller } from './controller.ts'
import {
  CLIENT_SIGNER,
  KUBELET_CLIENT_SIGNER,
  KUBELET_SERVING_SIGNER,
  LEGACY_SIGNER,
  refuseRequest,
} from './kubelet-request.ts'
import { hasCondition, REQUESTS_PATH, requestIn, specOf, statusOf, withCondition } from './signing-request.ts'

/** Signers in the order in which they are set up, by the flags that give one a CA of its own. */
const SIGNERS = [
  [KUBELET_SERVING_SIGNER, 'cluster-signing-kubelet-serving-cert-file', 'cluster-signing-kubelet-serving-key-file'],
  [KUBELET_CLIENT_SIGNER, 'cluster-signing-kubelet-client-cert-file', 'cluster-signing-kubelet-client-key-file'],
  [CLIENT_SIGNER, 'cluster-signing-kube-apiserver-client-cert-file', 'cluster-signing-kube-apiserver-client-key-file'],
  [LEGACY_SIGNER, 'cluster-signing-legacy-unknown-cert-file', 'cluster-signing-legacy-unknown-key-file'],
] as const

const NAME = 'certificatesigningrequest-signing-controller'
const BACKDATE_MS = 5 * 60_000
/** Shorter ones are not shortened by the backdating. */
const SHORT_MS = 8 * 3_600_000
const SHORTEST_MS = 10 * 60_000

interface Files {
  cert: string
  key: string
}

export const certificateSigning: Controller = {
  name: NAME,
  serviceAccount: 'certificate-controller',
  start({ flags, informers, client }) {
    const signers = signerFiles(flags)
    const longestMs = flags.durationMs('cluster-signing-duration')
    const requests = informers.of(REQUESTS_PATH)
    const queue = controllerQueue(NAME, async (name) => {
      const csr = requests.get('', name)
      const files = csr && signers.get(specOf(csr).signerName ?? '')
      if (!files || !hasCondition(csr, 'Approved') || hasCondition(csr, 'Failed') || statusOf(csr).certificate) return
      const signed = signedRequest(csr, files, longestMs)
      await client.update(`${REQUESTS_PATH}/${name}/status`, signed).catch((error: unknown) => {
        if (!(error instanceof StatusError) || !['Conflict', 'NotFound'].includes(error.reason)) throw error
      })
    })
    follow(requests, ({ name }) => queue.add(name))
  },
}

/** The files of each signer that has some. A CA that cannot sign ends the program, as it ends the real one. */
function signerFiles(flags: FlagSet): Map<string, Files> {
  const general = { cert: flags.string('cluster-signing-cert-file'), key: flags.string('cluster-signing-key-file') }
  const found = new Map<string, Files>()
  for (const [signer, certFlag, keyFlag] of SIGNERS) {
    const own = { cert: flags.string(certFlag), key: flags.string(keyFlag) }
    const files = own.cert !== '' || own.key !== '' ? own : general
    if (files.cert === '' || files.key === '') continue
    try {
      authorityOf(files)
    } catch (error) {
      const err = `failed to init ${signer} certificate controller: ${(error as Error).message}`
      klogS('E', 'controllermanager.go:278', 'Error building controllers', { err })
      klogS('E', 'controllermanager.go:413', 'leaderelection lost/stopped')
      process.exit(1)
    }
    found.set(signer, files)
  }
  return found
}

/** Read anew for each certificate: the CA may have been renewed. */
export function authorityOf({ cert, key }: Files): SigningAuthority {
  const wrong = (why: string): Error => new Error(`error reading CA cert file ${JSON.stringify(cert)}: ${why}`)
  const text = readOr(cert, wrong)
  const privateKey = createPrivateKey(
    readOr(key, (why) => new Error(`error reading CA key file ${JSON.stringify(key)}: ${why}`)),
  )
  const [der] = certificatesFromPem(text)
  if (!der) throw wrong('tls: failed to find any PEM data in certificate input')
  const certificate = parseCertificate(der)
  const spki = createPublicKey({ key: certificate.rawSubjectPublicKeyInfo, format: 'der', type: 'spki' })
  if (!spki.equals(createPublicKey(privateKey))) throw wrong('tls: private key does not match public key')
  return { certificate, key: privateKey }
}

function readOr(path: string, wrong: (why: string) => Error): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const texts: Record<string, string> = { ENOENT: 'no such file or directory', EACCES: 'permission denied' }
    throw wrong(`open ${path}: ${texts[code ?? ''] ?? message}`)
  }
}

/** With a certificate, or with the condition Failed and why. Throws where the signer itself cannot. */
function signedRequest(csr: KubeObject, files: Files, longestMs: number): KubeObject {
  const { signerName = '', usages = [], expirationSeconds } = specOf(csr)
  const request = requestIn(csr)
  const refused = refuseRequest(signerName, request, usages)
  if (refused !== undefined) {
    return withCondition(csr, { type: 'Failed', status: 'True', reason: 'SignerValidationFailure', message: refused })
  }
  const lifeMs = lifetimeMs(expirationSeconds, longestMs)
  const certificate = signedCertificate(request, authorityOf(files), { usages, lifeMs, now: Date.now() })
  return { ...csr, status: { ...statusOf(csr), certificate: Buffer.from(certificate).toString('base64') } }
}

/** PEM. Backdated, and of no longer life than the authority. Throws where that has expired. */
export function signedCertificate(
  request: CertificateRequest,
  authority: SigningAuthority,
  { usages, lifeMs, now }: { usages: readonly string[]; lifeMs: number; now: number },
): string {
  const notBefore = new Date(now - BACKDATE_MS)
  const wanted = new Date(now + (lifeMs < SHORT_MS ? lifeMs : lifeMs - BACKDATE_MS))
  const { notAfter: last } = authority.certificate
  if (now >= last.getTime()) {
    throw new Error(`error auto signing csr: the signer has expired: NotAfter=${last.toISOString()}`)
  }
  return signCertificateRequest(request, authority, { usages, notBefore, notAfter: wanted < last ? wanted : last })
}

/** Nobody gets more than the flag says, nor less than ten minutes. */
export function lifetimeMs(expirationSeconds: number | undefined, longestMs: number): number {
  const askedMs = expirationSeconds === undefined ? longestMs : expirationSeconds * 1000
  return askedMs > longestMs ? longestMs : Math.max(askedMs, SHORTEST_MS)
}
