/**
 * What a kubelet may do: its own objects by name, and what the graph ties to its node. It never denies: every refusal is a
 * reason that the next authorizer may overrule. plugin/pkg/auth/authorizer/node/node_authorizer.go.
 */
import { goQuote } from '../../../lib/kube/go-quote.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { RequestInfo } from '../contract.ts'
import { bootstrapRules } from './bootstrap-policy.ts'
import { exactMatch, parseFieldSelector } from './field-selector.ts'
import type { NodeGraph, VertexKind } from './node-graph.ts'
import { nodeIdentity } from './node-identity.ts'
import { ruleAllows } from './policy-rule.ts'
import type { PolicyRule } from './policy-rule.ts'

const OWN_OBJECT_VERBS = new Set(['get', 'create', 'update', 'patch', 'delete'])
const READ_VERBS = new Set(['get', 'list', 'watch'])
const WRITE_VERBS = new Set(['create', 'update', 'patch'])

type Answer = { allowed: true } | { allowed: false; reason: string }

const ALLOW: Answer = { allowed: true }
const refuse = (reason: string): Answer => ({ allowed: false, reason })

export class NodeAuthorizer {
  readonly #graph: NodeGraph
  readonly #staticRules: PolicyRule[]

  constructor(graph: NodeGraph) {
    this.#graph = graph
    this.#staticRules = bootstrapRules('system:node')
  }

  /** `reason` is empty where the real authorizer gives none. */
  authorize(user: User, request: RequestInfo): Answer {
    const node = nodeIdentity(user)
    if (node === undefined) return refuse('')
    if (node === '') return refuse(`unknown node for user ${goQuote(user.username)}`)
    const divided = request.isResourceRequest ? this.#divided(node, request) : undefined
    if (divided) return divided
    return this.#staticRules.some((rule) => ruleAllows(rule, request)) ? ALLOW : refuse('')
  }

  /** The resources that not all nodes share alike; undefined for all others. */
  #divided(node: string, request: RequestInfo): Answer | undefined {
    switch (request.apiGroup === '' ? request.resource : `${request.resource}.${request.apiGroup}`) {
      case 'secrets':
        return this.#readNamed(node, 'secret', request)
      case 'configmaps':
        return this.#readNamed(node, 'configmap', request)
      case 'persistentvolumeclaims':
        if (request.subresource === 'status') return this.#claimStatus(node, request)
        return this.#get(node, 'persistentvolumeclaim', request)
      case 'persistentvolumes':
        return this.#get(node, 'persistentvolume', request)
      case 'resourceclaims.resource.k8s.io':
        return this.#get(node, 'resourceclaim', request)
      case 'volumeattachments.storage.k8s.io':
        return this.#get(node, 'volumeattachment', request)
      case 'serviceaccounts':
        return this.#serviceAccount(node, request)
      case 'leases.coordination.k8s.io':
        return lease(node, request)
      case 'csinodes.storage.k8s.io':
        return csiNode(node, request)
      case 'resourceslices.resource.k8s.io':
        return this.#resourceSlice(node, request)
      case 'nodes':
        return ownNode(node, request)
      case 'pods':
        return this.#pod(node, request)
      case 'podcertificaterequests.certificates.k8s.io':
        // gate PodCertificateRequest is off by default
        return refuse('')
      default:
        return undefined
    }
  }

  #related(node: string, kind: VertexKind, request: RequestInfo): Answer {
    if (this.#graph.reaches(kind, request.namespace, request.name, node)) return ALLOW
    return refuse(`no relationship found between node '${node}' and this object`)
  }

  #named(node: string, kind: VertexKind, request: RequestInfo): Answer {
    return request.name === '' ? refuse('No Object name found') : this.#related(node, kind, request)
  }

  #readNamed(node: string, kind: VertexKind, request: RequestInfo): Answer {
    if (!READ_VERBS.has(request.verb)) return refuse('can only read resources of this type')
    if (request.subresource !== '') return refuse('cannot read subresource')
    if (request.namespace === '') return refuse('can only read namespaced object of this type')
    return this.#named(node, kind, request)
  }

  #get(node: string, kind: VertexKind, request: RequestInfo): Answer {
    if (request.verb !== 'get') return refuse('can only get individual resources of this type')
    if (request.subresource !== '') return refuse('cannot get subresource')
    return this.#named(node, kind, request)
  }

  #claimStatus(node: string, request: RequestInfo): Answer {
    if (!['get', 'update', 'patch'].includes(request.verb)) return refuse('can only get/update/patch this type')
    return this.#named(node, 'persistentvolumeclaim', request)
  }

  #serviceAccount(node: string, request: RequestInfo): Answer {
    if (request.verb === 'get' && request.subresource === '') return this.#get(node, 'serviceaccount', request)
    if (request.verb !== 'create' || request.name === '')
      return refuse('can only create tokens for individual service accounts')
    if (request.subresource !== 'token') return refuse('can only create token subresource of serviceaccount')
    return this.#related(node, 'serviceaccount', request)
  }

  #resourceSlice(node: string, request: RequestInfo): Answer {
    if (request.subresource !== '') return refuse('cannot authorize ResourceSlice subresources')
    switch (request.verb) {
      case 'create':
        return ALLOW
      case 'get':
      case 'update':
      case 'patch':
      case 'delete':
        return this.#named(node, 'resourceslice', request)
      case 'watch':
      case 'list':
      case 'deletecollection':
        if (selects(request, 'spec.nodeName', node)) return ALLOW
        return refuse('can only list/watch/deletecollection resourceslices with nodeName field selector')
      default:
        return refuse(
          'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
        )
    }
  }

  #pod(node: string, request: RequestInfo): Answer {
    const { verb, subresource } = request
    if (subresource === 'status') return verb === 'update' || verb === 'patch' ? ALLOW : refuse('')
    if (subresource === 'eviction') return verb === 'create' ? ALLOW : refuse('')
    if (subresource !== '') return refuse('')
    if (verb === 'create' || verb === 'delete') return ALLOW
    if (verb === 'get') return this.#get(node, 'pod', request)
    if (verb !== 'list' && verb !== 'watch') return refuse('')
    if (selects(request, 'spec.nodeName', node)) return ALLOW
    if (request.name !== '') return this.#related(node, 'pod', request)
    return refuse('can only list/watch pods with spec.nodeName field selector')
  }
}

function selects(request: RequestInfo, field: string, value: string): boolean {
  return exactMatch(parseFieldSelector(request.fieldSelector) ?? [], field) === value
}

function lease(node: string, request: RequestInfo): Answer {
  if (!OWN_OBJECT_VERBS.has(request.verb)) return refuse('can only get, create, update, patch, or delete a node lease')
  if (request.namespace !== 'kube-node-lease') {
    return refuse('can only access leases in the "kube-node-lease" system namespace')
  }
  // a create carries no name in its URL: admission looks into the object
  if (request.verb === 'create' || request.name === node) return ALLOW
  return refuse('can only access node lease with the same name as the requesting node')
}

function csiNode(node: string, request: RequestInfo): Answer {
  if (!OWN_OBJECT_VERBS.has(request.verb)) return refuse('can only get, create, update, patch, or delete a CSINode')
  if (request.subresource !== '') return refuse('cannot authorize CSINode subresources')
  if (request.verb === 'create' || request.name === node) return ALLOW
  return refuse('can only access CSINode with the same name as the requesting node')
}

function ownNode(node: string, request: RequestInfo): Answer {
  if (request.subresource === 'status') {
    return request.verb === 'update' || request.verb === 'patch' ? ALLOW : refuse('')
  }
  if (request.subresource !== '') return refuse('')
  if (WRITE_VERBS.has(request.verb)) return ALLOW
  if (!READ_VERBS.has(request.verb)) return refuse('')
  if (request.name === node) return ALLOW
  if (request.name === '') return refuse(`node '${node}' cannot read all nodes, only its own Node object`)
  return refuse(`node '${node}' cannot read '${request.name}', only its own Node object`)
}
