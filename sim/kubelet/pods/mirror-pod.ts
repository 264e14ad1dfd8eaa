/**
 * What the API shows of a static Pod: an object that the kubelet makes, if kube-apiserver lets it. The Pod runs either way.
 * pkg/kubelet/pod/mirror_client.go.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { StatusError, type KubeClient } from '../../../lib/kube/client.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { CONFIG_HASH } from './static-pods.ts'

const CONFIG_MIRROR = 'kubernetes.io/config.mirror'
const RETRIES_MS = [100, 200, 400, 800, 1600, 3200, 6400]

export function isMirror({ metadata }: KubeObject): boolean {
  return metadata.annotations?.[CONFIG_MIRROR] !== undefined
}

/** A mirror whose static Pod is another one by now, or none. */
export async function deleteMirror(client: KubeClient, { metadata }: KubeObject): Promise<void> {
  const { namespace = '', name = '', uid = '' } = metadata
  try {
    await client.delete(`/api/v1/namespaces/${namespace}/pods/${name}`, {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      gracePeriodSeconds: 0,
      preconditions: { uid },
    })
  } catch (error) {
    if (!(error instanceof StatusError) || (error.status !== 404 && error.status !== 409)) throw error
  }
}

/** Makes the mirror, again and again until it is there; answers it, or undefined once `signal` says that the Pod went. */
export async function createMirror(
  client: KubeClient,
  nodeName: string,
  pod: KubeObject,
  signal: AbortSignal,
): Promise<KubeObject | undefined> {
  const { namespace = '', name = '' } = pod.metadata
  let said = ''
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const node = await client.get(`/api/v1/nodes/${nodeName}`)
      return await client.create(`/api/v1/namespaces/${namespace}/pods`, mirrorOf(pod, node))
    } catch (error) {
      if (error instanceof StatusError && error.status === 409) {
        const known = await client.get(`/api/v1/namespaces/${namespace}/pods/${name}`).catch(() => undefined)
        if (known?.metadata.annotations?.[CONFIG_MIRROR] === pod.metadata.annotations?.[CONFIG_HASH]) return known
        if (known && isMirror(known)) await deleteMirror(client, known).catch(() => {})
      }
      const { message } = error as Error
      if (message !== said) {
        klogS('E', 'kubelet.go:3365', 'Failed creating a mirror pod', { err: message, pod: `${namespace}/${name}` })
      }
      said = message
      const waitMs = RETRIES_MS[Math.min(attempt, RETRIES_MS.length - 1)]
      await delay(waitMs, undefined, { signal, ref: false }).catch(() => {})
    }
  }
  return undefined
}

function mirrorOf(pod: KubeObject, node: KubeObject): object {
  const { uid: _uid, creationTimestamp: _created, ...metadata } = pod.metadata
  const annotations = { ...metadata.annotations, [CONFIG_MIRROR]: metadata.annotations?.[CONFIG_HASH] ?? '' }
  const owner = { apiVersion: 'v1', kind: 'Node', name: node.metadata.name, uid: node.metadata.uid, controller: true }
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { ...metadata, annotations, ownerReferences: [owner] },
    spec: pod['spec'],
  }
}
