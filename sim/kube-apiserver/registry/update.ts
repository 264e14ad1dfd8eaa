/** update, and what patch and the subresources share with it: apiserver/pkg/registry/generic/registry/store.go, rest/update.go. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { badRequest, conflict, invalid, notFound } from '../../../lib/kube/status.ts'
import { asStored } from '../storage/codec.ts'
import type { StoredObject } from '../storage/object-store.ts'
import { admissionRequest, assertAdmitted } from './api-call.ts'
import type { Answer, ApiCall, RegistryContext } from './api-call.ts'
import { createDecoded } from './create.ts'
import { invalidValue } from './field-errors.ts'
import { changedIdentityErrors, keptMetadata, metadataErrors } from './metadata.ts'
import { revisionOf } from './read.ts'
import { strictErrorsOf } from './field-validation.ts'
import { decodeBody } from './request-body.ts'
import { errorResourceOf } from './resource.ts'
import { updateOptions } from './write-options.ts'

export const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again'

/** What becomes of an object: `change` is asked again for each state it is found in. */
export interface Modification {
  dryRun: boolean
  change: (current: KubeObject) => KubeObject | Promise<KubeObject>
  /** The resourceVersion that the object must have; without one the newest state is changed. */
  expected?: string
  /** Refuses what may not change; the default takes the part that the call's subresource is for. */
  prepare?: (object: KubeObject, old: KubeObject) => void
}

export async function updateObject(call: ApiCall, context: RegistryContext): Promise<Answer> {
  const { resource, info, query } = call
  const { dryRun } = updateOptions(query)
  const object = await decodeBody(await call.body(), call.contentType, resource, strictErrorsOf(call))
  resource.strategy.defaults?.(object)
  call.audit?.request(object)
  assertNamed(object, info.name, resource.namespaced ? info.namespace : '')
  const { resourceVersion = '', uid = '' } = object.metadata
  if (resourceVersion !== '') revisionOf(resourceVersion)
  const current = await context.store.get(resource, info.namespace, info.name)
  if (!current) {
    if (!resource.strategy.createsOnUpdate || info.subresource !== '')
      throw notFound(errorResourceOf(resource), info.name)
    return { code: 201, body: await createDecoded(call, context, object, dryRun) }
  }
  if (uid !== '' && uid !== current.object.metadata.uid) throw otherUid(call, uid, current)
  if (resource.strategy.conditionalUpdate && resourceVersion === '') {
    const why = invalidValue('metadata.resourceVersion', 0, 'must be specified for an update')
    throw invalid(resource.kind, resource.group, info.name, [{ ...why, message: why.message.replace('0', '0x0') }])
  }
  const body = await modifyObject(call, context, {
    dryRun,
    change: () => structuredClone(object),
    ...(resourceVersion !== '' && resourceVersion !== '0' && { expected: resourceVersion }),
  })
  return { code: 200, body }
}

export function assertNamed(object: KubeObject, name: string, namespace: string): void {
  const said = object.metadata.name ?? ''
  if (said !== name) {
    if (said !== '') throw badRequest(`the name of the object (${said}) does not match the name on the URL (${name})`)
    throw badRequest('name must be provided')
  }
  if (object.metadata.namespace !== undefined && object.metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
}

/** Reads, changes, admits, validates and writes, until nobody was faster. Throws 404, 409, 422, or a refusal of admission. */
export async function modifyObject(
  call: ApiCall,
  context: RegistryContext,
  modification: Modification,
): Promise<KubeObject> {
  const { resource, info } = call
  const { store } = context
  const at = { namespace: info.namespace, name: info.name }
  const { expected, dryRun } = modification
  let current = await store.get(resource, info.namespace, info.name)
  for (;;) {
    if (!current) throw notFound(errorResourceOf(resource), info.name)
    if (expected !== undefined && expected !== String(current.revision))
      throw conflict(errorResourceOf(resource), info.name, MODIFIED)
    const object = await changedObject(call, context, current, modification)
    if (dryRun) return asStored(object)
    if (isDeepStrictEqual(object, current.object) && !current.stale) return current.object
    const outcome = isFinished(object)
      ? await store.remove(resource, at, current.revision)
      : await store.replace(resource, at, object, current.revision)
    if ('written' in outcome) return outcome.written
    if ('revision' in outcome) return object
    current = outcome.current
  }
}

async function changedObject(
  call: ApiCall,
  { admission }: RegistryContext,
  current: StoredObject,
  { change, prepare }: Modification,
): Promise<KubeObject> {
  const { resource, info } = call
  const { strategy } = resource
  const old = current.object
  const object = await change(structuredClone(old))
  const identity = changedIdentityErrors(object.metadata, old.metadata)
  object.metadata = keptMetadata(object.metadata, old.metadata)
  const ofSubresource = prepare ?? strategy.prepareSubresource?.[info.subresource]
  if (ofSubresource) ofSubresource(object, old)
  else if (info.subresource === 'status') takeStatus(object, old, call)
  else takeAllButStatus(object, old, call)
  const asked = admissionRequest(call, 'UPDATE', { object, oldObject: old })
  assertAdmitted(admission.mutate(asked))
  const errors = [...identity, ...metadataErrors(object, resource), ...(strategy.validate?.(object) ?? [])]
  if (info.subresource === '') errors.push(...(strategy.validateUpdate?.(object, old) ?? []))
  errors.push(...(strategy.validateSubresource?.[info.subresource]?.(object, old) ?? []))
  const distinct = errors.filter((error, index) => errors.findIndex((each) => isDeepStrictEqual(each, error)) === index)
  if (distinct.length > 0) throw invalid(resource.kind, resource.group, info.name, distinct)
  assertAdmitted(admission.validate(asked))
  return object
}

function takeStatus(object: KubeObject, old: KubeObject, { resource: { strategy } }: ApiCall): void {
  if (strategy.prepareStatusUpdate) return strategy.prepareStatusUpdate(object, old)
  for (const member of Object.keys(object))
    if (member !== 'metadata' && member !== 'status') object[member] = old[member]
}

function takeAllButStatus(object: KubeObject, old: KubeObject, { resource: { strategy } }: ApiCall): void {
  if (strategy.hasStatus) {
    if (old['status'] === undefined) delete object['status']
    else object['status'] = old['status']
  }
  strategy.prepareUpdate?.(object, old)
  if (!strategy.hasGeneration) return
  const changed = Object.keys({ ...object, ...old }).some(
    (member) => member !== 'metadata' && member !== 'status' && !isDeepStrictEqual(object[member], old[member]),
  )
  if (changed) object.metadata.generation = (old.metadata.generation ?? 0) + 1
}

/** An object that is being deleted goes with its last finalizer. */
function isFinished({ metadata, spec, kind }: KubeObject): boolean {
  if (!metadata.deletionTimestamp || (metadata.deletionGracePeriodSeconds ?? 0) > 0) return false
  const held = kind === 'Namespace' ? ((spec as { finalizers?: string[] } | undefined)?.finalizers ?? []) : []
  return (metadata.finalizers ?? []).length === 0 && held.length === 0
}

function otherUid({ resource, info }: ApiCall, uid: string, { object }: StoredObject): Error {
  const key = `/${resource.storagePath}/${resource.namespaced ? `${info.namespace}/` : ''}${info.name}`
  const precondition = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${object.metadata.uid}`
  const why = `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${precondition}`
  return conflict(errorResourceOf(resource), info.name, why)
}
