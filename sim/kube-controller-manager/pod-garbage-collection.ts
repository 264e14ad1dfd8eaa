/** Pods whose node is no more, and Pods that were to end before they had one: pkg/controller/podgc/gc_controller.go. */
import { StatusError } from '../../lib/kube/client.ts'
import { klogS } from '../../lib/kube/klog.ts'
import type { Controller } from './controller.ts'

const PERIOD_MS = 20_000
/** A node must have been gone for that long. */
const QUARANTINE_MS = 40_000

export const podGarbageCollection: Controller = {
  name: 'pod-garbage-collector-controller',
  serviceAccount: 'pod-garbage-collector',
  start({ informers, client }) {
    const pods = informers.of('/api/v1/pods')
    const nodes = informers.of('/api/v1/nodes')
    const missingSinceMs = new Map<string, number>()
    const collect = async (): Promise<void> => {
      if (!pods.isSynced || !nodes.isSynced) return
      const there = new Set(nodes.list().map(({ metadata }) => metadata.name))
      for (const node of missingSinceMs.keys()) if (there.has(node)) missingSinceMs.delete(node)
      for (const pod of pods.list()) {
        const { namespace = '', name = '', deletionTimestamp, uid } = pod.metadata
        const { nodeName = '' } = (pod['spec'] ?? {}) as { nodeName?: string }
        if (nodeName !== '' && !there.has(nodeName)) {
          const sinceMs = missingSinceMs.get(nodeName) ?? performance.now()
          missingSinceMs.set(nodeName, sinceMs)
          if (performance.now() - sinceMs < QUARANTINE_MS) continue
        } else if (nodeName !== '' || !deletionTimestamp) continue
        klogS('I', 'gc_controller.go:320', 'Garbage collecting pod', { pod: `${namespace}/${name}`, node: nodeName })
        const options = { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0, preconditions: { uid } }
        await client.delete(`/api/v1/namespaces/${namespace}/pods/${name}`, options)
      }
    }
    setInterval(() => {
      collect().catch((error: Error) => {
        if (error instanceof StatusError && [404, 409].includes(error.status)) return
        klogS('E', 'gc_controller.go:158', 'Unhandled Error', {
          err: error.message,
          logger: 'pod-garbage-collector-controller',
        })
      })
    }, PERIOD_MS)
  },
}
