/**
 * Nodes that are heard of and nodes that are not: pkg/controller/nodelifecycle/node_lifecycle_controller.go. A node whose
 * Lease and status stand still for --node-monitor-grace-period is Unknown; its taints follow its conditions.
 */
import { isDeepStrictEqual } from 'node:util'
import { StatusError } from '../../lib/kube/client.ts'
import type { Informer } from '../../lib/kube/informer.ts'
import { klogS } from '../../lib/kube/klog.ts'
import type { KubeObject } from '../../lib/kube/object.ts'
import { controllerQueue, follow, type Controller, type ControllerContext } from './controller.ts'

interface Condition {
  type: string
  status: string
  reason?: string
  message?: string
  lastHeartbeatTime?: string
  lastTransitionTime?: string
}

interface Taint {
  key: string
  effect: string
  value?: string
  timeAdded?: string
}

const WATCHED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']
const LEASES = '/apis/coordination.k8s.io/v1/leases'
const LEASE_NAMESPACE = 'kube-node-lease'

/** The taint of NoSchedule that each condition stands for (taintutils, nodeConditionToTaintKeyStatusMap). */
const TAINTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: 'node.kubernetes.io/not-ready', Unknown: 'node.kubernetes.io/unreachable' },
  MemoryPressure: { True: 'node.kubernetes.io/memory-pressure' },
  DiskPressure: { True: 'node.kubernetes.io/disk-pressure' },
  NetworkUnavailable: { True: 'node.kubernetes.io/network-unavailable' },
  PIDPressure: { True: 'node.kubernetes.io/pid-pressure' },
}
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable'
const OWN_TAINTS = new Set([...Object.values(TAINTS).flatMap((keys) => Object.values(keys)), UNSCHEDULABLE])

export const nodeLifecycle: Controller = {
  name: 'node-lifecycle-controller',
  serviceAccount: 'node-controller',
  start(context) {
    const nodes = context.informers.of('/api/v1/nodes')
    const queue = controllerQueue('node-lifecycle-controller', (name) => taint(context, nodes.get('', name)))
    follow(nodes, ({ name }) => queue.add(name))
    const monitor = new NodeMonitor(context, nodes)
    setInterval(() => void monitor.check(), context.flags.durationMs('node-monitor-period'))
  },
}

/** What a node last said, and when we saw it: its own clock is not trusted. */
interface Sign {
  text: string
  seenAtMs: number
}

class NodeMonitor {
  readonly #context: ControllerContext
  readonly #nodes: Informer
  readonly #leases: Informer
  readonly #signs = new Map<string, Sign>()
  readonly #graceMs: number
  #isChecking = false

  constructor(context: ControllerContext, nodes: Informer) {
    this.#context = context
    this.#nodes = nodes
    this.#leases = context.informers.of(LEASES)
    this.#graceMs = context.flags.durationMs('node-monitor-grace-period')
  }

  async check(): Promise<void> {
    if (this.#isChecking || !this.#nodes.isSynced || !this.#leases.isSynced) return
    this.#isChecking = true
    try {
      for (const node of this.#nodes.list()) await this.#checkNode(node)
    } finally {
      this.#isChecking = false
    }
  }

  async #checkNode(node: KubeObject): Promise<void> {
    const { name = '' } = node.metadata
    const lease = this.#leases.get(LEASE_NAMESPACE, name)
    const { renewTime = '' } = (lease?.['spec'] ?? {}) as { renewTime?: string }
    const ready = conditionsOf(node).find(({ type }) => type === 'Ready')
    // the heartbeat's time stays when this controller writes Unknown, so that is no sign of life
    const text = `${renewTime} ${ready?.lastHeartbeatTime ?? ''}`
    const sign = this.#signs.get(name)
    if (sign?.text !== text) {
      this.#signs.set(name, { text, seenAtMs: performance.now() })
      return
    }
    if (performance.now() - sign.seenAtMs < this.#graceMs || ready?.status === 'Unknown') return
    try {
      await this.#context.client.update(`/api/v1/nodes/${name}/status`, unknown(node))
      klogS('I', 'node_lifecycle_controller.go:1112', "Node hasn't been updated", {
        node: name,
        graceMs: this.#graceMs,
      })
    } catch (error) {
      if (error instanceof StatusError && [404, 409].includes(error.status)) return
      klogS('E', 'node_lifecycle_controller.go:753', 'Error updating node', {
        node: name,
        err: (error as Error).message,
      })
    }
  }
}

function conditionsOf(node: KubeObject): Condition[] {
  return ((node['status'] as { conditions?: Condition[] } | undefined)?.conditions ?? []).filter(Boolean)
}

function unknown(node: KubeObject): KubeObject {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
  const before = conditionsOf(node)
  const lost = WATCHED.map((type): Condition => {
    const known = before.find((condition) => condition.type === type)
    if (known?.status === 'Unknown') return known
    return {
      type,
      status: 'Unknown',
      lastHeartbeatTime: known?.lastHeartbeatTime ?? node.metadata.creationTimestamp ?? now,
      lastTransitionTime: now,
      reason: known ? 'NodeStatusUnknown' : 'NodeStatusNeverUpdated',
      message: known ? 'Kubelet stopped posting node status.' : 'Kubelet never posted node status.',
    }
  })
  const others = before.filter(({ type }) => !WATCHED.includes(type))
  return { ...node, status: { ...(node['status'] as object), conditions: [...lost, ...others] } }
}

/** Puts the taints that conditions stand for, and takes those that they no longer do. */
async function taint({ client }: ControllerContext, node: KubeObject | undefined): Promise<void> {
  if (!node) return
  const { taints = [], unschedulable = false } = (node['spec'] ?? {}) as { taints?: Taint[]; unschedulable?: boolean }
  const wanted = new Set(unschedulable ? [UNSCHEDULABLE] : [])
  for (const { type, status } of conditionsOf(node)) {
    const key = TAINTS[type]?.[status]
    if (key !== undefined) wanted.add(key)
  }
  // a kubelet that has said nothing yet keeps the taint that its Node was born with
  if (!conditionsOf(node).some(({ type }) => type === 'Ready')) return
  const isOwn = ({ key, effect }: Taint): boolean => effect === 'NoSchedule' && OWN_TAINTS.has(key)
  const kept = taints.filter((each) => !isOwn(each) || wanted.has(each.key))
  const timeAdded = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
  const added = [...wanted]
    .filter((key) => !kept.some((each) => each.key === key && each.effect === 'NoSchedule'))
    .map((key): Taint => ({ key, effect: 'NoSchedule', timeAdded }))
  const after = [...added, ...kept]
  if (isDeepStrictEqual(after, taints)) return
  const { name = '', resourceVersion } = node.metadata
  const patch = { metadata: { resourceVersion }, spec: { taints: after.length > 0 ? after : null } }
  try {
    await client.patch(`/api/v1/nodes/${name}`, patch)
  } catch (error) {
    // the change that came between brings the node here again
    if (!(error instanceof StatusError) || ![404, 409].includes(error.status)) throw error
  }
}
