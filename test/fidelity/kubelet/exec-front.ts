/** kube-apiserver's link in front of a kubelet: the rows of exec.json that were asked of the API, by whoever may do everything. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { KeyPair } from '../../../lib/tls/listen.ts'
import { requestInfo } from '../../../sim/kube-apiserver/authorization/request-info.ts'
import { KubeletLink } from '../../../sim/kube-apiserver/kubelet-link/kubelet-link.ts'
import { MemoryObjects } from '../kube-apiserver/memory-objects.ts'

const USER = { username: 'kubernetes-super-admin', groups: ['system:masters', 'system:authenticated'] }

export async function execFront(kubeletPort: number, keyPair: KeyPair, pods: readonly KubeObject[]): Promise<Server> {
  const objects = new MemoryObjects()
  for (const pod of pods) objects.put('pods', { ...pod, spec: { ...(pod['spec'] as object), nodeName: 'worker-1' } })
  objects.put('nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'worker-1' },
    status: {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
      declaredFeatures: ['ExtendWebSocketsToKubelet'],
    },
  })
  const link = new KubeletLink(
    {
      keyPair: () => keyPair,
      caPem: () => undefined,
      preferredAddressTypes: ['InternalIP'],
      minorVersion: 36,
      place: { host: 'control-plane-1', loop: '127.0.0.1' },
    },
    objects,
    () => ({ decision: 'allow', reason: '', by: 'system:masters' }),
  )
  const asked = (request: IncomingMessage): { info: ReturnType<typeof requestInfo>; object: KubeObject } => {
    const info = requestInfo(request.method ?? '', request.url ?? '')
    const object = objects.get(info.resource, info.namespace, info.name)
    if (object === undefined) throw new Error(`[object_missing] ${info.name}: not in the recorded state`)
    return { info, object }
  }
  const server = createServer(
    (request, response) => void link.serve({ ...asked(request), user: USER, request, response }),
  )
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    void link.serve({ ...asked(request), user: USER, request, upgrade: { socket, head } })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
