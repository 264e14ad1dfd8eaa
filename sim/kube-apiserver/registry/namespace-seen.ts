/** What NamespaceLifecycle does about a cache that is behind: apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go. */
import { setTimeout as delay } from 'node:timers/promises'
import type { StoredResource } from '../storage/stored-resource.ts'
import type { RegistryContext } from './api-call.ts'

/** `missingNamespaceWait`: how long the cache is given before the store itself is asked. */
const MISSING_NAMESPACE_WAIT_MS = 50
/** How long a cache may take for what the store has: as long as a watch is late on a busy machine. */
const STORED_WAIT_MS = 2000
const LOOK_MS = 5

/** Resolves once the cache has the namespace, or the store has not. */
export async function untilNamespaceSeen(
  { cache, store }: Pick<RegistryContext, 'cache' | 'store'>,
  namespaces: StoredResource,
  name: string,
): Promise<void> {
  const isSeen = async (withinMs: number): Promise<boolean> => {
    const end = performance.now() + withinMs
    while (cache.get('namespaces', '', name) === undefined) {
      if (performance.now() > end) return false
      await delay(LOOK_MS)
    }
    return true
  }
  if (await isSeen(MISSING_NAMESPACE_WAIT_MS)) return
  if (await store.get(namespaces, '', name)) await isSeen(STORED_WAIT_MS)
}
