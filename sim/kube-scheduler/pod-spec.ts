/** The parts of Pods and Nodes that scheduling reads: core/v1 types. */
import type { KubeObject } from '../../lib/kube/object.ts'

export interface Requirement {
  key?: string
  operator?: string
  values?: string[]
}

export interface SelectorTerm {
  matchExpressions?: Requirement[]
  matchFields?: Requirement[]
}

export interface Toleration {
  key?: string
  operator?: string
  value?: string
  effect?: string
}

export interface Taint {
  key?: string
  value?: string
  effect?: string
}

interface Container {
  ports?: { hostPort?: number; protocol?: string; hostIP?: string }[]
  resources?: { requests?: Record<string, string> }
}

export interface PodSpec {
  nodeName?: string
  schedulerName?: string
  schedulingGates?: object[]
  nodeSelector?: Record<string, string>
  affinity?: {
    nodeAffinity?: { requiredDuringSchedulingIgnoredDuringExecution?: { nodeSelectorTerms?: SelectorTerm[] } }
  }
  tolerations?: Toleration[]
  containers?: Container[]
  initContainers?: Container[]
}

export function specOf(pod: KubeObject): PodSpec {
  return (pod['spec'] ?? {}) as PodSpec
}

export interface NodeFacts {
  taints: readonly Taint[]
  unschedulable: boolean
  allocatable: Readonly<Record<string, string>>
}

export function nodeFacts(node: KubeObject): NodeFacts {
  const { taints = [], unschedulable = false } = (node['spec'] ?? {}) as Partial<NodeFacts>
  const { allocatable = {} } = (node['status'] ?? {}) as Partial<NodeFacts>
  return { taints, unschedulable, allocatable }
}

const SCALES: Readonly<Record<string, number>> = {
  '': 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
}

/** `100m` is 0.1, `64Mi` is 67108864; what is no quantity is 0 (apimachinery/pkg/api/resource). */
export function quantity(text: string | number = 0): number {
  const [, digits = '', suffix = ''] = /^([-+]?[\d.]+(?:[eE][-+]?\d+)?)([a-zA-Z]*)$/.exec(String(text)) ?? []
  return Number(digits) * (SCALES[suffix] ?? 0)
}

/** The sum over its containers. */
export function requested(pod: KubeObject, resource: string): number {
  const { containers = [] } = specOf(pod)
  return containers.reduce((sum, { resources }) => sum + quantity(resources?.requests?.[resource]), 0)
}
