/** Brings one Pod to life and keeps its status reported, until it is deleted: pkg/kubelet/pod_workers.go, kubelet.go SyncPod. */
import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { StatusError, type KubeClient } from '../../../lib/kube/client.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { Container } from '../container/container.ts'
import { declaredPort } from '../container/declared-port.ts'
import { PodNetwork } from '../container/pod-network.ts'
import { expand, PodSources } from './pod-sources.ts'
import { specOf, type ContainerSpec } from './pod-spec.ts'
import { podStatus, type ContainerState } from './pod-status.ts'

export interface PodWorkerOptions {
  client: KubeClient
  nodeName: string
  nodeIp: string
  podIp: string
}

const RETRIES_MS = [50, 100, 200, 400, 800, 1000]
const FIRST_RESTART_MS = 10_000
const LAST_RESTART_MS = 300_000
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const STATUS_PATCH = 'application/strategic-merge-patch+json'

export class PodWorker {
  pod: KubeObject
  readonly startedAt = new Date()
  readonly network = new PodNetwork()
  readonly sandboxId = randomBytes(32).toString('hex')
  readonly sandboxNetwork = `/var/run/netns/cni-${randomUUID()}`
  readonly #options: PodWorkerOptions
  readonly #states: ContainerState[]
  readonly #gone = new AbortController()
  #waiting: { reason: string; message: string } | undefined
  #reporting = Promise.resolve()
  #reported = ''

  constructor(pod: KubeObject, options: PodWorkerOptions) {
    this.pod = pod
    this.#options = options
    this.#states = specOf(pod).containers.map((spec) => ({ spec, container: undefined, restarts: 0 }))
  }

  start(): void {
    this.#run().catch((error: Error) => {
      if (!this.#gone.signal.aborted) this.#say('E', 'Error syncing pod, skipping', error)
    })
  }

  /** The container of that name that runs now, or did last. */
  container(name: string): Container | undefined {
    const state = this.#states.find(({ spec }) => spec.name === name)
    return state?.container ?? state?.last
  }

  /** The one of that name that ran before the present one. */
  previousContainer(name: string): Container | undefined {
    return this.#states.find(({ spec }) => spec.name === name)?.last
  }

  get status(): Record<string, unknown> {
    const { podIp, nodeIp } = this.#options
    const spec = specOf(this.pod)
    return podStatus({ spec, states: this.#states, startedAt: this.startedAt, podIp, nodeIp, waiting: this.#waiting })
  }

  /** Ends the containers; nothing is reported from here on. */
  stop(): void {
    this.#gone.abort()
    for (const { container } of this.#states) container?.kill()
  }

  /** A Pod that is being deleted: its containers end, then the object goes. */
  async terminate(): Promise<void> {
    if (this.#gone.signal.aborted) return
    this.stop()
    const { name = '', namespace = '', uid = '' } = this.pod.metadata
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#options.client.delete(`/api/v1/namespaces/${namespace}/pods/${name}`, {
          kind: 'DeleteOptions',
          apiVersion: 'v1',
          gracePeriodSeconds: 0,
          preconditions: { uid },
        })
        return
      } catch (error) {
        // gone, or another one of that name
        if (error instanceof StatusError && (error.status === 404 || error.status === 409)) return
        await delay(retryMs(attempt), undefined, { ref: false })
      }
    }
  }

  async #run(): Promise<void> {
    const made = await this.#makeContainers()
    if (!made) return
    for (const [index, container] of made.entries()) this.#begin(this.#states[index]!, container)
    this.#report()
  }

  #begin(state: ContainerState, container: Container): void {
    if (state.container) {
      state.last = state.container
      state.restarts++
    }
    state.container = container
    container.once('exit', (code) => {
      if (this.#gone.signal.aborted) return
      this.#report()
      const { restartPolicy = 'Always' } = specOf(this.pod)
      if (restartPolicy === 'Never' || (restartPolicy === 'OnFailure' && code === 0)) return
      const backoffMs = Math.min(FIRST_RESTART_MS * 2 ** state.restarts, LAST_RESTART_MS)
      delay(backoffMs, undefined, { signal: this.#gone.signal, ref: false })
        .then(() => this.#makeContainers())
        .then((made) => {
          if (made) this.#begin(state, made[this.#states.indexOf(state)]!)
          this.#report()
        })
        .catch(() => {})
    })
    container.start()
    this.#serveDeclaredPorts(state.spec, container)
  }

  /** Ports that the spec declares are answered in the container's name, unless a program of it serves them. */
  #serveDeclaredPorts({ name, ports = [] }: ContainerSpec, container: Container): void {
    for (const { containerPort, protocol = 'TCP' } of ports) {
      if (protocol !== 'TCP') continue
      const close = this.network.standIn(containerPort, declaredPort(container.options.hostname, name))
      container.once('exit', close)
    }
  }

  /** Reads what the Pod refers to, again and again until all is there; undefined once the Pod is gone. */
  async #makeContainers(): Promise<Container[] | undefined> {
    const { client, podIp, nodeName, nodeIp } = this.#options
    for (let attempt = 0; !this.#gone.signal.aborted; attempt++) {
      try {
        const sources = new PodSources(client, this.pod, { podIp, nodeName, nodeIp })
        return await Promise.all(specOf(this.pod).containers.map((spec) => this.#make(spec, sources)))
      } catch (error) {
        if (attempt === 0) {
          this.#waiting = { reason: 'CreateContainerConfigError', message: (error as Error).message }
          this.#say('E', 'Error syncing pod, skipping', error as Error)
          this.#report()
        }
        await delay(retryMs(attempt), undefined, { signal: this.#gone.signal, ref: false }).catch(() => {})
      }
    }
    return undefined
  }

  async #make(spec: ContainerSpec, sources: PodSources): Promise<Container> {
    const { volumes = [], hostname, hostNetwork } = specOf(this.pod)
    const name = hostNetwork ? this.#options.nodeName : (hostname ?? this.pod.metadata.name ?? '')
    const own = await sources.environment(spec)
    const environment = new Map([['PATH', PATH], ['HOSTNAME', name], ...own, ['HOME', '/root']])
    const container = new Container({
      name: spec.name,
      image: spec.image ?? '',
      hostname: name,
      environment,
      network: this.network,
      stdin: spec.stdin ?? false,
      tty: spec.tty ?? false,
      command: [...(spec.command ?? []), ...(spec.args ?? [])].map((word) => expand(word, environment)),
      ...(spec.workingDir ? { folder: spec.workingDir } : {}),
    })
    for (const { name: volumeName, mountPath, subPath, readOnly = false } of spec.volumeMounts ?? []) {
      const volume = volumes.find((each) => each.name === volumeName)
      if (!volume) continue
      const files = await sources.volume(volume)
      const one = subPath === undefined ? undefined : files.get(subPath)
      const isData = volume.secret ?? volume.configMap ?? volume.projected ?? volume.downwardAPI
      if (one) container.files.put(mountPath, one)
      // the kubelet mounts these read-only whatever the Pod says
      else container.files.mount(mountPath, files, readOnly || isData !== undefined)
    }
    return container
  }

  /** Reports the newest status, one report at a time, unless it was said already. */
  #report(): void {
    this.#reporting = this.#reporting.then(async () => {
      for (let attempt = 0; !this.#gone.signal.aborted; attempt++) {
        const { name = '', namespace = '', uid = '' } = this.pod.metadata
        const status = this.status
        const text = JSON.stringify(status)
        if (text === this.#reported) return
        try {
          const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`
          await this.#options.client.patch(path, { metadata: { uid }, status }, STATUS_PATCH)
          this.#reported = text
          return
        } catch (error) {
          if (error instanceof StatusError && (error.status === 404 || error.status === 409)) return
          if (attempt === 0) this.#say('E', 'Failed to update status for pod', error as Error)
          await delay(retryMs(attempt), undefined, { signal: this.#gone.signal, ref: false }).catch(() => {})
        }
      }
    })
  }

  #say(severity: 'E', message: string, error: Error): void {
    const { namespace = '', name = '' } = this.pod.metadata
    klogS(severity, 'pod_workers.go:1324', message, { err: error.message, pod: `${namespace}/${name}` })
  }
}

function retryMs(attempt: number): number {
  return RETRIES_MS[Math.min(attempt, RETRIES_MS.length - 1)] ?? 0
}
