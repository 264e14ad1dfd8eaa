/**
 * What is in a namespace goes before the namespace. The real one leaves that to the controller-manager's namespace
 * controller; here the server does it within the DELETE, so that a cluster without one is not left with ruins.
 */
import type { ObjectStore } from '../storage/object-store.ts'
import type { Answer, ApiCall, RegistryContext } from './api-call.ts'
import { deleteObject } from './delete.ts'
import { STORED_RESOURCES } from './resources.ts'

/** The answer is the namespace as it was when it began to go. */
export async function deleteNamespace(call: ApiCall, context: RegistryContext): Promise<Answer> {
  const { resource, info } = call
  const { store } = context
  const answer = await deleteObject(call, context)
  const current = await store.get(resource, '', info.name)
  if (!current?.object.metadata.deletionTimestamp || current.object.metadata.finalizers?.length) return answer
  await removeContent(store, info.name)
  await store.remove(resource, { namespace: '', name: info.name }, current.revision)
  return answer
}

/** Every object of the namespace, whatever finalizers it has; events last, as they tell of the others. */
async function removeContent(store: ObjectStore, namespace: string): Promise<void> {
  const namespaced = STORED_RESOURCES.filter((each) => each.namespaced)
  const events = namespaced.filter(({ kind }) => kind === 'Event')
  for (const resource of [...namespaced.filter(({ kind }) => kind !== 'Event'), ...events]) {
    const { objects } = await store.list(resource, { namespace })
    for (const { metadata } of objects) {
      await store.remove(resource, { namespace, name: metadata.name ?? '' }, Number(metadata.resourceVersion))
    }
  }
}
