/** Approves kubelets' client certificates where a SubjectAccessReview lets it: pkg/controller/certificates/approver/sarapprove.go. */
import { StatusError, type KubeClient } from '../../lib/kube/client.ts'
import type { KubeObject } from '../../lib/kube/object.ts'
import type { CertificateRequest } from '../../lib/x509/certificate-request.ts'
import { controllerQueue, follow, type Controller } from './controller.ts'
import { KUBELET_CLIENT_SIGNER, refuseRequest } from './kubelet-request.ts'
import { hasCondition, REQUESTS_PATH, requestIn, specOf, statusOf, withCondition } from './signing-request.ts'

/** Asked again after that: the right may be given later. */
const AGAIN_MS = 10_000
const NAME = 'certificatesigningrequest-approving-controller'

interface Recognizer {
  subresource: string
  /** Of a kubelet's client request, whether it is of this kind. */
  recognizes: (csr: KubeObject, request: CertificateRequest) => boolean
  message: string
}

const RECOGNIZERS: readonly Recognizer[] = [
  {
    subresource: 'selfnodeclient',
    recognizes: (csr, { subject }) => specOf(csr).username === subject.commonName,
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
  },
  {
    subresource: 'nodeclient',
    recognizes: () => true,
    message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
  },
]

export const certificateApproval: Controller = {
  name: NAME,
  serviceAccount: 'certificate-controller',
  start({ informers, client }) {
    const requests = informers.of(REQUESTS_PATH)
    const queue = controllerQueue(NAME, async (name) => {
      const csr = requests.get('', name)
      if (!csr || statusOf(csr).certificate || hasCondition(csr, 'Approved') || hasCondition(csr, 'Denied')) return
      const { signerName = '', usages = [] } = specOf(csr)
      if (signerName !== KUBELET_CLIENT_SIGNER) return
      const request = requestIn(csr)
      if (refuseRequest(signerName, request, usages) !== undefined) return
      for (const { subresource, recognizes, message } of RECOGNIZERS) {
        if (!recognizes(csr, request) || !(await isAllowed(client, csr, subresource))) continue
        const condition = { type: 'Approved', status: 'True', reason: 'AutoApproved', message }
        return approve(client, withCondition(csr, condition))
      }
      queue.addAfter(name, AGAIN_MS)
    })
    follow(requests, ({ name }) => queue.add(name))
  },
}

async function isAllowed(client: KubeClient, csr: KubeObject, subresource: string): Promise<boolean> {
  const { username: user, uid, groups, extra } = specOf(csr)
  const resource = 'certificatesigningrequests'
  const resourceAttributes = { group: 'certificates.k8s.io', resource, verb: 'create', subresource, version: '*' }
  const review = await client.create('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user, uid, groups, extra, resourceAttributes },
  })
  return (review['status'] as { allowed?: boolean } | undefined)?.allowed === true
}

async function approve(client: KubeClient, csr: KubeObject): Promise<void> {
  try {
    await client.update(`${REQUESTS_PATH}/${csr.metadata.name}/approval`, csr)
  } catch (error) {
    // it has gone, or somebody changed it, and then it comes again
    if (!(error instanceof StatusError) || !['Conflict', 'NotFound'].includes(error.reason)) throw error
  }
}
