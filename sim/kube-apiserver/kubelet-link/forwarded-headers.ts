/** What of a client's headers goes on to a kubelet: apimachinery/pkg/util/proxy/upgradeaware.go, net/http/httputil. */
import { withoutTokenProtocol } from '../authentication/bearer-token.ts'
import type { HeaderPair } from '../authentication/request-headers.ts'
import { firstHeader, headerValues } from '../authentication/request-headers.ts'

/** Connection-bound (RFC 9110 section 7.6.1); an upgrade keeps its two. */
const HOP_BY_HOP = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])
/** The caller's credential and every claim about who he is end here: the kubelet only ever sees kube-apiserver. */
const CREDENTIALS = /^(authorization|x-remote-.*|impersonate-.*)$/

export type Headers = Record<string, string | string[]>

export interface ForwardOptions {
  /** What the client called this server: the Host header, or :authority. */
  host: string
  /** The client's address, for X-Forwarded-For. */
  clientAddress: string
  /** `websocket` or `SPDY/3.1`; undefined where nothing is upgraded. */
  upgrade?: string
  /** The path as the client asked it, for a proxied request. */
  forwardedUri?: string
}

/** Headers in Go's order: Host and User-Agent, then the others by name. Names in Go's canonical form. */
export function forwardedHeaders(incoming: readonly HeaderPair[], options: ForwardOptions): Headers {
  const { host, clientAddress, upgrade, forwardedUri } = options
  const headers: Headers = { Host: host }
  const agent = firstHeader(incoming, 'User-Agent') || (upgrade === undefined ? '' : 'Go-http-client/1.1')
  if (agent !== '') headers['User-Agent'] = agent
  const others = new Map<string, string[]>()
  for (const [name, value] of incoming) {
    const lower = name.toLowerCase()
    if (lower === 'host' || lower === 'user-agent') continue
    if (HOP_BY_HOP.has(lower) || CREDENTIALS.test(lower)) continue
    const kept = lower === 'sec-websocket-protocol' ? withoutTokenProtocol(value) : value
    others.set(canonical(name), [...(others.get(canonical(name)) ?? []), kept])
  }
  if (upgrade !== undefined) others.set('Connection', ['Upgrade']).set('Upgrade', [upgrade])
  others.set('X-Forwarded-For', [[...headerValues(incoming, 'X-Forwarded-For'), clientAddress].join(', ')])
  if (forwardedUri !== undefined) others.set('X-Forwarded-Uri', [forwardedUri])
  for (const [name, values] of [...others].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    headers[name] = values.length === 1 ? (values[0] ?? '') : values
  }
  return headers
}

/** A kubelet's response headers without those of its own connection. */
export function answeredHeaders(raw: readonly string[]): [name: string, value: string][] {
  const pairs: [string, string][] = []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? ''
    if (!HOP_BY_HOP.has(name.toLowerCase())) pairs.push([name, raw[at + 1] ?? ''])
  }
  return pairs
}

/** net/textproto's CanonicalMIMEHeaderKey. */
function canonical(name: string): string {
  return name
    .split('-')
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1).toLowerCase())
    .join('-')
}
