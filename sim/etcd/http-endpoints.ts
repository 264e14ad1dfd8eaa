/** What HTTP/1.1 clients of a member find (server/etcdserver/api/etcdhttp). */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ETCD_VERSION } from './grpc/services.ts'
import type { Member } from './member.ts'

/** Stands on every answer of a client port, whether anybody asked or not (server/embed/etcd.go, the default of --cors). */
export const CORS_HEADERS = {
  'access-control-allow-headers': 'accept, content-type, authorization',
  'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE',
  'access-control-allow-origin': '*',
} as const

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** `/version /health /livez /readyz /metrics`; anything else is net/http's 404. */
export function clientEndpoints(member: Member): Handler {
  return answer((path) => (path === '/version' ? versionBody() : healthBody(path, member)), CORS_HEADERS)
}

export function metricsEndpoints(member: Member): Handler {
  return answer((path) => healthBody(path, member))
}

/** The peer port has no health and no metrics. */
export function peerEndpoints(member: Member): Handler {
  return answer((path) => {
    if (path === '/version') return versionBody()
    if (path !== '/members') return undefined
    const { name, peerUrls, clientUrls } = member.settings
    // Ids are uint64, beyond JavaScript's numbers: written as digits by hand.
    const text = JSON.stringify([{ id: 0, peerURLs: peerUrls, name, clientURLs: clientUrls }])
    return { type: 'application/json', body: text.replace('"id":0', `"id":${member.memberId}`) }
  })
}

interface Answer {
  type: string
  body: string
}

function versionBody(): Answer {
  const version = { etcdserver: ETCD_VERSION, etcdcluster: '3.6.0', storage: '3.6.0' }
  return { type: 'application/json', body: JSON.stringify(version) }
}

function healthBody(path: string, member: Member): Answer | undefined {
  if (path === '/health') return { type: 'text/plain; charset=utf-8', body: '{"health":"true","reason":""}' }
  if (path === '/livez' || path === '/readyz') return { type: 'text/plain; charset=utf-8', body: 'ok\n' }
  if (path !== '/metrics') return undefined
  const gauges = [
    `etcd_server_has_leader 1`,
    `etcd_server_is_leader 1`,
    `etcd_mvcc_db_total_size_in_bytes ${member.sizeBytes}`,
    `etcd_debugging_mvcc_current_revision ${member.store.revision}`,
  ]
  return { type: 'text/plain; version=0.0.4; charset=utf-8', body: `${gauges.join('\n')}\n` }
}

function answer(find: (path: string) => Answer | undefined, always: Record<string, string> = {}): Handler {
  return (request, response) => {
    request.resume()
    const path = new URL(request.url ?? '/', 'http://etcd').pathname
    const found = find(path)
    if (!found) {
      response.writeHead(404, {
        ...always,
        'content-type': 'text/plain; charset=utf-8',
        'x-content-type-options': 'nosniff',
      })
      return void response.end('404 page not found\n')
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { ...always, allow: 'GET', 'content-type': 'text/plain; charset=utf-8' })
      return void response.end('Method Not Allowed\n')
    }
    response.writeHead(200, { ...always, 'content-type': found.type, 'content-length': Buffer.byteLength(found.body) })
    response.end(found.body)
  }
}
