/** The ports: TLS with HTTP/2 and HTTP/1.1 on one, and plain HTTP on the insecure one of old. */
import { createServer as createHttpServer, ServerResponse } from 'node:http'
import type { IncomingMessage, Server as HttpServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { Http2ServerRequest, Http2Server, ServerHttp2Session } from 'node:http2'
import type { Duplex } from 'node:stream'
import { witness } from '../../lib/cluster/witness.ts'
import { klog } from '../../lib/kube/klog.ts'
import { MAX_SESSION_MEMORY_MB } from '../../lib/settings/http2-memory.ts'
import { listenTls } from '../../lib/tls/listen.ts'
import type { KeyPair, Listener, TlsConnection } from '../../lib/tls/listen.ts'
import { listenPlain } from '../../lib/tls/plain.ts'
import type { TlsPolicy } from '../../lib/tls/policy.ts'
import type { Pipeline, RequestOrigin } from './pipeline.ts'

const HEADERS_TIMEOUT_MS = 32_000
const IDLE_TIMEOUT_MS = 90_000
/** net/http's DefaultMaxHeaderBytes. */
const MOST_HEADER_BYTES = 1 << 20
const MOST_STREAMS = 100

export interface SecureListen {
  addresses: readonly string[]
  port: number
  policy: TlsPolicy
  keyPair: (serverName: string | undefined) => KeyPair | undefined
  /** The CAs whose names the certificate request carries; undefined: no certificate is asked for. */
  clientCaPem: (() => string | undefined) | undefined
}

export class ApiServer {
  readonly #pipeline: Pipeline
  readonly #http: HttpServer
  readonly #http2: Http2Server
  readonly #origins = new WeakMap<object, RequestOrigin>()
  readonly #listeners: Listener[] = []
  #arriving: RequestOrigin | undefined

  constructor(pipeline: Pipeline, mostStreams = MOST_STREAMS) {
    this.#pipeline = pipeline
    const options = { maxHeaderSize: MOST_HEADER_BYTES, headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 0 }
    this.#http = createHttpServer({ ...options, keepAliveTimeout: IDLE_TIMEOUT_MS })
    this.#http.on('request', (request, response) => {
      void this.#pipeline.serve(request, response, this.#originOf(request.socket))
    })
    this.#http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#upgrade(request, socket, head),
    )
    this.#http2 = createHttp2Server({
      settings: { maxConcurrentStreams: mostStreams },
      maxHeaderListPairs: 1000,
      maxSessionMemory: MAX_SESSION_MEMORY_MB,
    })
    this.#http2.on('session', (session: ServerHttp2Session) => {
      if (this.#arriving) this.#origins.set(session, this.#arriving)
      session.on('error', () => {})
    })
    this.#http2.on('request', (request: Http2ServerRequest, response) => {
      const session = request.stream.session
      void this.#pipeline.serve(request, response, this.#originOf(session ?? request))
    })
    for (const server of [this.#http, this.#http2]) server.on('clientError', (_, socket: Duplex) => badRequest(socket))
  }

  async listenSecure({ addresses, port, policy, keyPair, clientCaPem }: SecureListen): Promise<void> {
    for (const address of addresses) {
      const listener = await listenTls({
        address,
        port,
        policy,
        keyPair,
        clientCertificates: clientCaPem ? { mode: 'request', caPem: clientCaPem } : { mode: 'none' },
        alpn: ['h2', 'http/1.1'],
        plainHttp: 'http-400',
        onConnection: (socket, connection) => this.#accept(socket, connection),
        onRefusal: (refusal, { local, remote }) => {
          const { code, message, layer } = refusal
          klog('I', 'server.go:3490', `http: TLS handshake error from ${remote}: ${message}`)
          witness({
            about: 'connection',
            decision: 'refuse',
            local,
            remote,
            code,
            text: message,
            ...(layer && { layer }),
          })
        },
      })
      this.#opened(listener, `Serving securely on ${address}:${listener.port}`, 'secure_serving.go:211')
    }
  }

  /** Serves without asking for anything: --insecure-port of v1.19 and older. */
  async listenInsecure(addresses: readonly string[], port: number): Promise<void> {
    for (const address of addresses) {
      const listener = await listenPlain({
        address,
        port,
        onConnection: (socket, { local, remote }) => {
          socket.on('error', () => {})
          witness({ about: 'connection', decision: 'allow', local, remote })
          this.#origins.set(socket, { local, remote, peerChain: [], insecure: true })
          this.#http.emit('connection', socket)
        },
      })
      this.#opened(listener, `Serving insecurely on ${address}:${listener.port}`, 'deprecated_insecure_serving.go:53')
    }
  }

  async close(): Promise<void> {
    this.#http.closeAllConnections()
    await Promise.all(this.#listeners.map((listener) => listener.close()))
  }

  #opened(listener: Listener, said: string, place: string): void {
    this.#listeners.push(listener)
    klog('I', place, said)
    witness({ about: 'listener', decision: 'open', local: `${listener.address}:${listener.port}` })
  }

  #accept(socket: Duplex, { local, remote, peerChain, alpn }: TlsConnection): void {
    const origin: RequestOrigin = { local, remote, peerChain, insecure: false }
    socket.on('error', () => {})
    witness({ about: 'connection', decision: 'allow', local, remote })
    if (alpn !== 'h2') {
      this.#origins.set(socket, origin)
      this.#http.emit('connection', socket)
      return
    }
    // the session event comes before emit returns
    this.#arriving = origin
    this.#http2.emit('connection', socket)
    this.#arriving = undefined
  }

  #originOf(connection: object): RequestOrigin {
    return this.#origins.get(connection) ?? { local: '', remote: '', peerChain: [], insecure: false }
  }

  /** Until somebody takes the socket over, an upgrade is answered as any request. */
  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {})
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(request.socket)
    response.once('finish', () => socket.end())
    const take = (): Duplex => {
      response.detachSocket(request.socket)
      return socket
    }
    void this.#pipeline.serve(request, response, this.#originOf(request.socket), { head, take })
  }
}

const BAD_REQUEST =
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request'

/** net/http's answer to what is no request. */
function badRequest(socket: Duplex): void {
  if (socket.writable) socket.end(BAD_REQUEST)
  else socket.destroy()
}
