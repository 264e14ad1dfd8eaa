/** The Pods of one node: follows kube-apiserver's list of them and keeps a worker for each. pkg/kubelet/config/apiserver.go. */
import { createHash } from 'node:crypto'
import type { KubeClient } from '../../../lib/kube/client.ts'
import { Informer } from '../../../lib/kube/informer.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { specOf } from './pod-spec.ts'
import { PodWorker, type PodWorkerOptions } from './pod-worker.ts'

export interface NodePodsOptions {
  /** Undefined of a standalone kubelet, which has no Pods here. */
  client: KubeClient | undefined
  nodeName: string
  nodeIp: string
}

const FIRST_POD = 2
const MOST_PODS = 250

export class NodePods {
  readonly #options: NodePodsOptions
  readonly #informer: Informer | undefined
  /** By namespace/name. */
  readonly #workers = new Map<string, PodWorker>()
  #nextPod = FIRST_POD

  constructor(options: NodePodsOptions) {
    this.#options = options
    const { client } = options
    if (!client) return
    const query = `fieldSelector=${encodeURIComponent(`spec.nodeName=${options.nodeName}`)}`
    const informer = new Informer({ client, path: '/api/v1/pods', query })
    this.#informer = informer
    informer.on('add', (pod) => this.#sync(pod, client))
    informer.on('update', (pod) => this.#sync(pod, client))
    informer.on('delete', (pod) => this.#forget(pod))
    let failing = ''
    informer.on('failed', ({ message }) => {
      if (message !== failing) klogS('E', 'reflector.go:204', 'Failed to watch', { err: message, type: '*v1.Pod' })
      failing = message
    })
  }

  start(): void {
    this.#informer?.start()
  }

  find(namespace: string, name: string): PodWorker | undefined {
    return this.#workers.get(`${namespace}/${name}`)
  }

  /** Sorted by name, as /pods lists them. */
  list(): PodWorker[] {
    return [...this.#workers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, worker]) => worker)
  }

  #sync(pod: KubeObject, client: KubeClient): void {
    const key = keyOf(pod)
    const known = this.#workers.get(key)
    // deleted and made again within one look
    if (known && known.pod.metadata.uid !== pod.metadata.uid) {
      known.stop()
      this.#workers.delete(key)
      return this.#sync(pod, client)
    }
    if (known) known.pod = pod
    if (pod.metadata.deletionTimestamp !== undefined) {
      const worker = known ?? new PodWorker(pod, this.#workerOptions(pod, client))
      this.#workers.set(key, worker)
      void worker.terminate()
      return
    }
    if (known) return
    const phase = (pod['status'] as { phase?: string } | undefined)?.phase
    const worker = new PodWorker(pod, this.#workerOptions(pod, client))
    this.#workers.set(key, worker)
    if (phase === 'Succeeded' || phase === 'Failed') return
    klogS('I', 'kubelet.go:2544', 'SyncLoop ADD', { source: 'api', pods: `["${key}"]` })
    worker.start()
  }

  #forget(pod: KubeObject): void {
    const key = keyOf(pod)
    this.#workers.get(key)?.stop()
    this.#workers.delete(key)
    klogS('I', 'kubelet.go:2554', 'SyncLoop REMOVE', { source: 'api', pods: `["${key}"]` })
  }

  /** Each node has a /24 for its Pods, as a network plugin with addresses of its own has; nobody listens on them. */
  #workerOptions(pod: KubeObject, client: KubeClient): PodWorkerOptions {
    const { nodeName, nodeIp } = this.#options
    if (specOf(pod).hostNetwork) return { client, nodeName, nodeIp, podIp: nodeIp }
    const subnet = createHash('sha256').update(nodeName).digest()[0]!
    const number = FIRST_POD + ((this.#nextPod++ - FIRST_POD) % MOST_PODS)
    return { client, nodeName, nodeIp, podIp: `10.244.${subnet}.${number}` }
  }
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
}
