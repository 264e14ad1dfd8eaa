/** Asks kube-apiserver for a certificate and waits until somebody signed the request: client-go util/certificate/csr. */
import { StatusError, type KubeClient } from '../../../lib/kube/client.ts'
import { Informer } from '../../../lib/kube/informer.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'

const REQUESTS = '/apis/certificates.k8s.io/v1/certificatesigningrequests'

export interface SigningRequest {
  /** PEM. */
  request: string
  signerName: 'kubernetes.io/kube-apiserver-client-kubelet' | 'kubernetes.io/kubelet-serving'
  usages: readonly string[]
  /** Asked for again under the same name after a restart; without, kube-apiserver makes one up. */
  name?: string
}

/** The request as the API has it. Rejects with kube-apiserver's refusal. */
export async function createSigningRequest(client: KubeClient, asked: SigningRequest): Promise<KubeObject> {
  const { request, signerName, usages, name } = asked
  try {
    const made = await client.create(REQUESTS, {
      kind: 'CertificateSigningRequest',
      apiVersion: 'certificates.k8s.io/v1',
      metadata: name === undefined ? { generateName: 'csr-' } : { name },
      spec: { request: Buffer.from(request).toString('base64'), signerName, usages },
    })
    klogS('I', 'csr.go:86', 'Certificate signing request created', {
      logger: signerName,
      csr: made.metadata.name ?? '',
    })
    return made
  } catch (error) {
    if (name === undefined || !(error instanceof StatusError) || error.status !== 409) {
      throw new Error(`cannot create certificate signing request: ${(error as Error).message}`, { cause: error })
    }
    klogS('I', 'csr.go:90', 'csr for this node already exists, reusing')
    return client.get(`${REQUESTS}/${name}`)
  }
}

/** PEM of the chain that was issued. Rejects where the request is denied or fails, or when time is up. */
export function signedCertificate(client: KubeClient, { metadata }: KubeObject, timeoutMs: number): Promise<string> {
  const { name = '', uid } = metadata
  const query = `fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`
  const informer = new Informer({ client, path: REQUESTS, query })
  return new Promise<string>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error('timed out waiting for the certificate to be signed: context deadline exceeded')),
      timeoutMs,
    )
    timer.unref()
    const look = (object: KubeObject): void => {
      if (object.metadata.uid !== uid) return
      const { certificate, problem } = outcomeOf(object)
      if (problem !== undefined) reject(new Error(problem))
      if (certificate === undefined) return
      clearTimeout(timer)
      resolve(certificate)
    }
    informer.on('add', look)
    informer.on('update', look)
    // tried again by itself
    informer.on('failed', () => {})
    informer.start()
  }).finally(() => void informer.stop())
}

interface Outcome {
  certificate?: string
  problem?: string
}

function outcomeOf(object: KubeObject): Outcome {
  const status = (object['status'] ?? {}) as {
    conditions?: { type: string; reason?: string; message?: string }[]
    certificate?: string
  }
  const { conditions = [], certificate } = status
  for (const { type, reason = '', message = '' } of conditions) {
    if (type !== 'Denied' && type !== 'Failed') continue
    const what = type === 'Denied' ? 'is denied' : 'failed'
    return { problem: `certificate signing request ${what}, reason: ${reason}, message: ${message}` }
  }
  const isApproved = conditions.some(({ type }) => type === 'Approved')
  return isApproved && certificate ? { certificate: Buffer.from(certificate, 'base64').toString('utf8') } : {}
}
