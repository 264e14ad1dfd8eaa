/** Nothing is written into a namespace that is not there or is going: apiserver/pkg/admission/plugin/namespace/lifecycle. */
import { setTimeout as delay } from 'node:timers/promises'
import type { AdmissionPlugin } from './plugin.ts'
import { forbid, missing } from './plugin.ts'

const IMMORTAL = new Set(['default', 'kube-system', 'kube-public'])

/** `missingNamespaceWait`: how long the cache is given before the store itself is asked. */
const MISSING_NAMESPACE_WAIT_MS = 50
/** How long a cache may take for what the store has: as long as a watch is late on a busy machine. */
const STORED_WAIT_MS = 2000
const LOOK_MS = 5

export const namespaceLifecycle: AdmissionPlugin = {
  name: 'NamespaceLifecycle',
  async ready({ request: { namespace } }, { objects, hasNamespace }) {
    if (namespace === '') return
    const isSeen = async (withinMs: number): Promise<boolean> => {
      const end = performance.now() + withinMs
      while (objects.get('namespaces', '', namespace) === undefined) {
        if (performance.now() > end) return false
        await delay(LOOK_MS)
      }
      return true
    }
    if (await isSeen(MISSING_NAMESPACE_WAIT_MS)) return
    if (await hasNamespace?.(namespace)) await isSeen(STORED_WAIT_MS)
  },
  mutate(admission, { objects }) {
    const { operation, request } = admission
    if (operation === 'CONNECT') return undefined
    if (request.resource === 'namespaces') {
      if (operation !== 'DELETE' || request.subresource !== '' || !IMMORTAL.has(request.name)) return undefined
      return forbid(this.name, admission, 'this namespace may not be deleted')
    }
    if (operation === 'DELETE' || request.namespace === '' || request.resource === 'localsubjectaccessreviews')
      return undefined
    const namespace = objects.get('namespaces', '', request.namespace)
    if (!namespace) return missing(this.name, 'namespaces', request.namespace)
    const phase = (namespace['status'] as { phase?: string } | undefined)?.phase
    if (operation !== 'CREATE' || (phase !== 'Terminating' && !namespace.metadata.deletionTimestamp)) return undefined
    const text = `unable to create new content in namespace ${request.namespace} because it is being terminated`
    const message = `namespace ${request.namespace} is being terminated`
    return forbid(this.name, admission, text, [
      { reason: 'NamespaceTerminating', message, field: 'metadata.namespace' },
    ])
  },
}
