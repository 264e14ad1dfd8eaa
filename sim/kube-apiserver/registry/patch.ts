/** patch: apiserver/pkg/endpoints/handlers/patch.go. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { badRequest, StatusError } from '../../../lib/kube/status.ts'
import { conform, TypeMismatch } from '../schema/conform.ts'
import { messageOfKind } from '../schema/message-fields.ts'
import type { Answer, ApiCall, RegistryContext } from './api-call.ts'
import { createDecoded } from './create.ts'
import { goJsonError } from './go-json.ts'
import { jsonPatch, JsonPatchError } from './json-patch.ts'
import type { JsonPatchOperation } from './json-patch.ts'
import { isMap, mergePatch } from './merge-patch.ts'
import { invalidPatch, strictErrorsOf } from './field-validation.ts'
import { withoutNulls } from './request-body.ts'
import { apiVersionOf } from './resource.ts'
import { strategicMerge } from './strategic-merge.ts'
import { assertNamed, modifyObject } from './update.ts'
import { patchOptions } from './write-options.ts'

const JSON_PATCH = 'application/json-patch+json'
const MERGE_PATCH = 'application/merge-patch+json'
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json'
const APPLY_PATCH = 'application/apply-patch+yaml'
const MOST_OPERATIONS = 10_000

export async function patchObject(call: ApiCall, context: RegistryContext): Promise<Answer> {
  const { resource, info } = call
  const media = (call.contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  if (![JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH].includes(media)) throw unsupported()
  const { dryRun } = patchOptions(call.query, media === APPLY_PATCH)
  const patch = await decodePatch(await call.body(), media)
  call.audit?.request(patch)
  if (media === APPLY_PATCH) {
    const applied = await appliedAnew(call, context, patch, dryRun)
    if (applied) return applied
  }
  const namespace = resource.namespaced ? info.namespace : ''
  const expected = expectedRevision(patch)
  const body = await modifyObject(call, context, {
    dryRun,
    ...(expected !== undefined && { expected }),
    change(current) {
      const patched = withoutNulls(patchedObject(current, patch, media)) as KubeObject
      if (!isMap(patched) || !isMap(patched.metadata)) throw badRequest('the patched object has no metadata')
      Object.assign(patched, { kind: resource.kind, apiVersion: apiVersionOf(resource) })
      const object = conformPatched(patched, call)
      assertNamed(object, current.metadata.name ?? '', namespace)
      resource.strategy.defaults?.(object)
      return object
    },
  })
  return { code: 200, body }
}

/** What the patch makes, as an object of its kind. Throws 422 where it is none. */
function conformPatched(patched: KubeObject, call: ApiCall): KubeObject {
  const { resource } = call
  const message = messageOfKind(apiVersionOf(resource), resource.kind)
  if (!message) throw new Error(`[message_unknown] ${resource.kind}: its fields are not described`)
  try {
    const { members, unknown } = conform(patched, message)
    const errors = unknown.map((path) => `unknown field ${JSON.stringify(path)}`)
    if (errors.length > 0) strictErrorsOf(call)(errors, (why) => invalidPatch(patched, why))
    return members as KubeObject
  } catch (error) {
    throw error instanceof TypeMismatch ? invalidPatch(patched, error.message) : error
  }
}

function unsupported(): StatusError {
  const error = new StatusError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {})
  return error
}

async function decodePatch(body: Buffer, media: string): Promise<unknown> {
  const text = body.toString()
  if (media === APPLY_PATCH && goJsonError(text) !== undefined) {
    const { parse } = await import('../../../lib/settings/yaml.ts')
    return parse(text) as unknown
  }
  const wrong = goJsonError(text)
  if (wrong !== undefined) throw badRequest(`error decoding patch: ${wrong}`)
  const patch: unknown = JSON.parse(text)
  if (media !== JSON_PATCH) return patch
  if (!Array.isArray(patch))
    throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch')
  if (patch.length <= MOST_OPERATIONS) return patch
  const message = `The allowed maximum operations in a JSON patch is ${MOST_OPERATIONS}, got ${patch.length}`
  throw new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: ${message}`)
}

/** A patch that names a resourceVersion is only good for that one. */
function expectedRevision(patch: unknown): string | undefined {
  const metadata = isMap(patch) ? patch['metadata'] : undefined
  const version = isMap(metadata) ? metadata['resourceVersion'] : undefined
  return typeof version === 'string' && version !== '' ? version : undefined
}

function patchedObject(current: KubeObject, patch: unknown, media: string): unknown {
  if (media === MERGE_PATCH) return mergePatch(current, patch)
  if (media === JSON_PATCH) {
    try {
      return jsonPatch(current, patch as JsonPatchOperation[])
    } catch (error) {
      if (!(error instanceof JsonPatchError)) throw error
      throw new StatusError(422, 'Invalid', 'the server rejected our request due to an error in our request', {})
    }
  }
  if (!isMap(patch))
    throw badRequest('error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}')
  return strategicMerge(current, patch, messageOfKind(current.apiVersion, current.kind))
}

/** Server-side apply creates what is not there. Field managers are not kept: an apply overwrites what it names. */
async function appliedAnew(
  call: ApiCall,
  context: RegistryContext,
  patch: unknown,
  dryRun: boolean,
): Promise<Answer | undefined> {
  const { resource, info } = call
  if (await context.store.get(resource, info.namespace, info.name)) return undefined
  if (!isMap(patch) || info.subresource !== '') return undefined
  const { metadata, ...rest } = withoutNulls(patch) as unknown as KubeObject
  const named = {
    ...rest,
    kind: resource.kind,
    apiVersion: apiVersionOf(resource),
    metadata: { ...metadata, name: info.name },
  }
  const object = conformPatched(named, call)
  resource.strategy.defaults?.(object)
  return { code: 201, body: await createDecoded(call, context, object, dryRun) }
}
