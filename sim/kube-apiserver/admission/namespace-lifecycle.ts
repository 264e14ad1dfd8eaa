/** Nothing is written into a namespace that is not there or is going: apiserver/pkg/admission/plugin/namespace/lifecycle. */
import type { AdmissionPlugin } from './plugin.ts'
import { forbid, missing } from './plugin.ts'

const IMMORTAL = new Set(['default', 'kube-system', 'kube-public'])

export const namespaceLifecycle: AdmissionPlugin = {
  name: 'NamespaceLifecycle',
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
