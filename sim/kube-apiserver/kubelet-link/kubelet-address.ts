/**
 * Where a node's kubelet is said to listen. Address and port come from the Node object, which the node itself writes:
 * pkg/kubelet/client/kubelet_client.go, pkg/registry/core/node/strategy.go.
 */
import { isIP } from 'node:net'
import type { Place } from '../../../lib/cluster/place.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { badRequest, StatusError } from '../../../lib/kube/status.ts'

const DEFAULT_PORT = 10250

export interface KubeletAddress {
  host: string
  port: number
}

interface NodeStatus {
  addresses?: { type?: string; address?: string }[]
  daemonEndpoints?: { kubeletEndpoint?: { Port?: number } }
  declaredFeatures?: string[]
}

function statusOf(node: KubeObject): NodeStatus {
  return (node['status'] as NodeStatus | undefined) ?? {}
}

/** Throws a 500 Status where the Node has no address of a preferred type. */
export function kubeletAddress(node: KubeObject, preferredTypes: readonly string[]): KubeletAddress {
  const { addresses = [], daemonEndpoints } = statusOf(node)
  const port = daemonEndpoints?.kubeletEndpoint?.Port || DEFAULT_PORT
  for (const type of preferredTypes) {
    const found = addresses.find((each) => each.type === type && each.address)
    if (found?.address) return { host: found.address, port }
  }
  const known = addresses.map(({ type = '', address = '' }) => `{${type} ${address}}`).join(' ')
  throw new StatusError(500, '', `no preferred addresses found; known addresses: [${known}]`)
}

/** Whether the kubelet says that it takes WebSockets as they are (1.36). */
export function takesWebSockets(node: KubeObject): boolean {
  return statusOf(node).declaredFeatures?.includes('ExtendWebSocketsToKubelet') ?? false
}

/** `host:port`, IPv6 in brackets. */
export function hostPort({ host, port }: KubeletAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * Refuses the addresses that nodes/proxy must not be led to: 400 `address not allowed`. The hosts of a range live on 127/8, so
 * there only what this host calls its own loopback is refused.
 */
export function assertProxyable(host: string, place: Place): void {
  if (!isProxyable(host, place)) throw badRequest('address not allowed')
}

function isProxyable(host: string, { loop }: Place): boolean {
  if (host === 'localhost' || host === '127.0.0.1' || host === '::1') return loop === undefined
  if (isIP(host) === 4 && host.startsWith('127.')) return host !== loop
  return (
    !/^(0\.0\.0\.0|::|169\.254\..*|22[4-9]\..*|23\d\..*|255\.255\.255\.255|fe[89ab].*|ff.*)$/i.test(host) ||
    isIP(host) === 0
  )
}

/** What stands in the place of a node's or pod's name in a proxy URL: `name`, `name:port` or `scheme:name:port`. */
export function splitSchemeNamePort(id: string): { scheme: string; name: string; port: string } | undefined {
  const parts = id.split(':')
  const [scheme, name, port] = parts.length === 3 ? parts : ['', parts[0], parts[1] ?? '']
  if (parts.length > 3 || !name || !['', 'http', 'https'].includes(scheme ?? '')) return undefined
  return { scheme: scheme ?? '', name, port: port ?? '' }
}
