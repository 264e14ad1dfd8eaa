/** Pods that have no node get one: pkg/scheduler. One Pod at a time; those that fit nowhere are tried again when a node or Pod changes. */
import { Informer, keyOfObject } from '../../lib/kube/informer.ts'
import { StatusError, type KubeClient } from '../../lib/kube/client.ts'
import { klogS } from '../../lib/kube/klog.ts'
import type { KubeObject } from '../../lib/kube/object.ts'
import { WorkQueue } from '../../lib/kube/work-queue.ts'
import { Binder } from './bind.ts'
import { explain, refuse } from './filter.ts'
import { choose } from './score.ts'
import { specOf } from './pod-spec.ts'

const DEFAULT_SCHEDULER = 'default-scheduler'
/** Pods that are over use nothing; the real one does not watch them either. */
const UNFINISHED = `fieldSelector=${encodeURIComponent('status.phase!=Succeeded,status.phase!=Failed')}`

export class Scheduler {
  readonly #pods: Informer
  readonly #nodes: Informer
  readonly #binder: Binder
  readonly #queue: WorkQueue
  readonly #unschedulable = new Set<string>()
  /** Bound by us, and not yet seen so: counted where they will be. */
  readonly #assumed = new Map<string, string>()
  #isLeading = false

  constructor(client: KubeClient) {
    this.#pods = new Informer({ client, path: '/api/v1/pods', query: UNFINISHED })
    this.#nodes = new Informer({ client, path: '/api/v1/nodes' })
    this.#binder = new Binder(client)
    this.#queue = new WorkQueue({
      sync: (key) => this.#schedule(key),
      onError: (key, error) =>
        klogS('E', 'schedule_one.go:1116', 'Error scheduling pod; retrying', { pod: key, err: error.message }),
    })
    for (const [informer, type] of [
      [this.#pods, '*v1.Pod'],
      [this.#nodes, '*v1.Node'],
    ] as const) {
      informer.on('failed', (error) =>
        klogS('E', 'reflector.go:227', 'Failed to watch', { err: `failed to list ${type}: ${error.message}`, type }),
      )
    }
    this.#pods.on('add', (pod) => this.#take(pod))
    this.#pods.on('update', (pod) => this.#take(pod))
    this.#pods.on('delete', (pod) => {
      this.#forget(keyOfObject(pod))
      this.#retry()
    })
    this.#nodes.on('add', () => this.#retry())
    this.#nodes.on('update', (node, before) => {
      if (node.metadata.generation !== before.metadata.generation || isOtherwise(node, before)) this.#retry()
    })
  }

  get isSynced(): boolean {
    return this.#pods.isSynced && this.#nodes.isSynced
  }

  get pending(): number {
    return this.#pods.list().filter(isOurs).length
  }

  start(): void {
    this.#pods.start()
    this.#nodes.start()
  }

  lead(): void {
    void Promise.all([this.#pods.synced, this.#nodes.synced]).then(() => {
      this.#isLeading = true
      for (const pod of this.#pods.list()) this.#take(pod)
    })
  }

  #take(pod: KubeObject): void {
    const key = keyOfObject(pod)
    if (specOf(pod).nodeName) this.#forget(key)
    if (this.#isLeading && isOurs(pod) && !this.#assumed.has(key)) this.#queue.add(key)
  }

  #forget(key: string): void {
    this.#assumed.delete(key)
    this.#unschedulable.delete(key)
  }

  #retry(): void {
    for (const key of this.#unschedulable) this.#queue.add(key)
    this.#unschedulable.clear()
  }

  async #schedule(key: string): Promise<void> {
    const pod = this.#pods.list().find((each) => keyOfObject(each) === key)
    if (!pod || !isOurs(pod) || this.#assumed.has(key)) return
    const nodes = this.#nodes.list()
    const placed = this.#placed()
    const refusals = nodes.map((node) => refuse(pod, node, placed.get(node.metadata.name ?? '') ?? []))
    const fitting = nodes.filter((_node, index) => refusals[index] === undefined)
    const chosen = choose(pod, fitting, placed)
    if (!chosen) {
      const message = explain(nodes.length, refusals)
      this.#unschedulable.add(key)
      klogS('I', 'schedule_one.go:1101', 'Unable to schedule pod; no fit; waiting', { pod: key, err: message })
      return this.#binder.refuse(pod, message)
    }
    this.#assumed.set(key, chosen.metadata.name ?? '')
    try {
      await this.#binder.bind(pod, chosen.metadata.name ?? '')
    } catch (error) {
      this.#assumed.delete(key)
      // gone, or bound by somebody else: the watch will say
      if (error instanceof StatusError && (error.status === 404 || error.status === 409)) return
      throw error
    }
    const values = {
      pod: key,
      node: chosen.metadata.name ?? '',
      evaluatedNodes: nodes.length,
      feasibleNodes: fitting.length,
    }
    klogS('I', 'schedule_one.go:326', 'Successfully bound pod to node', values)
  }

  /** Pods by their node. */
  #placed(): Map<string, KubeObject[]> {
    const placed = new Map<string, KubeObject[]>()
    for (const pod of this.#pods.list()) {
      const node = specOf(pod).nodeName ?? this.#assumed.get(keyOfObject(pod))
      if (!node) continue
      const there = placed.get(node)
      if (there) there.push(pod)
      else placed.set(node, [pod])
    }
    return placed
  }
}

function isOurs(pod: KubeObject): boolean {
  const { nodeName, schedulerName = DEFAULT_SCHEDULER, schedulingGates = [] } = specOf(pod)
  return (
    !nodeName && schedulerName === DEFAULT_SCHEDULER && schedulingGates.length === 0 && !pod.metadata.deletionTimestamp
  )
}

// what a Pod can be refused for; a heartbeat is none of it
function isOtherwise(node: KubeObject, before: KubeObject): boolean {
  const facts = ({ metadata, spec, status }: KubeObject): string =>
    JSON.stringify([metadata.labels, spec, (status as { allocatable?: object } | undefined)?.allocatable])
  return facts(node) !== facts(before)
}
