/** Brings one Pod to life and keeps its status reported, until it is deleted: pkg/kubelet/pod_workers.go, kubelet.go SyncPod. */
import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { StatusError, type KubeClient } from '../../../lib/kube/client.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { Container } from '../container/container.ts'
import { declaredPort } from '../container/declared-port.ts'
import { PodNetwork } from '../container/pod-network.ts'
import { hostFolder } from './host-path.ts'
import { createMirror, deleteMirror } from './mirror-pod.ts'
import { expand, PodSources } from './pod-sources.ts'
import { specOf, type ContainerSpec, type Volume } from './pod-spec.ts'
import { podStatus, type ContainerState } from './pod-status.ts'
import { TokenCache } from './token-cache.ts'

export interface PodWorkerOptions {
  /** Undefined of a standalone kubelet. */
  client: KubeClient | undefined
  nodeName: string
  nodeIp: string
  podIp: string
  /** The folder that stands for this node's root, in a run. */
  hostRoot: string | undefined
  /** How often volumes are read again. */
  syncMs: number
  /** From a file: what the API shows of it is another object. */
  isStatic: boolean
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
  readonly #tokens = new TokenCache()
  /** Of a static Pod, once kube-apiserver took it. */
  #mirror: KubeObject | undefined

  constructor(pod: KubeObject, options: PodWorkerOptions) {
    this.pod = pod
    this.#options = options
    this.#states = specOf(pod).containers.map((spec) => ({ spec, container: undefined, restarts: 0 }))
  }

  start(): void {
    if (this.#options.isStatic) void this.#keepMirror()
    this.#run().catch((error: Error) => {
      if (!this.#gone.signal.aborted) this.#say('E', 'Error syncing pod, skipping', error)
    })
  }

  /** The container of that name that runs now, or did last. */
  container(name: string): Container | undefined {
    const state = this.#states.find(({ spec }) => spec.name === name)
    return state?.container ?? state?.last
  }

  /** Those that run now. */
  get running(): Container[] {
    return this.#states.flatMap(({ container }) => (container?.exitCode === undefined ? (container ?? []) : []))
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

  /** The mirror is gone from the API, and is made again. */
  forgetMirror(): void {
    this.#mirror = undefined
    this.#reported = ''
    if (!this.#gone.signal.aborted) void this.#keepMirror()
  }

  async #keepMirror(): Promise<void> {
    const { client, nodeName } = this.#options
    if (!client) return
    this.#mirror = await createMirror(client, nodeName, this.pod, this.#gone.signal)
    // the Pod went while its mirror was made
    if (this.#gone.signal.aborted && this.#mirror) await deleteMirror(client, this.#mirror).catch(() => {})
    else this.#report()
  }

  /** A Pod whose file is gone: its containers end, and what the API shows of it goes. */
  async remove(): Promise<void> {
    this.stop()
    const { client } = this.#options
    if (client && this.#mirror) await deleteMirror(client, this.#mirror).catch(() => {})
  }

  /** A Pod that is being deleted: its containers end, then the object goes. */
  async terminate(): Promise<void> {
    if (this.#gone.signal.aborted) return
    this.stop()
    const { name = '', namespace = '', uid = '' } = this.pod.metadata
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#options.client?.delete(`/api/v1/namespaces/${namespace}/pods/${name}`, {
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
    void this.#keepVolumes()
  }

  /** Reads volumes again, as long as the Pod lives: what changed in the API shows in them. Environments stay as they were. */
  async #keepVolumes(): Promise<void> {
    const isRead = (volume: Volume): boolean =>
      [volume.secret, volume.configMap, volume.projected, volume.downwardAPI].some((each) => each !== undefined)
    if (!specOf(this.pod).volumes?.some(isRead)) return
    const { signal } = this.#gone
    while (!signal.aborted) {
      await delay(this.#options.syncMs, undefined, { signal, ref: false }).catch(() => {})
      if (signal.aborted) return
      const sources = this.#sources()
      for (const { spec, container } of this.#states) {
        if (!container || container.exitCode !== undefined) continue
        await this.#mount(spec, container, sources, true).catch((error: Error) => {
          if (!signal.aborted) this.#say('E', 'Error syncing pod, skipping', error)
        })
      }
    }
  }

  #sources(): PodSources {
    const { client, podIp, nodeName, nodeIp } = this.#options
    return new PodSources(client, this.pod, { podIp, nodeName, nodeIp }, this.#tokens)
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
    for (let attempt = 0; !this.#gone.signal.aborted; attempt++) {
      try {
        const sources = this.#sources()
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
    const { hostname, hostNetwork } = specOf(this.pod)
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
    await this.#mount(spec, container, sources, false)
    return container
  }

  async #mount(spec: ContainerSpec, container: Container, sources: PodSources, isAgain: boolean): Promise<void> {
    const { volumes = [] } = specOf(this.pod)
    const { hostRoot } = this.#options
    for (const { name, mountPath, subPath, readOnly = false } of spec.volumeMounts ?? []) {
      const volume = volumes.find((each) => each.name === name)
      if (!volume) continue
      if (volume.hostPath && hostRoot !== undefined) {
        if (!isAgain) container.files.bind(mountPath, hostFolder(hostRoot, volume.hostPath, subPath), readOnly)
        continue
      }
      const isData = volume.secret ?? volume.configMap ?? volume.projected ?? volume.downwardAPI
      // an empty folder is the container's own from here on, and a part of a volume is never read again
      if (isAgain && (!isData || subPath !== undefined)) continue
      const files = await sources.volume(volume)
      const one = subPath === undefined ? undefined : files.get(subPath)
      if (one) container.files.put(mountPath, one)
      // the kubelet mounts these read-only whatever the Pod says
      else container.files.mount(mountPath, files, readOnly || isData !== undefined)
    }
  }

  /** Reports the newest status, one report at a time, unless it was said already. */
  #report(): void {
    this.#reporting = this.#reporting.then(async () => {
      const { client, isStatic } = this.#options
      for (let attempt = 0; !this.#gone.signal.aborted; attempt++) {
        const shown = isStatic ? this.#mirror : this.pod
        if (!client || !shown) return
        const { name = '', namespace = '', uid = '' } = shown.metadata
        const status = this.status
        const text = JSON.stringify(status)
        if (text === this.#reported) return
        try {
          const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`
          await client.patch(path, { metadata: { uid }, status }, STATUS_PATCH)
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
