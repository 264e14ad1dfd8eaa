/** patch: apiserver/pkg/endpoints/handlers/patch.go. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { badRequest, StatusError } from '../../../lib/kube/status.ts'
import type { Answer, ApiCall, RegistryContext } from './api-call.ts'
import { createDecoded } from './create.ts'
import { goJsonError } from './go-json.ts'
import { jsonPatch, JsonPatchError } from './json-patch.ts'
import type { JsonPatchOperation } from './json-patch.ts'
import { isMap, mergePatch } from './merge-patch.ts'
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
      assertNamed(patched, current.metadata.name ?? '', namespace)
      resource.strategy.defaults?.(patched)
      return patched
    },
  })
  return { code: 200, body }
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
  return strategicMerge(current, patch)
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
  const object: KubeObject = {
    ...rest,
    kind: resource.kind,
    apiVersion: apiVersionOf(resource),
    metadata: { ...metadata, name: info.name },
  }
  resource.strategy.defaults?.(object)
  return { code: 201, body: await createDecoded(call, context, object, dryRun) }
}
