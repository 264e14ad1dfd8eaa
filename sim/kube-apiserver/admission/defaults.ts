/** The default-on plugins that only fill in what a Pod or Node leaves open. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { AdmissionPlugin } from './plugin.ts'
import { forbid } from './plugin.ts'

interface Toleration {
  key?: string
  operator?: string
  effect?: string
  tolerationSeconds?: number
}

interface PodSpec {
  tolerations?: Toleration[]
  priorityClassName?: string
  priority?: number
  preemptionPolicy?: string
}

/** A Pod leaves a node that is not ready after five minutes: plugin/pkg/admission/defaulttolerationseconds. */
export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  mutate({ operation, request, object }) {
    if (request.resource !== 'pods' || request.subresource !== '' || !object || operation === 'CONNECT')
      return undefined
    const spec = specOf(object)
    for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
      if (spec.tolerations?.some((each) => toleratesExecution(each, key))) continue
      spec.tolerations = [
        ...(spec.tolerations ?? []),
        { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      ]
    }
    return undefined
  },
}

function toleratesExecution({ key, effect }: Toleration, wanted: string): boolean {
  return (!key || key === wanted) && (!effect || effect === 'NoExecute')
}

/** plugin/pkg/admission/priority. Without a class a Pod gets priority 0. */
export const priority: AdmissionPlugin = {
  name: 'Priority',
  mutate(admission, { objects }) {
    const { operation, request, object } = admission
    if (request.resource !== 'pods' || request.subresource !== '' || operation !== 'CREATE' || !object) return undefined
    const spec = specOf(object)
    const fallback = objects.list('priorityclasses').find((each) => each['globalDefault'] === true)
    const found = spec.priorityClassName ? objects.get('priorityclasses', '', spec.priorityClassName) : fallback
    const given = spec.priorityClassName ? (found ?? SYSTEM_CLASSES[spec.priorityClassName]) : found
    if (spec.priorityClassName && !given)
      return forbid(this.name, admission, `no PriorityClass with name ${spec.priorityClassName} was found`)
    const value = (given?.['value'] as number | undefined) ?? 0
    if (spec.priority !== undefined && spec.priority !== value) {
      return forbid(
        this.name,
        admission,
        `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
      )
    }
    spec.priority = value
    spec.preemptionPolicy ??= (given?.['preemptionPolicy'] as string | undefined) ?? 'PreemptLowerPriority'
    return undefined
  },
}

/** The two classes every cluster has (pkg/apis/scheduling/v1/helpers.go). */
const SYSTEM_CLASSES: Record<string, Record<string, unknown>> = {
  'system-node-critical': { value: 2_000_001_000 },
  'system-cluster-critical': { value: 2_000_000_000 },
}

/** A new Node takes no Pods until its conditions say it may: plugin/pkg/admission/nodetaint. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  mutate({ operation, request, object }) {
    if (request.resource !== 'nodes' || request.subresource !== '' || operation !== 'CREATE' || !object)
      return undefined
    const spec = (object['spec'] ??= {}) as { taints?: { key?: string; effect?: string }[] }
    const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }
    if (!spec.taints?.some(({ key, effect }) => key === taint.key && effect === taint.effect)) {
      spec.taints = [...(spec.taints ?? []), taint]
    }
    return undefined
  },
}

function specOf(pod: KubeObject): PodSpec {
  return (pod['spec'] ??= {})
}
