/** Which requests are for a kubelet's certificates: pkg/apis/certificates/helpers.go. */
import type { CertificateRequest } from '../../lib/x509/certificate-request.ts'

export const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client'
export const KUBELET_CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet'
export const KUBELET_SERVING_SIGNER = 'kubernetes.io/kubelet-serving'
export const LEGACY_SIGNER = 'kubernetes.io/legacy-unknown'

const NODE_PREFIX = 'system:node:'

/** Why the signer does not sign it, in its words; undefined where it does. */
export function refuseRequest(
  signer: string,
  request: CertificateRequest,
  usages: readonly string[],
): string | undefined {
  if (signer === KUBELET_CLIENT_SIGNER) return refuseKubeletClient(request, usages)
  if (signer === KUBELET_SERVING_SIGNER) return refuseKubeletServing(request, usages)
  if (signer === CLIENT_SIGNER) return refuseClientUsages(usages)
  return undefined
}

function refuseKubeletClient(request: CertificateRequest, usages: readonly string[]): string | undefined {
  const { dnsNames, emails, ipAddresses, uris } = request
  if (!isNodesAlone(request)) return 'subject organization is not system:nodes'
  if (dnsNames.length > 0) return 'DNS subjectAltNames are not allowed'
  if (emails.length > 0) return 'Email subjectAltNames are not allowed'
  if (ipAddresses.length > 0) return 'IP subjectAltNames are not allowed'
  if (uris.length > 0) return 'URI subjectAltNames are not allowed'
  if (!isNodeName(request)) return `subject common name does not begin with ${NODE_PREFIX}`
  return refuseUsages(usages, 'client auth')
}

function refuseKubeletServing(request: CertificateRequest, usages: readonly string[]): string | undefined {
  const { dnsNames, emails, ipAddresses, uris } = request
  if (!isNodesAlone(request)) return 'subject organization is not system:nodes'
  if (dnsNames.length + ipAddresses.length === 0) return 'DNS or IP subjectAltName is required'
  if (emails.length > 0) return 'Email subjectAltNames are not allowed'
  if (uris.length > 0) return 'URI subjectAltNames are not allowed'
  return (
    refuseUsages(usages, 'server auth') ??
    (isNodeName(request) ? undefined : `subject common name does not begin with ${NODE_PREFIX}`)
  )
}

function isNodesAlone({ subject }: CertificateRequest): boolean {
  return subject.organization.length === 1 && subject.organization[0] === 'system:nodes'
}

// an empty node name is a name to it
function isNodeName({ subject }: CertificateRequest): boolean {
  return subject.commonName.startsWith(NODE_PREFIX)
}

function refuseUsages(usages: readonly string[], purpose: string): string | undefined {
  const given = new Set(usages)
  const all = [purpose, 'digital signature', 'key encipherment'].sort()
  const isGood =
    given.has(purpose) && given.has('digital signature') && [...given].every((usage) => all.includes(usage))
  return isGood ? undefined : `usages did not match [${all.join(' ')}]`
}

function refuseClientUsages(usages: readonly string[]): string | undefined {
  const allowed = ['client auth', 'digital signature', 'key encipherment']
  const odd = usages.find((usage) => !allowed.includes(usage))
  if (odd !== undefined) return `invalid usage for client certificate: ${odd}`
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth'
}
