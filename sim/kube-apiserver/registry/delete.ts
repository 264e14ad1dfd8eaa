/** delete and deletecollection: apiserver/pkg/registry/rest/delete.go, apiserver/pkg/registry/generic/registry/store.go. */
import type { KubeList, KubeObject } from '../../../lib/kube/object.ts'
import { conflict, notFound } from '../../../lib/kube/status.ts'
import type { Status } from '../../../lib/kube/status.ts'
import type { StoredObject } from '../storage/object-store.ts'
import { admissionRequest, assertAdmitted } from './api-call.ts'
import type { Answer, ApiCall, RegistryContext } from './api-call.ts'
import { now, tidyMetadata } from './metadata.ts'
import { listObjects } from './read.ts'
import { errorKindOf, errorResourceOf } from './resource.ts'
import { deleteOptions } from './write-options.ts'
import type { DeleteOptions } from './write-options.ts'

export async function deleteObject(call: ApiCall, context: RegistryContext): Promise<Answer> {
  const { resource, info } = call
  const options = await deleteOptions(call)
  const { object, gone } = await deleteNamed(call, context, info.name, options)
  if (!gone || resource.strategy.returnsDeleted) return { code: 200, body: object }
  return { code: 200, body: deletedStatus(call, object) }
}

export async function deleteCollection(call: ApiCall, context: RegistryContext): Promise<Answer> {
  const options = await deleteOptions(call)
  const { body } = await listObjects(call, context)
  const list = body as KubeList
  const items: KubeObject[] = []
  for (const { metadata } of list.items) {
    const info = { ...call.info, namespace: metadata.namespace ?? '', name: metadata.name ?? '' }
    const { object } = await deleteNamed({ ...call, info }, context, info.name, options)
    items.push(object)
  }
  return { code: 200, body: { ...list, items } }
}

interface Deleted {
  object: KubeObject
  /** Removed; else the object lives on until its grace period or finalizers end. */
  gone: boolean
}

export async function deleteNamed(
  call: ApiCall,
  { store, admission }: RegistryContext,
  name: string,
  options: DeleteOptions,
): Promise<Deleted> {
  const { resource, info } = call
  const at = { namespace: info.namespace, name }
  let current = await store.get(resource, info.namespace, name)
  for (;;) {
    if (!current) throw notFound(errorResourceOf(resource), name)
    assertPreconditions(call, current, options)
    const asked = admissionRequest(call, 'DELETE', { oldObject: current.object })
    assertAdmitted(admission.mutate(asked) ?? admission.validate(asked))
    const { object, gone } = afterDelete(call, current.object, options)
    if (options.dryRun || object === current.object) return { object, gone }
    const outcome = gone
      ? await store.remove(resource, at, current.revision)
      : await store.replace(resource, at, object, current.revision)
    if ('written' in outcome) return { object: outcome.written, gone }
    if ('revision' in outcome) return { object, gone }
    current = outcome.current
  }
}

function assertPreconditions({ resource }: ApiCall, { object, revision }: StoredObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = options
  const name = object.metadata.name ?? ''
  if (uid !== undefined && uid !== object.metadata.uid) {
    const said = `the UID in the precondition (${uid}) does not match the UID in record (${object.metadata.uid})`
    throw conflict(errorKindOf(resource), name, `${said}. The object might have been deleted and then recreated`)
  }
  if (resourceVersion !== undefined && resourceVersion !== String(revision)) {
    const said = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${revision})`
    throw conflict(errorKindOf(resource), name, `${said}. The object might have been modified`)
  }
}

const POLICY_FINALIZERS: Record<string, string> = { Foreground: 'foregroundDeletion', Orphan: 'orphan' }

/** What is left of an object: the same one where it is already going and is not to go faster. */
function afterDelete({ resource }: ApiCall, object: KubeObject, options: DeleteOptions): Deleted {
  const { strategy } = resource
  if (resource.kind === 'Namespace') return afterNamespaceDelete(object)
  const seconds = strategy.gracePeriodSeconds?.(object, options.gracePeriodSeconds) ?? 0
  const policy = POLICY_FINALIZERS[options.propagationPolicy ?? '']
  const finalizers = [...new Set([...(object.metadata.finalizers ?? []), ...(policy ? [policy] : [])])]
  const waits = seconds > 0 || finalizers.length > 0
  const going = object.metadata.deletionTimestamp !== undefined
  if (going && waits && seconds >= (object.metadata.deletionGracePeriodSeconds ?? 0)) return { object, gone: false }
  if (!waits && !strategy.gracePeriodSeconds) return { object: { ...object }, gone: true }
  const deletionTimestamp = new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z')
  const { generation } = object.metadata
  const metadata = tidyMetadata({
    ...object.metadata,
    deletionTimestamp,
    deletionGracePeriodSeconds: seconds,
    ...(generation !== undefined && !going && { generation: generation + 1 }),
    finalizers,
  })
  return { object: { ...object, metadata }, gone: !waits }
}

// what is in a namespace goes first, by the controller that then finalizes it
function afterNamespaceDelete(namespace: KubeObject): Deleted {
  const { finalizers = [] } = (namespace['spec'] ?? {}) as { finalizers?: string[] }
  if (namespace.metadata.deletionTimestamp) return { object: namespace, gone: false }
  const metadata = tidyMetadata({ ...namespace.metadata, deletionTimestamp: now() })
  const object = { ...namespace, metadata, status: { ...(namespace['status'] as object), phase: 'Terminating' } }
  return { object, gone: finalizers.length === 0 && !namespace.metadata.finalizers?.length }
}

function deletedStatus({ resource: { group, resource } }: ApiCall, { metadata }: KubeObject): Status {
  const { name = '', uid = '' } = metadata
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...(group !== '' && { group }), kind: resource, uid },
  }
}
