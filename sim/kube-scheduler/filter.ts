/** Which nodes a Pod may go to, and the words for why not: pkg/scheduler/framework/plugins, in the order they run. */
import type { KubeObject } from '../../lib/kube/object.ts'
import { nodeFacts, quantity, requested, specOf, type Requirement, type Taint, type Toleration } from './pod-spec.ts'

const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', value: '', effect: 'NoSchedule' }
const MOST_PODS = 110

/** Why the node does not take the Pod, as the condition's message counts it; undefined where it does. */
export function refuse(pod: KubeObject, node: KubeObject, there: readonly KubeObject[]): string | undefined {
  const { tolerations = [] } = specOf(pod)
  const { taints, unschedulable, allocatable } = nodeFacts(node)
  if (unschedulable && !tolerations.some((each) => tolerates(each, UNSCHEDULABLE))) {
    return 'node(s) were unschedulable'
  }
  const taint = taints.find((each) => isHard(each) && !tolerations.some((toleration) => tolerates(toleration, each)))
  if (taint) return `node(s) had untolerated taint(s)`
  if (!isSelected(pod, node)) return "node(s) didn't match Pod's node affinity/selector"
  if (hasPortConflict(pod, there)) return "node(s) didn't have free ports for the requested pod ports"
  if (there.length + 1 > quantity(allocatable['pods'] ?? MOST_PODS)) return 'Too many pods'
  for (const resource of ['cpu', 'memory']) {
    const wanted = requested(pod, resource)
    const limit = allocatable[resource]
    if (wanted === 0 || limit === undefined) continue
    const used = there.reduce((sum, each) => sum + requested(each, resource), 0)
    if (used + wanted > quantity(limit)) return `Insufficient ${resource}`
  }
  return undefined
}

/** `0/2 nodes are available: 2 node(s) had untolerated taint(s).` (framework/types.go FitError) */
export function explain(count: number, refusals: readonly (string | undefined)[]): string {
  const counts = new Map<string, number>()
  for (const refusal of refusals) if (refusal !== undefined) counts.set(refusal, (counts.get(refusal) ?? 0) + 1)
  const reasons = [...counts].map(([reason, number]) => `${number} ${reason}`).toSorted()
  if (count === 0) return 'no nodes available to schedule pods'
  return `0/${count} nodes are available: ${reasons.join(', ')}.`
}

function isHard({ effect }: Taint): boolean {
  return effect === 'NoSchedule' || effect === 'NoExecute'
}

/** core/v1 Toleration.ToleratesTaint. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { key = '', operator = 'Equal', value = '', effect = '' } = toleration
  if (effect !== '' && effect !== taint.effect) return false
  if (key !== '' && key !== taint.key) return false
  return operator === 'Exists' || (operator === 'Equal' && key !== '' && value === (taint.value ?? ''))
}

function isSelected(pod: KubeObject, node: KubeObject): boolean {
  const { nodeSelector = {}, affinity } = specOf(pod)
  const labels = node.metadata.labels ?? {}
  if (!Object.entries(nodeSelector).every(([key, value]) => labels[key] === value)) return false
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  if (!terms) return true
  const fields = { 'metadata.name': node.metadata.name ?? '' }
  return terms.some(({ matchExpressions = [], matchFields = [] }) => {
    if (matchExpressions.length + matchFields.length === 0) return false
    return matchExpressions.every((each) => meets(labels, each)) && matchFields.every((each) => meets(fields, each))
  })
}

function meets(labels: Readonly<Record<string, string>>, { key = '', operator, values = [] }: Requirement): boolean {
  const value = labels[key]
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0])
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0])
    default:
      return false
  }
}

function hostPorts(pod: KubeObject): string[] {
  const ports = (specOf(pod).containers ?? []).flatMap((container) => container.ports ?? [])
  return ports.filter(({ hostPort }) => hostPort).map(({ hostPort, protocol = 'TCP' }) => `${protocol} ${hostPort}`)
}

function hasPortConflict(pod: KubeObject, there: readonly KubeObject[]): boolean {
  const wanted = hostPorts(pod)
  if (wanted.length === 0) return false
  const taken = new Set(there.flatMap(hostPorts))
  return wanted.some((port) => taken.has(port))
}
