/**
 * The port that kube-scheduler and kube-controller-manager serve health and metrics on: apiserver/pkg/server's chain of
 * authentication, authorization and handlers, decided by kube-apiserver through delegation.
 */
import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'
import type { DelegatedAuthentication } from '../kube/delegated-authentication.ts'
import type { AccessDecision, DelegatedAuthorization } from '../kube/delegated-authorization.ts'
import { goQuote } from '../kube/go-quote.ts'
import { klog, klogS } from '../kube/klog.ts'
import { failure, UNAUTHORIZED } from '../kube/status.ts'
import { ANONYMOUS, type User } from '../kube/user.ts'
import { listenTls, type KeyPair, type Listener } from '../tls/listen.ts'
import { listenPlain } from '../tls/plain.ts'
import type { TlsPolicy } from '../tls/policy.ts'
import { certificateSubject } from './certificate-subject.ts'
import { witnessCanaries } from './canary-witness.ts'
import { witness, type WitnessFacts } from './witness.ts'

export interface PortAnswer {
  code?: number
  contentType?: string
  body: string
}

export interface PortRequest {
  method: string
  url: URL
}

/** Answers by exact path; a key that ends in `/` answers everything below it. */
export type PortHandlers = ReadonlyMap<string, (request: PortRequest) => PortAnswer>

export interface SecurePortOptions {
  addresses: readonly string[]
  port: number
  policy: TlsPolicy
  keyPair: () => KeyPair | undefined
  clientCaPem: () => string | undefined
  authentication: DelegatedAuthentication
  /** Without it only system:masters and the paths that are always allowed get through. */
  authorization?: DelegatedAuthorization
  /** --authorization-always-allow-paths; a `*` at the end means any tail. */
  alwaysAllowPaths: readonly string[]
  handlers: PortHandlers
}

interface Caller {
  local: string
  remote: string
  peerChain: Buffer[]
}

const MASTERS = 'system:masters'

const VERBS: Readonly<Record<string, string>> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

type Request = IncomingMessage | Http2ServerRequest
type Response = ServerResponse | Http2ServerResponse

export async function serveSecurePort(options: SecurePortOptions): Promise<Listener[]> {
  const accept = server((request, response, caller) =>
    decide(options, request, caller).then((answer) => send(response, answer, caller)),
  )
  return listenOn(options.addresses, (address) =>
    listenTls({
      address,
      port: options.port,
      policy: options.policy,
      keyPair: options.keyPair,
      clientCertificates: { mode: 'request', caPem: options.clientCaPem },
      alpn: ['h2', 'http/1.1'],
      plainHttp: 'http-400',
      onConnection: (socket, { local, remote, peerChain, alpn }) => {
        witness({ about: 'connection', decision: 'allow', local, remote, ...certificateSubject(peerChain) })
        accept(socket, { local, remote, peerChain }, alpn)
      },
      onRefusal: ({ layer, code, message }, { local, remote, peerChain }) => {
        klog('I', 'server.go:3212', `http: TLS handshake error from ${remote}: ${message}`)
        const facts: WitnessFacts = { about: 'connection', decision: 'refuse', local, remote, code, text: message }
        witness({ ...facts, ...(layer ? { layer } : {}), ...certificateSubject(peerChain) })
      },
    }),
  )
}

/** The port without TLS, authentication or authorization that Kubernetes had before 1.24. */
export async function serveInsecurePort(
  addresses: readonly string[],
  port: number,
  handlers: PortHandlers,
): Promise<Listener[]> {
  const accept = server(async (request, response, caller) => {
    witness(aboutRequest(request, caller, ANONYMOUS.username))
    send(response, handle(handlers, request), caller)
  })
  return listenOn(addresses, (address) =>
    listenPlain({
      address,
      port,
      onConnection: (socket, { local, remote }) => {
        witness({ about: 'connection', decision: 'allow', local, remote })
        accept(socket, { local, remote, peerChain: [] })
      },
    }),
  )
}

async function listenOn(
  addresses: readonly string[],
  listen: (address: string) => Promise<Listener>,
): Promise<Listener[]> {
  const listeners = await Promise.all(addresses.map(listen))
  for (const { address, port } of listeners) {
    witness({ about: 'listener', decision: 'open', local: `${address}:${port}` })
  }
  return listeners
}

type Answer = (request: Request, response: Response, caller: Caller) => Promise<void>
type Accept = (socket: Socket, caller: Caller, alpn?: string) => void

/** HTTP/1.1 and HTTP/2 on sockets that somebody else accepted. */
function server(answer: Answer): Accept {
  const callers = new WeakMap<object, Caller>()
  const onRequest = (request: Request, response: Response, carrier: object | undefined): void => {
    const caller = carrier && callers.get(carrier)
    if (!caller) return void request.destroy()
    request.resume()
    answer(request, response, caller).catch((error: Error) => {
      klogS('E', 'wrap.go:57', 'request failed', { err: error.message })
      request.destroy()
    })
  }
  const http1 = createHttp1((request, response) => onRequest(request, response, request.socket))
  const http2 = createHttp2((request, response) => onRequest(request, response, request.stream.session))
  http2.on('sessionError', () => {})
  return (socket, caller, alpn) => {
    if (alpn !== 'h2') {
      callers.set(socket, caller)
      return void http1.emit('connection', socket)
    }
    // the session of a socket is made, and told of, while 'connection' is
    http2.once('session', (session) => callers.set(session, caller))
    http2.emit('connection', socket)
  }
}

async function decide(options: SecurePortOptions, request: Request, caller: Caller): Promise<PortAnswer> {
  const path = urlOf(request).pathname
  const { user, error } = await options.authentication.authenticate({
    peerChain: caller.peerChain,
    headers: request.headers,
  })
  if (!user) {
    const err = error ?? ''
    klogS('E', 'authentication.go:75', 'Unable to authenticate the request', { err })
    const refused: WitnessFacts = { ...aboutRequest(request, caller), decision: 'refuse', layer: '401' }
    witness({ ...refused, code: 'Unauthorized', text: err })
    return { code: 401, contentType: 'application/json', body: `${JSON.stringify(UNAUTHORIZED)}\n` }
  }
  const verb = VERBS[request.method ?? 'GET'] ?? (request.method ?? 'GET').toLowerCase()
  try {
    const { allowed, reason } = await authorize(options, user, verb, path)
    if (!allowed) return forbid(request, caller, user, { verb, path, reason })
  } catch (error) {
    const body = `Internal Server Error: ${goQuote(path)}: ${(error as Error).message}\n`
    const refused: WitnessFacts = { ...aboutRequest(request, caller, user.username), decision: 'refuse', layer: 'app' }
    witness({ ...refused, code: 'InternalError', text: body })
    return { code: 500, body }
  }
  witness(aboutRequest(request, caller, user.username))
  return handle(options.handlers, request)
}

async function authorize(
  { authorization, alwaysAllowPaths }: SecurePortOptions,
  user: User,
  verb: string,
  path: string,
): Promise<AccessDecision> {
  if (user.groups.includes(MASTERS) || alwaysAllowPaths.some((pattern) => matches(pattern, path))) {
    return { allowed: true, reason: '' }
  }
  if (!authorization) return { allowed: false, reason: '' }
  return authorization.authorize(user, { nonResourceAttributes: { path, verb } })
}

// path.NewAuthorizer takes the first slash off both sides
function matches(pattern: string, path: string): boolean {
  const wanted = pattern.replace(/^\//, '')
  const asked = path.replace(/^\//, '')
  return wanted.endsWith('*') ? asked.startsWith(wanted.slice(0, -1)) : asked === wanted
}

function forbid(
  request: Request,
  caller: Caller,
  { username }: User,
  { verb, path, reason }: { verb: string; path: string; reason: string },
): PortAnswer {
  const why = reason === '' ? '' : `: ${reason}`
  const text = `forbidden: User ${goQuote(username)} cannot ${verb} path ${goQuote(path)}${why}`
  const refused: WitnessFacts = { ...aboutRequest(request, caller, username), decision: 'refuse', layer: '403-rbac' }
  witness({ ...refused, code: 'Forbidden', text })
  const status = failure(403, 'Forbidden', text, {})
  return { code: 403, contentType: 'application/json', body: `${JSON.stringify(status)}\n` }
}

function handle(handlers: PortHandlers, request: Request): PortAnswer {
  const url = urlOf(request)
  const asked = { method: request.method ?? 'GET', url }
  const exact = handlers.get(url.pathname)
  if (exact) return exact(asked)
  for (const [prefix, handler] of handlers) {
    if (prefix.endsWith('/') && prefix !== '/' && url.pathname.startsWith(prefix)) return handler(asked)
  }
  return { code: 404, body: '404 page not found\n' }
}

function send(response: Response, { code = 200, contentType, body }: PortAnswer, caller: Caller): void {
  witnessCanaries(body, caller)
  const headers: Record<string, string> = {
    'Cache-Control': 'no-cache, private',
    'Content-Type': contentType ?? 'text/plain; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
  }
  if (code !== 401 && !contentType?.startsWith('text/plain; version')) headers['X-Content-Type-Options'] = 'nosniff'
  response.statusCode = code
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.end(body)
}

function aboutRequest(request: Request, { local, remote, peerChain }: Caller, identity?: string): WitnessFacts {
  const who = certificateSubject(peerChain)
  const facts: WitnessFacts = { about: 'request', decision: 'allow', local, remote, ...who }
  facts.request = `${request.method} ${request.url}`
  if (identity !== undefined) facts.identity = identity
  return facts
}

function urlOf(request: Request): URL {
  return new URL(request.url ?? '/', 'https://localhost')
}
