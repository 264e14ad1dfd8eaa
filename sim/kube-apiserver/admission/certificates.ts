/** Who may approve and who may sign a certificate request, by signer: plugin/pkg/admission/certificates/{approval,signing}. */
import { isDeepStrictEqual } from 'node:util'
import { goQuote } from '../../../lib/kube/go-quote.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { requestOf } from '../registry/certificate-requests.ts'
import type { RequestInfo } from '../contract.ts'
import type { AdmissionContext, AdmissionPlugin, AdmissionRequest } from './plugin.ts'
import { forbid, groupResource } from './plugin.ts'

const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client'
const REQUESTS = 'certificatesigningrequests.certificates.k8s.io'

export const certificateApproval: AdmissionPlugin = {
  name: 'CertificateApproval',
  validate(admission, context) {
    if (!updates(admission, 'approval') || maySigner('approve', admission, context)) return undefined
    return forbid(
      this.name,
      admission,
      `user not permitted to approve requests with signerName ${goQuote(signerOf(admission.oldObject))}`,
    )
  },
}

export const certificateSigning: AdmissionPlugin = {
  name: 'CertificateSigning',
  validate(admission, context) {
    if (!updates(admission, 'status')) return undefined
    const [before, after] = [statusOf(admission.oldObject), statusOf(admission.object)]
    const unchanged =
      before.certificate === after.certificate && isDeepStrictEqual(before.conditions ?? [], after.conditions ?? [])
    if (unchanged || maySigner('sign', admission, context)) return undefined
    return forbid(
      this.name,
      admission,
      `user not permitted to sign requests with signerName ${goQuote(signerOf(admission.oldObject))}`,
    )
  },
}

/** Nobody becomes system:masters by a certificate: plugin/pkg/admission/certificates/subjectrestriction. */
export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  validate(admission) {
    const { operation, request, object } = admission
    if (operation !== 'CREATE' || request.subresource !== '' || groupResource(request) !== REQUESTS) return undefined
    if (!object || signerOf(object) !== CLIENT_SIGNER) return undefined
    let organizations: readonly string[]
    try {
      organizations = requestOf(object).subject.organization
    } catch (error) {
      return forbid(this.name, admission, `failed to parse CSR: ${(error as Error).message}`)
    }
    if (!organizations.includes('system:masters')) return undefined
    return forbid(this.name, admission, `use of ${CLIENT_SIGNER} signer with system:masters group is not allowed`)
  },
}

function updates({ operation, request }: AdmissionRequest, subresource: string): boolean {
  return operation === 'UPDATE' && request.subresource === subresource && groupResource(request) === REQUESTS
}

/** The signer itself, or all signers of its domain (pkg/apis/certificates, IsAuthorizedForSignerName). */
function maySigner(
  verb: 'approve' | 'sign',
  { user, request, oldObject }: AdmissionRequest,
  { authorize }: AdmissionContext,
): boolean {
  const signer = signerOf(oldObject)
  const asked: RequestInfo = { ...request, verb, apiVersion: '*', resource: 'signers', subresource: '' }
  return [signer, `${signer.split('/')[0]}/*`].some((name) => authorize(user, { ...asked, name }).decision === 'allow')
}

interface RequestStatus {
  certificate?: string
  conditions?: unknown[]
}

function statusOf(csr: KubeObject | undefined): RequestStatus {
  return (csr?.['status'] as RequestStatus | undefined) ?? {}
}

function signerOf(csr: KubeObject | undefined): string {
  return (csr?.['spec'] as { signerName?: string } | undefined)?.signerName ?? ''
}
