/** From an authorised request to who serves it: apiserver/pkg/endpoints/installer.go, apiserver/pkg/server/mux. */
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { KubeObject } from '../../lib/kube/object.ts'
import { badRequest, failure, notFound } from '../../lib/kube/status.ts'
import type { User } from '../../lib/kube/user.ts'
import type { ApiRequest, RequestInfo } from './contract.ts'
import type { KubeletLink } from './kubelet-link/kubelet-link.ts'
import type { NonResourcePaths } from './non-resource-paths.ts'
import type { ApiCall, Answer, RegistryContext } from './registry/api-call.ts'
import { bindPod, evictPod } from './registry/bindings.ts'
import { createObject } from './registry/create.ts'
import { deleteCollection, deleteObject } from './registry/delete.ts'
import { pathSegmentErrors } from './registry/names.ts'
import { negotiate, NOT_FOUND, PROTOBUF } from './registry/negotiation.ts'
import type { AcceptedForm } from './registry/negotiation.ts'
import { patchObject } from './registry/patch.ts'
import { getObject, listObjects } from './registry/read.ts'
import { decodeBody, readBody } from './registry/request-body.ts'
import { errorResourceOf } from './registry/resource.ts'
import type { Resource } from './registry/resource.ts'
import { findResource } from './registry/resources.ts'
import { review } from './registry/reviews.ts'
import type { Reviewers } from './registry/reviews.ts'
import { includeObjectOf, partialMetadata, tableOf } from './registry/table.ts'
import { requestToken } from './registry/token-request.ts'
import type { TokenIssuer } from './registry/token-request.ts'
import { modifyObject, updateObject } from './registry/update.ts'
import { startWatch } from './registry/watch.ts'
import { message } from './schema/message-fields.ts'
import { encodeMessage } from './schema/protobuf-encoder.ts'
import { encodeEnvelope } from './storage/codec.ts'
import type { Typed } from './storage/codec.ts'
import type { Responder } from './respond.ts'
import { ordered } from './respond.ts'

export interface DispatchContext extends RegistryContext {
  reviewers: Reviewers
  /** Undefined where no signing key is given; a token is then not to be had. */
  issuer: TokenIssuer | undefined
  kubelets: KubeletLink
  paths: NonResourcePaths
}

export interface Asked {
  request: ApiRequest
  info: RequestInfo
  user: User
  query: URLSearchParams
  responder: Responder
  /** An HTTP/1.1 upgrade; taking it over ends the responder's use. */
  upgrade?: { head: Buffer; take: () => Duplex }
}

const TO_KUBELET: Readonly<Record<string, readonly string[]>> = {
  pods: ['exec', 'attach', 'portforward', 'log'],
  nodes: ['proxy'],
}
const METHOD_NOT_ALLOWED = failure(
  405,
  'MethodNotAllowed',
  'the server does not allow this method on the requested resource',
  {},
)
const GROUP_NOT_FOUND_PATH = /^\/apis\/[^/]+\/?$/

export async function dispatch(asked: Asked, context: DispatchContext): Promise<void> {
  const { info, responder } = asked
  if (!info.isResourceRequest) {
    const served = await context.paths.serve(asked)
    if (!served) responder.pageNotFound()
    return
  }
  const resource = findResource(info.apiGroup, info.apiVersion, info.resource)
  if (!resource) {
    if (GROUP_NOT_FOUND_PATH.test(info.path)) return responder.pageNotFound()
    return responder.status(NOT_FOUND)
  }
  if (resource.namespaced !== (info.namespace !== '') && !isAcrossNamespaces(resource, info))
    return responder.status(NOT_FOUND)
  if (info.subresource !== '' && !resource.subresources[info.subresource]) return responder.status(NOT_FOUND)
  if (TO_KUBELET[info.resource]?.includes(info.subresource)) return toKubelet(asked, context)
  await serveResource(asked, resource, context)
}

// namespaces/x is its own namespace, and lists and creates of no namespace are for all of them
function isAcrossNamespaces({ namespaced, resource }: Resource, { name, namespace, verb }: RequestInfo): boolean {
  if (!namespaced) return resource === 'namespaces' && namespace === name
  return name === '' || verb === 'list' || verb === 'watch'
}

async function serveResource(asked: Asked, resource: Resource, context: DispatchContext): Promise<void> {
  const { info, responder, request, query } = asked
  const verbs = info.subresource === '' ? resource.verbs : (resource.subresources[info.subresource]?.verbs ?? [])
  const verb = request.method === 'HEAD' || !verbs.includes(info.verb) ? undefined : info.verb
  const misplaced = resource.namespaced && info.namespace === '' && info.verb !== 'list' && info.verb !== 'watch'
  const aboutOne = info.verb === 'update' || info.verb === 'patch'
  const elsewhere =
    info.subresource === '' && (info.verb === 'create' ? info.name !== '' : aboutOne && info.name === '')
  if (verb === undefined || misplaced || elsewhere) return responder.status(METHOD_NOT_ALLOWED)
  const [wrong] = info.name === '' || verb === 'list' || verb === 'watch' ? [] : pathSegmentErrors(info.name)
  if (wrong !== undefined) throw badRequest(`Name parameter invalid: ${JSON.stringify(info.name)}: ${wrong}`)
  const form = negotiate(request.headers.accept)
  const call: ApiCall = {
    resource,
    info,
    user: asked.user,
    query,
    contentType: request.headers['content-type'],
    body: async () => {
      const bytes = await readBody(request)
      responder.witness(bytes)
      return bytes
    },
    warnings: [],
    audit: responder.audit,
  }
  if (verb === 'watch') return serveWatch(call, asked, form, context)
  if (form.as === 'Table') includeObjectOf(query.get('includeObject'))
  const { code, body } = await answerFor(call, verb, context)
  await responder.answer(code, body, { form, resource, query, warnings: call.warnings })
}

async function answerFor(call: ApiCall, verb: string, context: DispatchContext): Promise<Answer> {
  const { resource, info } = call
  const { subresource } = info
  if (!resource.verbs.includes('get')) {
    return resource.kind === 'Binding' ? bindPod(call, context) : review(call, context, context.reviewers)
  }
  if (subresource === 'binding') return bindPod(call, context)
  if (subresource === 'eviction') return evictPod(call, context)
  if (subresource === 'token') {
    if (!context.issuer) throw new Error('service account token issuing is not configured')
    return requestToken(call, context, context.issuer)
  }
  if (subresource === 'finalize') return finalizeNamespace(call, context)
  switch (verb) {
    case 'get':
      return getObject(call, context)
    case 'list':
      return listObjects(call, context)
    case 'create':
      return createObject(call, context)
    case 'update':
      return updateObject(call, context)
    case 'patch':
      return patchObject(call, context)
    case 'delete':
      return deleteObject(call, context)
    case 'deletecollection':
      return deleteCollection(call, context)
    default:
      throw new Error(`[dispatch_verb] ${verb}: no handler`)
  }
}

/** PUT namespaces/<n>/finalize: spec.finalizers, and nothing else. */
async function finalizeNamespace(call: ApiCall, context: RegistryContext): Promise<Answer> {
  const wanted = await decodeBody(await call.body(), call.contentType, call.resource)
  const { finalizers = [] } = (wanted['spec'] ?? {}) as { finalizers?: string[] }
  const body = await modifyObject(call, context, {
    dryRun: call.query.has('dryRun'),
    change: (current) => current,
    prepare: (object) => void (object['spec'] = finalizers.length > 0 ? { finalizers } : {}),
  })
  return { code: 200, body }
}

async function serveWatch(call: ApiCall, asked: Asked, form: AcceptedForm, context: RegistryContext): Promise<void> {
  // the compatibility response of HTTP/2 has the same methods
  const response = asked.responder.response as ServerResponse
  const include = includeObjectOf(call.query.get('includeObject'))
  let withColumns = true
  const shown = (object: KubeObject): object => {
    if (form.as === 'Table') {
      const { resourceVersion } = object.metadata
      const table = tableOf(call.resource, [ordered(object)], { include, metadata: { resourceVersion }, withColumns })
      withColumns = false
      return table
    }
    return form.as === undefined ? ordered(object) : partialMetadata(object)
  }
  const lines: Buffer[] = []
  let begun = false
  let ended = false
  const watch = await startWatch(call, context, {
    event(type, object) {
      const whole =
        type === 'ERROR' || type === 'BOOKMARK' ? bookmarkForm(type, object, form) : shown(object as KubeObject)
      const line = watchFrame(form, type, whole)
      asked.responder.witness(line)
      if (begun) response.write(line)
      else lines.push(line)
    },
    end: () => (begun ? response.end() : void (ended = true)),
  })
  const isProtobuf = form.media === PROTOBUF
  asked.responder.begin(200, { 'Content-Type': isProtobuf ? `${PROTOBUF};stream=watch` : 'application/json' })
  response.flushHeaders()
  begun = true
  if (lines.length > 0) response.write(Buffer.concat(lines))
  if (ended) response.end()
  response.once('close', () => watch.stop())
  if (response.destroyed) watch.stop()
}

/** A line of JSON; in protobuf a WatchEvent behind its length, with the object in its own envelope. */
function watchFrame({ media }: AcceptedForm, type: string, object: object): Buffer {
  if (media !== PROTOBUF) return Buffer.from(`${JSON.stringify({ type, object })}\n`)
  const event = encodeMessage({ type, object: encodeEnvelope(object as Typed) }, message('WatchEvent'))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(event.length)
  return Buffer.concat([length, event])
}

function bookmarkForm(type: 'ERROR' | 'BOOKMARK', object: object, form: AcceptedForm): object {
  if (type === 'ERROR' || form.as === undefined) return object
  const { metadata } = object as KubeObject
  if (form.as !== 'Table') return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata }
  return { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata, columnDefinitions: null, rows: [] }
}

async function toKubelet(asked: Asked, context: DispatchContext): Promise<void> {
  const { info, user, request, responder, upgrade } = asked
  const resource = findResource('', 'v1', info.resource)
  if (!resource) return responder.status(NOT_FOUND)
  const verbs = resource.subresources[info.subresource]?.verbs ?? []
  if (!verbs.includes(info.verb)) return responder.status(METHOD_NOT_ALLOWED)
  const found =
    info.resource === 'pods' ? (await context.store.get(resource, info.namespace, info.name))?.object : undefined
  if (!found && info.resource === 'pods') throw notFound(errorResourceOf(resource), info.name)
  const object = found ?? { kind: 'Node', apiVersion: 'v1', metadata: { name: info.name } }
  if (upgrade) {
    await context.kubelets.serve({
      info,
      user,
      request,
      object,
      upgrade: { socket: upgrade.take(), head: upgrade.head },
    })
  } else await context.kubelets.serve({ info, user, request, object, response: responder.response })
}
