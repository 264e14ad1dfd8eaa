/** What scheduling writes: pods/binding, the PodScheduled condition, and Events that tell of both. */
import { randomBytes } from 'node:crypto'
import { StatusError, type KubeClient } from '../../lib/kube/client.ts'
import { keyOfObject } from '../../lib/kube/informer.ts'
import type { KubeObject } from '../../lib/kube/object.ts'

interface Condition {
  type?: string
  status?: string
  reason?: string
  message?: string
  [member: string]: unknown
}

export class Binder {
  readonly #client: KubeClient

  constructor(client: KubeClient) {
    this.#client = client
  }

  /** @throws StatusError 409 for a Pod that has a node by now. */
  async bind(pod: KubeObject, node: string): Promise<void> {
    const { namespace = '', name = '', uid = '' } = pod.metadata
    await this.#client.create(`${podPath(pod)}/binding`, {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { namespace, name, uid },
      target: { kind: 'Node', name: node },
    })
    await this.#tell(pod, 'Normal', 'Scheduled', `Successfully assigned ${keyOfObject(pod)} to ${node}`)
  }

  /** Says in the Pod's status why it is Pending, once for each reason. */
  async refuse(pod: KubeObject, message: string): Promise<void> {
    const { conditions = [] } = (pod['status'] ?? {}) as { conditions?: Condition[] }
    const before = conditions.find(({ type }) => type === 'PodScheduled')
    if (before?.status === 'False' && before.message === message) return
    const lastTransitionTime = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }
    const all = [
      ...conditions.filter(({ type }) => type !== 'PodScheduled'),
      { ...condition, lastProbeTime: null, lastTransitionTime },
    ]
    try {
      await this.#client.patch(`${podPath(pod)}/status`, { status: { conditions: all } })
    } catch (error) {
      if (!(error instanceof StatusError) || error.status !== 404) throw error
    }
    await this.#tell(pod, 'Warning', 'FailedScheduling', message)
  }

  /** An Event that cannot be written is lost, as in the real one. */
  async #tell(pod: KubeObject, type: string, reason: string, message: string): Promise<void> {
    const { namespace = '', name = '', uid = '', resourceVersion = '' } = pod.metadata
    const now = new Date().toISOString()
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace, name: `${name}.${randomBytes(8).toString('hex')}` },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid, resourceVersion },
      type,
      reason,
      message,
      action: 'Binding',
      eventTime: now.replace('Z', '000Z'),
      firstTimestamp: null,
      lastTimestamp: null,
      reportingComponent: 'default-scheduler',
      reportingInstance: 'default-scheduler',
      source: {},
    }
    await this.#client.create(`/api/v1/namespaces/${namespace}/events`, event).catch(() => {})
  }
}

function podPath({ metadata: { namespace = '', name = '' } }: KubeObject): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`
}
