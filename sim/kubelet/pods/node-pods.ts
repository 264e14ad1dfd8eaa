/** The Pods of one node: follows kube-apiserver's list of them and keeps a worker for each. pkg/kubelet/config/apiserver.go. */
import { createHash } from 'node:crypto'
import type { KubeClient } from '../../../lib/kube/client.ts'
import { Informer } from '../../../lib/kube/informer.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { deleteMirror, isMirror } from './mirror-pod.ts'
import { specOf } from './pod-spec.ts'
import { PodWorker, type PodWorkerOptions } from './pod-worker.ts'
import { StaticPods } from './static-pods.ts'

export interface NodePodsOptions {
  /** Undefined of a standalone kubelet, which has the Pods of its files only. */
  client: KubeClient | undefined
  nodeName: string
  nodeIp: string
  /** A file, or a folder of them. */
  staticPodPath: string | undefined
  /** The folder that stands for this node's root, in a run. */
  hostRoot: string | undefined
  syncMs: number
}

const FIRST_POD = 2
const MOST_PODS = 250

export class NodePods {
  readonly #options: NodePodsOptions
  readonly #informer: Informer | undefined
  readonly #static: StaticPods | undefined
  /** By namespace/name. */
  readonly #workers = new Map<string, PodWorker>()
  #nextPod = FIRST_POD

  constructor(options: NodePodsOptions) {
    this.#options = options
    const { client, staticPodPath, nodeName } = options
    if (staticPodPath !== undefined) {
      this.#static = new StaticPods(staticPodPath, nodeName)
      this.#static.on('add', (pod) => this.#addStatic(pod))
      this.#static.on('remove', (pod) => this.#removeStatic(pod))
    }
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
    this.#static?.start()
    this.#informer?.start()
  }

  find(namespace: string, name: string): PodWorker | undefined {
    return this.#workers.get(`${namespace}/${name}`)
  }

  /** Sorted by name, as /pods lists them. */
  list(): PodWorker[] {
    return [...this.#workers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, worker]) => worker)
  }

  #addStatic(pod: KubeObject): void {
    const key = keyOf(pod)
    klogS('I', 'kubelet.go:2544', 'SyncLoop ADD', { source: 'file', pods: `["${key}"]` })
    this.#workers.get(key)?.stop()
    const worker = new PodWorker(pod, this.#workerOptions(pod, true))
    this.#workers.set(key, worker)
    worker.start()
  }

  #removeStatic(pod: KubeObject): void {
    const key = keyOf(pod)
    klogS('I', 'kubelet.go:2554', 'SyncLoop REMOVE', { source: 'file', pods: `["${key}"]` })
    const worker = this.#workers.get(key)
    if (worker?.pod.metadata.uid !== pod.metadata.uid) return
    this.#workers.delete(key)
    void worker?.remove()
  }

  /** What the API shows of a static Pod runs nothing: without its file it goes. */
  #syncMirror(pod: KubeObject, client: KubeClient): void {
    const worker = this.#workers.get(keyOf(pod))
    if (!worker || pod.metadata.deletionTimestamp !== undefined) void deleteMirror(client, pod).catch(() => {})
  }

  #sync(pod: KubeObject, client: KubeClient): void {
    if (isMirror(pod)) return this.#syncMirror(pod, client)
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
      const worker = known ?? new PodWorker(pod, this.#workerOptions(pod, false))
      this.#workers.set(key, worker)
      void worker.terminate()
      return
    }
    if (known) return
    const phase = (pod['status'] as { phase?: string } | undefined)?.phase
    const worker = new PodWorker(pod, this.#workerOptions(pod, false))
    this.#workers.set(key, worker)
    if (phase === 'Succeeded' || phase === 'Failed') return
    klogS('I', 'kubelet.go:2544', 'SyncLoop ADD', { source: 'api', pods: `["${key}"]` })
    worker.start()
  }

  #forget(pod: KubeObject): void {
    const key = keyOf(pod)
    if (isMirror(pod)) return this.#workers.get(key)?.forgetMirror()
    this.#workers.get(key)?.stop()
    this.#workers.delete(key)
    klogS('I', 'kubelet.go:2554', 'SyncLoop REMOVE', { source: 'api', pods: `["${key}"]` })
  }

  /** Each node has a /24 for its Pods, as a network plugin with addresses of its own has; nobody listens on them. */
  #workerOptions(pod: KubeObject, isStatic: boolean): PodWorkerOptions {
    const { client, nodeName, nodeIp, hostRoot, syncMs } = this.#options
    const options = { client, nodeName, nodeIp, podIp: nodeIp, hostRoot, syncMs, isStatic }
    if (specOf(pod).hostNetwork) return options
    const subnet = createHash('sha256').update(nodeName).digest()[0]!
    const number = FIRST_POD + ((this.#nextPod++ - FIRST_POD) % MOST_PODS)
    return { ...options, podIp: `10.244.${subnet}.${number}` }
  }
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
}
