/** Has a new certificate signed when the old one has lived most of its life, or at once: client-go util/certificate. */
import { setTimeout as delay } from 'node:timers/promises'
import type { KubeClient } from '../../../lib/kube/client.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import { validityOf, type CertificateFiles } from './certificate-files.ts'
import type { RequestedSubject } from './request-der.ts'
import type { SigningRequest } from './signing-request.ts'

export interface RotationOptions {
  signerName: SigningRequest['signerName']
  usages: readonly string[]
  subject: RequestedSubject
  files: CertificateFiles
  /** PEM of the certificate in use. */
  current: () => string | undefined
  /** Whoever may ask at this moment. */
  client: () => KubeClient
  /** What a kubelet that asks as nobody any more comes to after a while. */
  onHopeless?: () => void
}

/** client-go waits that long for a signature before it asks anew. */
const SIGNATURE_MS = 15 * 60_000
const FIRST_RETRY_MS = 2000
const LAST_RETRY_MS = 32_000
/** Of a certificate's life, at a random point between the two. */
const EARLIEST = 0.7
const SPREAD = 0.2
const LONGEST_TIMER_MS = 2 ** 31 - 1
/** certificate_manager's --exit-on-lack-of-certificate. */
const HOPELESS_MS = 300_000

/** Goes on for ever. */
export async function rotateCertificate(options: RotationOptions): Promise<never> {
  const { signerName: logger } = options
  klogS('I', 'certificate_manager.go:422', 'Certificate rotation is enabled', { logger })
  const lastGood = { ms: Date.now() }
  for (;;) {
    await untilDue(options)
    klogS('I', 'certificate_manager.go:566', 'Rotating certificates', { logger })
    for (let waitMs = FIRST_RETRY_MS; !(await rotate(options)); waitMs = Math.min(2 * waitMs, LAST_RETRY_MS)) {
      const until = validityOf(options.current())?.notAfter.getTime() ?? 0
      if (until > Date.now()) lastGood.ms = Date.now()
      if (Date.now() - lastGood.ms > HOPELESS_MS) options.onHopeless?.()
      await delay(waitMs, undefined, { ref: false })
    }
    lastGood.ms = Date.now()
  }
}

async function untilDue({ current, signerName: logger }: RotationOptions): Promise<void> {
  const validity = validityOf(current())
  if (!validity) return
  const { notBefore, notAfter } = validity
  const lifeMs = notAfter.getTime() - notBefore.getTime()
  const deadline = new Date(notBefore.getTime() + lifeMs * (EARLIEST + SPREAD * Math.random()))
  klogS('I', 'certificate_manager.go:715', 'Certificate rotation deadline determined', {
    logger,
    expiration: notAfter.toISOString(),
    deadline: deadline.toISOString(),
  })
  for (let leftMs = deadline.getTime() - Date.now(); leftMs > 0; leftMs = deadline.getTime() - Date.now()) {
    await delay(Math.min(leftMs, LONGEST_TIMER_MS), undefined, { ref: false })
  }
}

async function rotate({ client, signerName, usages, subject, files }: RotationOptions): Promise<boolean> {
  // few kubelets live that long: loaded by those that do
  const { certificateRequest, keyPem, makeKey } = await import('./request-der.ts')
  const { createSigningRequest, signedCertificate } = await import('./signing-request.ts')
  try {
    const key = makeKey()
    const asker = client()
    const request = certificateRequest(key, subject)
    const made = await createSigningRequest(asker, { request, signerName, usages })
    files.keep(await signedCertificate(asker, made, SIGNATURE_MS), keyPem(key))
    return true
  } catch (error) {
    const { message: err } = error as Error
    const what = 'Failed while requesting a signed certificate from the control plane'
    klogS('E', 'certificate_manager.go:596', what, { err, logger: signerName })
    return false
  }
}
