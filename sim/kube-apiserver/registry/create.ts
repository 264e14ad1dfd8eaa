/** create: apiserver/pkg/endpoints/handlers/create.go, apiserver/pkg/registry/rest/create.go. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { alreadyExists, badRequest, invalid } from '../../../lib/kube/status.ts'
import { asStored } from '../storage/codec.ts'
import { admissionRequest, assertAdmitted } from './api-call.ts'
import type { Answer, ApiCall, RegistryContext } from './api-call.ts'
import { metadataErrors, newMetadata } from './metadata.ts'
import { strictErrorsOf } from './field-validation.ts'
import { decodeBody } from './request-body.ts'
import { errorResourceOf } from './resource.ts'
import type { Resource } from './resource.ts'
import { allocateServiceAddresses } from './service-addresses.ts'
import { createOptions } from './write-options.ts'

const NAME_TRIES = 8

export async function createObject(call: ApiCall, context: RegistryContext): Promise<Answer> {
  const { resource, query } = call
  const { dryRun } = createOptions(query)
  const object = await decodeBody(await call.body(), call.contentType, resource, strictErrorsOf(call))
  resource.strategy.defaults?.(object)
  call.audit?.request(object)
  return { code: 201, body: await createDecoded(call, context, object, dryRun) }
}

/** The rest of a create, once the body is an object with its defaults; also an update that creates. */
export async function createDecoded(
  call: ApiCall,
  context: RegistryContext,
  object: KubeObject,
  dryRun: boolean,
): Promise<KubeObject> {
  const { resource, info } = call
  const { generateName } = object.metadata
  const generated = !object.metadata.name && generateName !== undefined
  for (let tries = 1; ; tries++) {
    const attempt = structuredClone(object)
    const stored = await createOnce(call, context, attempt, dryRun)
    if (stored) return stored
    if (generated && tries < NAME_TRIES) continue
    throw alreadyExists(errorResourceOf(resource), attempt.metadata.name ?? info.name)
  }
}

async function createOnce(
  call: ApiCall,
  { store, cache, admission, serviceRange }: RegistryContext,
  object: KubeObject,
  dryRun: boolean,
): Promise<KubeObject | undefined> {
  const { resource, info } = call
  const { strategy } = resource
  object.metadata = newMetadata(
    object.metadata,
    namespaceFor(resource, object, info.namespace),
    strategy.hasGeneration === true,
  )
  const asked = admissionRequest(call, 'CREATE', { object })
  await admission.ready(asked)
  assertAdmitted(admission.mutate(asked))
  strategy.prepareCreate?.(object, call.user)
  const errors = [...metadataErrors(object, resource), ...(strategy.validate?.(object) ?? [])]
  if (errors.length > 0) throw invalid(resource.kind, resource.group, object.metadata.name ?? '', errors)
  if (resource.kind === 'Service') allocateServiceAddresses(object, cache.list('services'), serviceRange)
  assertAdmitted(admission.validate(asked))
  if (!dryRun) return store.create(resource, object, strategy.ttlSeconds)
  const { namespace = '', name = '' } = object.metadata
  return (await store.get(resource, namespace, name)) ? undefined : asStored(object)
}

function namespaceFor({ namespaced }: Resource, { metadata }: KubeObject, asked: string): string {
  const said = metadata.namespace ?? ''
  if (said !== '' && said !== (namespaced ? asked : '')) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  return namespaced ? asked : ''
}
