/** A kubelet's three ports: the secure one, the read-only one, and healthz. */
import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { witness } from '../../../lib/cluster/witness.ts'
import { listenAddresses, type Place } from '../../../lib/cluster/place.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import { listenTls, type KeyPair, type Listener } from '../../../lib/tls/listen.ts'
import { endsOf, listenPlain } from '../../../lib/tls/plain.ts'
import type { KubeletSettings } from '../settings.ts'
import { answer, httpError } from './answer.ts'
import type { Connection, Handler } from './handler.ts'

const IDLE_MS = 90_000

export interface SecureOptions {
  settings: KubeletSettings
  place: Place
  handler: Handler
  keyPair: () => KeyPair | undefined
  clientCaPem: () => string | undefined
}

/** With a client CA ALPN is not negotiated at all, as recorded of the real one; without, HTTP/1.1 is all there is here. */
export async function listenSecurely({ settings, place, handler, keyPair, clientCaPem }: SecureOptions): Promise<void> {
  const connections = new WeakMap<Socket, Connection>()
  const server = httpServer(handler, (socket) => connections.get(socket) ?? { ...endsOf(socket), peerChain: [] })
  const asksForCertificates = settings.clientCaFile !== undefined
  for (const address of listenAddresses(place, settings.address)) {
    const listener = await listenTls({
      address,
      port: settings.port,
      policy: settings.policy,
      keyPair,
      clientCertificates: asksForCertificates ? { mode: 'request', caPem: clientCaPem } : { mode: 'none' },
      alpn: asksForCertificates ? [] : ['http/1.1'],
      plainHttp: 'http-400',
      onConnection: (socket, connection) => {
        const { local, remote, peerChain } = connection
        connections.set(socket, { local, remote, peerChain })
        witness({ about: 'connection', decision: 'allow', local, remote })
        server.emit('connection', socket)
      },
      onRefusal: (refusal, { local, remote }) => {
        const why = keyPair() ? refusal.message : 'no serving certificate available for the kubelet'
        process.stderr.write(`http: TLS handshake error from ${remote}: ${why}\n`)
        // a client that rejected us said so with an alert: that is its word
        if (refusal.layer === undefined || refusal.message.startsWith('remote error')) return
        const { layer, code, message: text } = refusal
        witness({ about: 'connection', decision: 'refuse', local, remote, layer, code, text })
      },
    })
    opened(listener)
  }
}

export async function listenReadOnly(place: Place, settings: KubeletSettings, handler: Handler): Promise<void> {
  const server = httpServer(handler, (socket) => ({ ...endsOf(socket), peerChain: [] }))
  await listenPlainly(place, settings.address, settings.readOnlyPort, server)
}

/** Without authentication, and without anything to ask but whether it lives. */
export async function listenHealthz(place: Place, settings: KubeletSettings): Promise<void> {
  const server = createServer((request, response) => {
    const [path, query = ''] = (request.url ?? '').split('?')
    if (path === '/healthz') {
      const text = new URLSearchParams(query).has('verbose') ? '[+]ping ok\nhealthz check passed\n' : 'ok'
      return answer(response, 200, text, {
        'Content-Type': 'text/plain; charset=utf-8',
        'X-Content-Type-Options': 'nosniff',
      })
    }
    if (path === '/healthz/ping') return answer(response, 200, 'ok')
    httpError(response, 404, '404 page not found')
  })
  const own = settings.healthzBindAddress === '127.0.0.1' && place.loop !== undefined
  await listenPlainly(place, own ? place.loop! : settings.healthzBindAddress, settings.healthzPort, server)
}

async function listenPlainly(place: Place, wanted: string, port: number, server: Server): Promise<void> {
  for (const address of listenAddresses(place, wanted)) {
    const listener = await listenPlain({
      address,
      port,
      onConnection: (socket, connection) => {
        socket.on('error', () => {})
        witness({ about: 'connection', decision: 'allow', ...connection })
        server.emit('connection', socket)
      },
    })
    opened(listener)
  }
}

function httpServer(handler: Handler, connectionOf: (socket: Socket) => Connection): Server {
  const failed = (response: ServerResponse) => (error: Error) => {
    klogS('E', 'server.go:1', 'Request failed', { err: error.message })
    if (!response.headersSent) httpError(response, 500, error.message)
    else response.destroy()
  }
  const server = createServer({ keepAliveTimeout: IDLE_MS }, (request, response) => {
    handler.serve(request, response, connectionOf(request.socket)).catch(failed(response))
  })
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => {})
    // An upgrade that is not taken is answered like any other request, and ends the connection.
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.once('finish', () => socket.end())
    const take = (): Socket => {
      response.detachSocket(socket)
      return socket
    }
    const upgrade = { take, head }
    handler.serve(request, response, connectionOf(socket), upgrade).catch(failed(response))
  })
  server.on('clientError', (_error, socket) => {
    if (socket.writable)
      socket.end(
        'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request',
      )
  })
  return server
}

function opened({ address, port }: Listener): void {
  witness({ about: 'listener', decision: 'open', local: `${address}:${port}` })
}
