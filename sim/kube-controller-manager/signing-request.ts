/** A CertificateSigningRequest as the controllers see it. */
import type { KubeObject } from '../../lib/kube/object.ts'
import { parseCertificateRequest } from '../../lib/x509/certificate-request.ts'
import type { CertificateRequest } from '../../lib/x509/certificate-request.ts'
import { pemBlocks } from '../../lib/x509/pem.ts'

export const REQUESTS_PATH = '/apis/certificates.k8s.io/v1/certificatesigningrequests'

export interface RequestSpec {
  request?: string
  signerName?: string
  usages?: string[]
  expirationSeconds?: number
  username?: string
  uid?: string
  groups?: string[]
  extra?: Record<string, string[]>
}

export interface RequestCondition {
  type: string
  status: string
  reason?: string
  message?: string
}

export interface RequestStatus {
  conditions?: RequestCondition[]
  certificate?: string
}

export function specOf(csr: KubeObject): RequestSpec {
  return (csr['spec'] as RequestSpec | undefined) ?? {}
}

export function statusOf(csr: KubeObject): RequestStatus {
  return (csr['status'] as RequestStatus | undefined) ?? {}
}

export function hasCondition(csr: KubeObject, type: string): boolean {
  return (statusOf(csr).conditions ?? []).some((condition) => condition.type === type)
}

/** The same object with one condition more. */
export function withCondition(csr: KubeObject, condition: RequestCondition): KubeObject {
  const status = statusOf(csr)
  return { ...csr, status: { ...status, conditions: [...(status.conditions ?? []), condition] } }
}

/** @throws Error where the PEM holds no request. */
export function requestIn(csr: KubeObject): CertificateRequest {
  const [block] = pemBlocks(Buffer.from(specOf(csr).request ?? '', 'base64'))
  if (block?.label !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST')
  return parseCertificateRequest(block.der)
}
