/** The Node object and its Lease: registered once kube-apiserver answers, then kept alive. pkg/kubelet/kubelet_node_status.go. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { StatusError, type KubeClient } from '../../../lib/kube/client.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { rfc3339 } from '../pods/pod-status.ts'

export interface NodeOptions {
  client: KubeClient
  name: string
  ip: string
  /** Of the secure server. */
  port: number
  labels: ReadonlyMap<string, string>
  /** `v1.36.3` */
  version: string
  minorVersion: number
  register: boolean
}

const LEASE_SECONDS = 40
const LEASE_RENEWAL_MS = 10_000
const RETRIES_MS = [100, 100, 200, 400, 800, 1000]
/** A kubelet that takes WebSockets as they are says so since this version. */
const DECLARES_SINCE = 36
const STATUS_REPORT_MS = 300_000

export class Node {
  readonly #options: NodeOptions
  readonly #bootId = randomUUID()
  #leaseTaken = false

  constructor(options: NodeOptions) {
    this.#options = options
  }

  start(): void {
    if (this.#options.register) void this.#patiently('Unable to register node with API server', () => this.#register())
    void this.#keepLease()
  }

  async #register(): Promise<void> {
    const { client, name } = this.#options
    klogS('I', 'kubelet_node_status.go:75', 'Attempting to register node', { node: name })
    try {
      await client.create('/api/v1/nodes', this.#node())
    } catch (error) {
      if (!(error instanceof StatusError) || error.status !== 409) throw error
      klogS('I', 'kubelet_node_status.go:124', 'Node was previously registered', { node: name })
    }
    await this.#reportStatus()
    klogS('I', 'kubelet_node_status.go:78', 'Successfully registered node', { node: name })
    const timer = setInterval(() => void this.#reportStatus().catch(() => {}), STATUS_REPORT_MS)
    timer.unref()
  }

  async #reportStatus(): Promise<void> {
    const { client, name } = this.#options
    const patch = { metadata: { labels: this.#labels() }, status: this.#status() }
    await client.patch(`/api/v1/nodes/${name}/status`, patch, 'application/strategic-merge-patch+json')
  }

  #node(): object {
    const { name } = this.#options
    return {
      kind: 'Node',
      apiVersion: 'v1',
      metadata: {
        name,
        labels: this.#labels(),
        annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
      },
      spec: {},
      status: this.#status(),
    }
  }

  #labels(): Record<string, string> {
    const { name, labels } = this.#options
    return {
      'beta.kubernetes.io/arch': 'amd64',
      'beta.kubernetes.io/os': 'linux',
      'kubernetes.io/arch': 'amd64',
      'kubernetes.io/hostname': name,
      'kubernetes.io/os': 'linux',
      ...Object.fromEntries(labels),
    }
  }

  #status(): object {
    const { name, ip, port, version, minorVersion } = this.#options
    const now = rfc3339(new Date())
    const condition = (type: string, status: string, reason: string, message: string): object => ({
      type,
      status,
      lastHeartbeatTime: now,
      lastTransitionTime: now,
      reason,
      message,
    })
    const resources = { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '20Gi' }
    return {
      capacity: resources,
      allocatable: resources,
      conditions: [
        condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
        condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
        condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
        condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
      ],
      addresses: [
        { type: 'InternalIP', address: ip },
        { type: 'Hostname', address: name },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
      nodeInfo: {
        machineID: '',
        systemUUID: '',
        bootID: this.#bootId,
        kernelVersion: '6.12.0',
        osImage: 'mtls-range simulated node',
        containerRuntimeVersion: 'containerd://2.1.4',
        kubeletVersion: version,
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: 'amd64',
      },
      ...(minorVersion >= DECLARES_SINCE ? { declaredFeatures: ['ExtendWebSocketsToKubelet'] } : {}),
    }
  }

  async #keepLease(): Promise<void> {
    for (;;) {
      await this.#patiently('Failed to ensure lease exists, will retry', () => this.#renewLease())
      await delay(LEASE_RENEWAL_MS, undefined, { ref: false })
    }
  }

  async #renewLease(): Promise<void> {
    const { client, name } = this.#options
    const path = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
    const renewTime = new Date().toISOString().replace('Z', '000Z')
    const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime }
    let lease: KubeObject | undefined
    try {
      lease = await client.get(`${path}/${name}`)
    } catch (error) {
      if (!(error instanceof StatusError) || error.status !== 404) throw error
    }
    if (lease) {
      await client.update(`${path}/${name}`, { ...lease, spec: { ...(lease['spec'] as object), ...spec } })
    } else {
      const metadata = { name, namespace: 'kube-node-lease' }
      await client.create(path, { kind: 'Lease', apiVersion: 'coordination.k8s.io/v1', metadata, spec })
    }
    if (!this.#leaseTaken) klogS('I', 'controller.go:145', 'Node lease is held', { lease: name })
    this.#leaseTaken = true
  }

  /** Again and again until it works, and says so once per kind of failure. */
  async #patiently(what: string, work: () => Promise<void>): Promise<void> {
    let said = ''
    for (let attempt = 0; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        const { message } = error as Error
        if (message !== said) klogS('E', 'kubelet_node_status.go:108', what, { err: message, node: this.#options.name })
        said = message
        await delay(RETRIES_MS[Math.min(attempt, RETRIES_MS.length - 1)], undefined, { ref: false })
      }
    }
  }
}
