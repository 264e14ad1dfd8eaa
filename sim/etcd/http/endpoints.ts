/** What HTTP clients of a member find on each of its ports (server/embed/etcd.go, server/etcdserver/api/etcdhttp). */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller } from '../grpc/call.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { Member } from '../member.ts'
import { peerHostOf } from '../peer/member-host.ts'
import { peerHandler } from '../peer/peer-handler.ts'
import { ETCD_VERSION, STORAGE_VERSION } from '../version.ts'
import { withAccess, type AccessSettings } from './access.ts'
import { handleHealth } from './health.ts'
import { isGet, write, type HttpHandler, type HttpServer } from './http-request.ts'
import { handleDebugVars, handleMetrics } from './metrics.ts'
import { badRequest, Mux, targetOf } from './mux.ts'
import { handlePprof } from './pprof.ts'

/** `/version /health /livez /readyz /metrics /debug/vars`, and the JSON gateway below `/v3/`. */
export function clientEndpoints(
  member: Member,
  access: AccessSettings & { pprof: boolean },
  gateway: Gateway | undefined,
): HttpServer {
  const mux = new Mux()
  handleVersion(mux, member)
  handleHealth(mux, member)
  handleMetrics(mux, member)
  handleDebugVars(mux, member)
  if (access.pprof) handlePprof(mux)
  if (gateway) mux.handle('/v3/', (exchange) => gateway.serve(exchange))
  return serverOf(withAccess(member, access, (exchange) => mux.serve(exchange)))
}

/** The metrics port has no version. */
export function metricsEndpoints(member: Member): HttpServer {
  const mux = new Mux()
  handleHealth(mux, member)
  handleMetrics(mux, member)
  return serverOf((exchange) => mux.serve(exchange))
}

/** The peer port has no health and no metrics. */
export function peerEndpoints(member: Member): HttpServer {
  return peerHandler(peerHostOf(member))
}

function handleVersion(mux: Mux, member: Member): void {
  mux.handle('/version', (exchange) => {
    if (!isGet(exchange)) return
    const etcdcluster = member.state.members.clusterVersion ?? 'not_decided'
    const versions = { etcdserver: ETCD_VERSION, etcdcluster, storage: STORAGE_VERSION }
    write(exchange, 'application/json', JSON.stringify(versions))
  })
}

function serverOf(handler: HttpHandler): HttpServer {
  return (request: IncomingMessage, response: ServerResponse, caller: Caller) => {
    const target = targetOf(request.url ?? '/')
    const isSecure = 'encrypted' in request.socket || caller.isSecure === true
    const exchange = { request, response, caller, isSecure, path: '/', query: new URLSearchParams(), ...target }
    // A body that nobody reads must not stop the next request of the connection.
    response.once('finish', () => request.resume())
    if (!target) return badRequest(exchange)
    void Promise.resolve(handler(exchange)).catch((error: Error) => response.destroy(error))
  }
}
