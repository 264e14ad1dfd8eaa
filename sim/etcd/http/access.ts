/** What comes before any path of a client port (server/embed/serve.go, accessController). */
import type { Member } from '../member.ts'
import { refuse, type HttpExchange, type HttpHandler } from './http-request.ts'

export interface AccessSettings {
  /** Origins of --cors; `*` or none at all is everybody. */
  cors: readonly string[]
  /** Names of --host-whitelist; they count without TLS alone. */
  hostWhitelist: readonly string[]
  certificatesName: boolean
  gateway: boolean
}

const METHODS = 'POST, GET, OPTIONS, PUT, DELETE'
const HEADERS = 'accept, content-type, authorization'

/** Stand on an answer whether anybody asked or not, unless --cors names who may. */
export function corsHeaders(cors: readonly string[], origin: string | undefined): Record<string, string> {
  const isOpen = cors.length === 0 || cors.includes('*')
  if (!isOpen && (origin === undefined || !cors.includes(origin))) return {}
  return {
    'access-control-allow-headers': HEADERS,
    'access-control-allow-methods': METHODS,
    'access-control-allow-origin': isOpen ? '*' : origin!,
  }
}

export function withAccess(member: Member, settings: AccessSettings, next: HttpHandler): HttpHandler {
  return (exchange) => {
    const { request, response, caller, isSecure } = exchange
    // For those who still speak to the path of an older version.
    if (exchange.path.startsWith('/v3beta/')) exchange.path = exchange.path.replace('/v3beta/', '/v3/')
    if (!isSecure) {
      const host = hostOf(exchange)
      if (!isWelcome(settings.hostWhitelist, host)) return refuse(exchange, 421, rebinding(host))
    } else if (
      settings.certificatesName &&
      settings.gateway &&
      member.state.auth.enabled &&
      exchange.path.startsWith('/v3/')
    ) {
      // The gateway calls with a certificate of its own, so the client's name would be lost.
      if (caller.commonName) {
        const text = 'CommonName of client sending a request against gateway will be ignored and not used as expected'
        return refuse(exchange, 400, text)
      }
    }
    for (const [name, value] of Object.entries(corsHeaders(settings.cors, request.headers.origin)))
      response.setHeader(name, value)
    if (request.method === 'OPTIONS') {
      response.setHeader('content-length', 0)
      return void response.end()
    }
    return next(exchange)
  }
}

function hostOf({ request }: HttpExchange): string {
  const host = request.headers.host ?? String(request.headers[':authority'] ?? '')
  return host.replace(/:\d*$/, '').replace(/^\[|\]$/g, '')
}

function isWelcome(whitelist: readonly string[], host: string): boolean {
  return whitelist.length === 0 || whitelist.includes('*') || whitelist.includes(host)
}

function rebinding(host: string): string {
  return `
etcd received your request, but the Host header was unrecognized.

To fix this, choose one of the following options:
- Enable TLS, then any HTTPS request will be allowed.
- Add the hostname you want to use to the whitelist in settings.
  - e.g. etcd --host-whitelist ${JSON.stringify(host)}

This requirement has been added to help prevent "DNS Rebinding" attacks (CVE-2018-5702).
`
}
