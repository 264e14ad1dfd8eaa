/** Cluster addresses and node ports of Services: pkg/registry/core/service/{ipallocator,portallocator}, storage/alloc.go. */
import { randomInt } from 'node:crypto'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { invalid } from '../../../lib/kube/status.ts'
import { invalidValue } from './field-errors.ts'

interface ServicePort {
  nodePort?: number
  [member: string]: unknown
}

interface ServiceSpec {
  type?: string
  clusterIP?: string
  clusterIPs?: string[]
  ports?: ServicePort[]
  [member: string]: unknown
}

const FIRST_NODE_PORT = 30_000
const LAST_NODE_PORT = 32_767
const MOST_TRIES = 1000

/** Gives a new Service what it does not bring. Throws 422 for an address or port that is not to be had. */
export function allocateServiceAddresses(service: KubeObject, others: readonly KubeObject[], range: string): void {
  const spec = (service['spec'] ?? {}) as ServiceSpec
  if (spec.type !== 'ExternalName' && spec.clusterIP !== 'None') {
    const taken = new Set(others.flatMap((other) => specOf(other).clusterIPs ?? []))
    const address = spec.clusterIP || freeAddress(range, taken)
    const refused = spec.clusterIP ? refuseAddress(address, range, taken) : undefined
    if (refused !== undefined) {
      const why = invalidValue('spec.clusterIPs', [address], `failed to allocate IP ${address}: ${refused}`)
      throw invalid('Service', '', service.metadata.name ?? '', [why])
    }
    Object.assign(spec, { clusterIP: address, clusterIPs: [address] })
  }
  if (spec.type !== 'NodePort' && spec.type !== 'LoadBalancer') return
  const ports = new Set(others.flatMap((other) => (specOf(other).ports ?? []).map(({ nodePort }) => nodePort)))
  for (const [index, port] of (spec.ports ?? []).entries()) {
    if (port.nodePort && ports.has(port.nodePort)) {
      const why = invalidValue(`spec.ports[${index}].nodePort`, port.nodePort, 'provided port is already allocated')
      throw invalid('Service', '', service.metadata.name ?? '', [why])
    }
    port.nodePort ||= freePort(ports)
    ports.add(port.nodePort)
  }
}

function specOf(service: KubeObject): ServiceSpec {
  return (service['spec'] ?? {}) as ServiceSpec
}

function freePort(taken: ReadonlySet<number | undefined>): number {
  for (;;) {
    const port = randomInt(FIRST_NODE_PORT, LAST_NODE_PORT + 1)
    if (!taken.has(port)) return port
  }
}

/** The lower part of a range is kept for addresses that somebody asks for: at least 16, at most 256. */
function freeAddress(range: string, taken: ReadonlySet<string>): string {
  const { first, size } = rangeOf(range)
  const kept = Math.min(Math.max(16, Math.floor(size / 16)), 256)
  const from = kept < size - 1 ? kept : 1
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const address = textOf(first + randomInt(from, Math.max(size - 1, from + 1)))
    if (!taken.has(address)) return address
  }
  throw new Error('failed to allocate a serviceIP: range is full')
}

function refuseAddress(address: string, range: string, taken: ReadonlySet<string>): string | undefined {
  const { first, size } = rangeOf(range)
  const number = numberOf(address)
  if (number <= first || number >= first + size - 1)
    return 'provided IP is not in the valid range. The range of valid IPs is ' + range
  return taken.has(address) ? 'provided IP is already allocated' : undefined
}

function rangeOf(range: string): { first: number; size: number } {
  const [address = '', bits = ''] = range.split('/')
  const size = 2 ** (32 - Number(bits))
  return { first: Math.floor(numberOf(address) / size) * size, size }
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
}

function textOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
}
