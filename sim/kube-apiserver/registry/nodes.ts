/** What is particular about Nodes: pkg/registry/core/node/strategy.go, pkg/apis/core/validation (ValidateNode). */
import { isIP } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { FieldError } from '../../../lib/kube/status.ts'
import { duplicate, forbidden, invalidValue, notSupported } from './field-errors.ts'
import { qualifiedNameErrors } from './names.ts'
import type { Strategy } from './resource.ts'

interface NodeSpec {
  podCIDR?: string
  podCIDRs?: string[]
  providerID?: string
  taints?: { key?: string; value?: string; effect?: string }[]
  unschedulable?: boolean
}

interface NodeStatus {
  addresses?: { type?: string; address?: string }[]
  capacity?: Record<string, string>
  allocatable?: Record<string, string>
  nodeInfo?: Record<string, string>
  daemonEndpoints?: { kubeletEndpoint?: { Port?: number } }
  [member: string]: unknown
}

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']
const NODE_INFO = [
  'machineID',
  'systemUUID',
  'bootID',
  'kernelVersion',
  'osImage',
  'containerRuntimeVersion',
  'kubeletVersion',
  'kubeProxyVersion',
  'operatingSystem',
  'architecture',
]

function specOf(node: KubeObject): NodeSpec {
  return (node['spec'] as NodeSpec | undefined) ?? {}
}

function statusOf(node: KubeObject): NodeStatus {
  return (node['status'] as NodeStatus | undefined) ?? {}
}

/** A kubelet creates its Node with its status; later only /status changes that. */
export const nodeStrategy: Strategy = {
  hasStatus: true,
  defaults(node) {
    const { podCIDR, podCIDRs, ...spec } = specOf(node)
    const ranges = podCIDRs ?? (podCIDR ? [podCIDR] : [])
    node['spec'] = { ...(ranges[0] && { podCIDR: ranges[0], podCIDRs: ranges }), ...spec }
    const { capacity, allocatable, addresses, conditions, daemonEndpoints, nodeInfo, ...status } = statusOf(node)
    node['status'] = {
      ...(capacity && { capacity }),
      ...((allocatable ?? capacity) && { allocatable: allocatable ?? capacity }),
      ...(conditions !== undefined && { conditions }),
      ...(addresses && { addresses }),
      daemonEndpoints: { kubeletEndpoint: { Port: daemonEndpoints?.kubeletEndpoint?.Port ?? 0 } },
      nodeInfo: { ...Object.fromEntries(NODE_INFO.map((name) => [name, ''])), ...nodeInfo },
      ...status,
    }
  },
  prepareStatusUpdate: (node, old) => void (node['spec'] = old['spec']),
  validate: (node) => [...taintErrors(specOf(node)), ...rangeErrors(specOf(node)), ...addressErrors(statusOf(node))],
  validateUpdate(node, old) {
    const errors: FieldError[] = []
    const [spec, before] = [specOf(node), specOf(old)]
    if (before.podCIDRs && !isDeepStrictEqual(spec.podCIDRs, before.podCIDRs)) {
      errors.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
    }
    if (before.providerID && spec.providerID !== before.providerID) {
      errors.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'))
    }
    return errors
  },
  selectableFields: { 'spec.unschedulable': (node) => String(specOf(node).unschedulable ?? false) },
}

// the field's path is metadata.taints in the real texts
function taintErrors({ taints = [] }: NodeSpec): FieldError[] {
  const seen = new Set<string>()
  return taints.flatMap(({ key = '', effect = '' }, index) => {
    const path = `metadata.taints[${index}]`
    const errors = qualifiedNameErrors(key).map((why) => invalidValue(`${path}.key`, key, why))
    if (!EFFECTS.includes(effect)) errors.push(notSupported(`${path}.effect`, effect, EFFECTS))
    else if (seen.has(`${key} ${effect}`))
      errors.push(duplicate(path, { Key: key, Value: '', Effect: effect, TimeAdded: null }))
    seen.add(`${key} ${effect}`)
    return errors
  })
}

function rangeErrors({ podCIDRs = [] }: NodeSpec): FieldError[] {
  return podCIDRs.flatMap((range, index) => {
    const [address = '', bits = ''] = range.split('/')
    const limit = isIP(address) === 6 ? 128 : 32
    if (isIP(address) !== 0 && /^\d+$/.test(bits) && Number(bits) <= limit) return []
    return [
      invalidValue(`spec.podCIDRs[${index}]`, range, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'),
    ]
  })
}

function addressErrors({ addresses = [] }: NodeStatus): FieldError[] {
  const seen = new Set<string>()
  return addresses.flatMap(({ type = '', address = '' }, index) => {
    const known = seen.has(`${type} ${address}`)
    seen.add(`${type} ${address}`)
    return known ? [duplicate(`status.addresses[${index}]`, { Type: type, Address: address })] : []
  })
}
