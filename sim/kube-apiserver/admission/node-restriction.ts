/**
 * Keeps a kubelet to its own Node, its own Pods and what these need: plugin/pkg/admission/noderestriction/admission.go.
 * Runs for node identities only.
 */
import { isDeepStrictEqual } from 'node:util'
import { goQuote } from '../../../lib/kube/go-quote.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { nodeIdentity } from '../authorization/node-identity.ts'
import { isMirrorPod, podSpec } from '../authorization/pod-references.ts'
import { requestOf } from '../registry/certificate-requests.ts'
import { apiObjectReference } from './mirror-pod.ts'
import { forbiddenNodeLabels } from './node-labels.ts'
import { refuseNodeToken } from './node-token.ts'
import type { AdmissionContext, AdmissionPlugin, AdmissionRefusal, AdmissionRequest } from './plugin.ts'
import { forbid, groupResource, missing, requestedName } from './plugin.ts'

const NAME = 'NodeRestriction'

/** A refusal's text, a whole refusal, or undefined to let pass. */
type Said = string | AdmissionRefusal | undefined

export const nodeRestriction: AdmissionPlugin = {
  name: NAME,
  mutate(admission, context) {
    if (admission.operation === 'CONNECT') return undefined
    const node = nodeIdentity(admission.user)
    if (node === undefined) return undefined
    const said =
      node === ''
        ? `could not determine node from user ${goQuote(admission.user.username)}`
        : judge(node, admission, context)
    return typeof said === 'string' ? forbid(NAME, admission, said) : said
  },
}

function judge(node: string, admission: AdmissionRequest, context: AdmissionContext): Said {
  const { subresource } = admission.request
  switch (groupResource(admission.request)) {
    case 'pods':
      if (subresource === '') return pod(node, admission, context)
      if (subresource === 'status') return podStatus(node, admission)
      if (subresource === 'eviction') return podEviction(node, admission, context)
      return `unexpected pod subresource ${goQuote(subresource)}, only 'status' and 'eviction' are allowed`
    case 'nodes':
      return ownNode(node, admission)
    case 'persistentvolumeclaims':
      return subresource === 'status' ? claimStatus(node, admission) : 'may only update PVC status'
    case 'serviceaccounts':
      return subresource === 'token' && admission.operation === 'CREATE'
        ? refuseNodeToken(node, admission, context)
        : undefined
    case 'leases.coordination.k8s.io':
      return lease(node, admission)
    case 'csinodes.storage.k8s.io':
      if (requestedName(admission) === node) return undefined
      return 'can only access CSINode with the same name as the requesting node'
    case 'certificatesigningrequests.certificates.k8s.io':
      return signingRequest(node, admission)
    case 'resourceslices.resource.k8s.io':
      return resourceSlice(node, admission)
    default:
      return undefined
  }
}

function pod(node: string, admission: AdmissionRequest, context: AdmissionContext): Said {
  const { operation, request, object } = admission
  if (operation === 'CREATE' && object) return createdPod(node, object, context)
  if (operation !== 'DELETE')
    return `unexpected operation ${goQuote(operation)}, node ${goQuote(node)} can only create and delete mirror pods`
  const existing = context.objects.get('pods', request.namespace, request.name)
  if (!existing) return missing(NAME, 'pod', request.name)
  return podSpec(existing).nodeName === node
    ? undefined
    : `node ${goQuote(node)} can only delete pods with spec.nodeName set to itself`
}

const NODE_SIGNERS = ['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet']

function signingRequest(node: string, { operation, request, object }: AdmissionRequest): Said {
  if (operation !== 'CREATE' || request.subresource !== '' || !object) return undefined
  const { signerName = '' } = (object['spec'] ?? {}) as { signerName?: string }
  if (!NODE_SIGNERS.includes(signerName)) return undefined
  try {
    if (requestOf(object).subject.commonName === `system:node:${node}`) return undefined
  } catch (error) {
    return `unable to parse csr: ${(error as Error).message}`
  }
  return `can only create a node CSR with CN=system:node:${node}`
}

function createdPod(node: string, object: KubeObject, context: AdmissionContext): Said {
  const quoted = goQuote(node)
  if (!isMirrorPod(object))
    return `pod does not have "kubernetes.io/config.mirror" annotation, node ${quoted} can only create mirror pods`
  if (podSpec(object).nodeName !== node) return `node ${quoted} can only create pods with spec.nodeName set to itself`
  const owners = object.metadata.ownerReferences ?? []
  const owner = owners[0]
  if (owners.length > 1) return `node ${quoted} can only create pods with a single owner reference set to itself`
  if (!owner || owner.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) {
    return `node ${quoted} can only create pods with an owner reference set to itself`
  }
  if (!owner.controller) return `node ${quoted} can only create pods with a controller owner reference set to itself`
  if (owner.blockOwnerDeletion) return `node ${quoted} must not set blockOwnerDeletion on an owner reference`
  const own = context.objects.get('nodes', '', node)
  if (!own) return missing(NAME, 'node', node)
  if (owner.uid !== own.metadata.uid) return `node ${node} UID mismatch: expected ${owner.uid} got ${own.metadata.uid}`
  const reference = apiObjectReference(object)
  return reference === undefined ? undefined : `node ${quoted} can not create pods that reference ${reference}`
}

interface PodStatus {
  resourceClaimStatuses?: unknown
  extendedResourceClaimStatus?: unknown
}

function podStatus(node: string, { operation, object, oldObject }: AdmissionRequest): Said {
  const quoted = goQuote(node)
  if (operation !== 'UPDATE' || !object || !oldObject) return `unexpected operation ${goQuote(operation)}`
  if (podSpec(oldObject).nodeName !== node)
    return `node ${quoted} can only update pod status for pods with spec.nodeName set to itself`
  if (!isDeepStrictEqual(oldObject.metadata.labels ?? {}, object.metadata.labels ?? {})) {
    return `node ${quoted} cannot update labels through pod status`
  }
  const [before, after] = [oldObject, object].map((each) => (each['status'] as PodStatus | undefined) ?? {})
  if (!isDeepStrictEqual(before?.resourceClaimStatuses ?? [], after?.resourceClaimStatuses ?? [])) {
    // sic
    return `node ${quoted} cannot update resource claim statues`
  }
  if (isDeepStrictEqual(before?.extendedResourceClaimStatus, after?.extendedResourceClaimStatus)) return undefined
  return `node ${quoted} cannot update extended resource claim status`
}

function podEviction(node: string, admission: AdmissionRequest, context: AdmissionContext): Said {
  if (admission.operation !== 'CREATE') return `unexpected operation ${admission.operation}`
  const name = requestedName(admission)
  if (name === '') return 'could not determine pod from request data'
  const existing = context.objects.get('pods', admission.request.namespace, name)
  if (!existing) return missing(NAME, 'pod', name)
  return podSpec(existing).nodeName === node
    ? undefined
    : `node ${node} can only evict pods with spec.nodeName set to itself`
}

interface NodeSpec {
  configSource?: unknown
  taints?: unknown[]
}

function ownNode(node: string, admission: AdmissionRequest): Said {
  const { operation, object, oldObject } = admission
  const quoted = goQuote(node)
  const name = requestedName(admission)
  if (name !== node) return `node ${quoted} is not allowed to modify node ${goQuote(name)}`
  if (!object) return undefined
  const spec = (object['spec'] as NodeSpec | undefined) ?? {}
  if (operation === 'CREATE') {
    if (spec.configSource) return `node ${quoted} is not allowed to create pods with a non-nil configSource`
    const labels = forbiddenNodeLabels(object.metadata.labels)
    return labels.length === 0
      ? undefined
      : `node ${quoted} is not allowed to set the following labels: ${labels.join(', ')}`
  }
  if (operation !== 'UPDATE' || !oldObject) return undefined
  const before = (oldObject['spec'] as NodeSpec | undefined) ?? {}
  if (spec.configSource && !isDeepStrictEqual(spec.configSource, before.configSource)) {
    return `node ${quoted} is not allowed to update configSource to a new non-nil configSource`
  }
  if (!isDeepStrictEqual(spec.taints ?? [], before.taints ?? []))
    return `node ${quoted} is not allowed to modify taints`
  if (!isDeepStrictEqual(object.metadata.ownerReferences ?? [], oldObject.metadata.ownerReferences ?? [])) {
    return `node ${quoted} is not allowed to modify ownerReferences`
  }
  const labels = forbiddenNodeLabels(object.metadata.labels, oldObject.metadata.labels)
  return labels.length === 0 ? undefined : `is not allowed to modify labels: ${labels.join(', ')}`
}

/** What a kubelet reports of a volume; everything else of a claim must stay. */
const REPORTED = ['capacity', 'conditions', 'allocatedResources', 'allocatedResourceStatuses']

function claimStatus(node: string, { operation, object, oldObject }: AdmissionRequest): Said {
  if (operation !== 'UPDATE' || !object || !oldObject) return `unexpected operation ${goQuote(operation)}`
  const [before, after] = [oldObject, object].map(withoutReported)
  if (isDeepStrictEqual(before, after)) return undefined
  return `node ${goQuote(node)} is not allowed to update fields other than status.quantity and status.conditions: `
}

function withoutReported(claim: KubeObject): KubeObject {
  const copy = structuredClone(claim)
  delete copy.metadata.resourceVersion
  delete copy.metadata['managedFields']
  const status = { ...(copy['status'] as Record<string, unknown> | undefined) }
  for (const field of REPORTED) delete status[field]
  copy['status'] = status
  return copy
}

function lease(node: string, admission: AdmissionRequest): Said {
  if (admission.request.namespace !== 'kube-node-lease')
    return 'can only access leases in the "kube-node-lease" system namespace'
  if (requestedName(admission) === node) return undefined
  return 'can only access node lease with the same name as the requesting node'
}

function resourceSlice(node: string, { operation, object, oldObject }: AdmissionRequest): Said {
  if (operation === 'CREATE' && nodeNameOf(object) !== node) {
    return 'can only create ResourceSlice with the same NodeName as the requesting node'
  }
  if (operation === 'DELETE' && nodeNameOf(oldObject) !== node) {
    return 'can only delete ResourceSlice with the same NodeName as the requesting node'
  }
  return undefined
}

function nodeNameOf(slice: KubeObject | undefined): string | undefined {
  return (slice?.['spec'] as { nodeName?: string } | undefined)?.nodeName
}
