/** The ports of a member: gRPC and HTTP/1.1 on each client URL, with TLS or without, as the URL's scheme says. */
import { readFileSync } from 'node:fs'
import { createServer as createHttp1Server, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  createServer as createHttp2Server,
  Http2ServerRequest,
  Http2ServerResponse,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { witness } from '../../lib/cluster/witness.ts'
import { listenAddresses, type Place } from '../../lib/cluster/place.ts'
import { listenPlain } from '../../lib/tls/plain.ts'
import { listenTls, type KeyPair, type Listener, type TlsConnection } from '../../lib/tls/listen.ts'
import type { Refusal } from '../../lib/tls/refusal.ts'
import type { TlsPolicy } from '../../lib/tls/policy.ts'
import { parseCertificate, type Certificate } from '../../lib/x509/parse.ts'
import { nameToString } from '../../lib/x509/name.ts'
import { handshakeVerifier, POLICY_TEXT, revocationProblem } from './client-certificates.ts'
import { hostOf, portOf, type TlsFiles } from './config.ts'
import { GRPC_HEAD, type Caller, type GrpcServer } from './grpc/server.ts'
import { CORS_HEADERS } from './http-endpoints.ts'
import { log } from './log.ts'
import { checkTlsFiles, readTlsFile } from './tls-files.ts'

export interface PortOptions {
  url: URL
  place: Place
  kind: 'client' | 'peer' | 'metrics'
  tls: TlsFiles
  policy: TlsPolicy
  grpc?: GrpcServer
  http: (request: IncomingMessage, response: ServerResponse) => void
}

const HANDSHAKE_TIMEOUT_MS = 10_000

/** `PRI * HTTP/2.0`: how plain HTTP/2 says that it is that. */
const PREFACE = 'PRI'

/** @throws Error with Go's text, such as `open /x: no such file or directory`. */
export async function listenOn(options: PortOptions): Promise<Listener[]> {
  const { url, place } = options
  const host = url.hostname === 'localhost' ? '127.0.0.1' : hostOf(url)
  const serve = server(options)
  const listeners: Listener[] = []
  for (const address of listenAddresses(place, host)) {
    const listener =
      url.protocol === 'https:' ? await overTls(options, address, serve) : await plain(options, address, serve)
    witness({ about: 'listener', decision: 'open', local: `${listener.address}:${listener.port}` })
    listeners.push(listener)
  }
  return listeners
}

type Serve = (socket: Socket, caller: Caller, isHttp2: boolean) => void

/** One HTTP/1.1 and one HTTP/2 server that are handed their connections. */
function server(options: PortOptions): Serve {
  const { grpc, http } = options
  const callers = new WeakMap<Http2Session, Caller>()
  const http1 = createHttp1Server({ requireHostHeader: false }, (request, response) => {
    const isBare = request.httpVersion === '1.1' && request.headers.host === undefined
    if (isBare) refuseRequest(request.socket, ': missing required Host header')
    else http(request, response)
  })
  http1.on('clientError', (_, socket) => refuseRequest(socket))
  const http2 = createHttp2Server({ settings: { maxConcurrentStreams: 0xffffffff } })
  http2.on('session', (session) => {
    // etcdctl and others leave with a reset; that is no fault.
    session.on('error', () => {})
    callers.set(session, pending.shift()!)
  })
  http2.on('sessionError', () => {})
  http2.on('stream', (stream, headers) => {
    const caller = stream.session && callers.get(stream.session)
    const type = String(headers['content-type'] ?? '')
    const secure = options.url.protocol === 'https:'
    if (type.startsWith('application/grpc') && grpc && caller) {
      return grpc.serve(stream, headers, caller, secure ? SECURE_GRPC_HEAD : GRPC_HEAD)
    }
    stream.on('error', () => {})
    // Over TLS one HTTP handler takes both protocols; in the clear HTTP/2 goes to the gRPC server alone.
    if (secure) return serveCompat(stream, headers, http)
    const message = `invalid gRPC request content-type ${JSON.stringify(type)}`
    const refusal = { ...GRPC_HEAD, ':status': 415, 'grpc-status': '3', 'grpc-message': message }
    stream.respond(refusal, { endStream: true })
  })
  // 'session' is emitted within emit('connection'), so the queue holds one caller at most.
  const pending: Caller[] = []
  return (socket, caller, isHttp2) => {
    socket.on('error', () => {})
    if (isHttp2 && grpc) {
      pending.push(caller)
      http2.emit('connection', socket)
    } else http1.emit('connection', socket)
  }
}

const SECURE_GRPC_HEAD = { ...GRPC_HEAD, ...CORS_HEADERS }

/** HTTP/2 for a handler that was written for HTTP/1.1: it uses what both have. */
function serveCompat(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, http: PortOptions['http']): void {
  const request = new Http2ServerRequest(stream, headers, {}, [])
  http(request as unknown as IncomingMessage, new Http2ServerResponse(stream) as unknown as ServerResponse)
}

/** net/http's words (server.go, badRequestError). */
function refuseRequest(socket: Duplex, why = ''): void {
  const text = `400 Bad Request${why}`
  if (!socket.writable) return void socket.destroy()
  socket.end(`HTTP/1.1 ${text}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${text}`)
}

async function plain({ url }: PortOptions, address: string, serve: Serve): Promise<Listener> {
  return listenPlain({
    address,
    port: portOf(url),
    onConnection: (socket, connection) => {
      witness({ about: 'connection', decision: 'allow', ...connection })
      socket.once('readable', () => {
        const first = socket.read() as Buffer | null
        if (first === null) return void socket.destroy()
        socket.unshift(first)
        serve(socket, connection, first.subarray(0, 3).toString('latin1') === PREFACE)
      })
      socket.on('error', () => {})
    },
  })
}

async function overTls(options: PortOptions, address: string, serve: Serve): Promise<Listener> {
  const { url, tls, policy, kind } = options
  if (kind === 'client') checkHttp2Suites(policy.cipherSuites)
  checkTlsFiles(tls)
  const caPem = tls.trustedCaFile ? readTlsFile(tls.trustedCaFile) : undefined
  const verify = handshakeVerifier(tls, caPem)
  const rejected = (error: string, connection: TlsConnection, leaf?: Certificate): void =>
    log('warn', `rejected connection on ${kind === 'peer' ? 'peer' : 'client'} endpoint`, {
      'remote-addr': connection.remote,
      'server-name': connection.serverName ?? '',
      ...(leaf ? { 'ip-addresses': leaf.ipAddresses, 'dns-names': leaf.dnsNames } : {}),
      error,
    })
  return listenTls({
    address,
    port: portOf(url),
    policy,
    // Read for each connection: certificates rotate without a restart, the CA file does not.
    keyPair: () => keyPairOf(tls),
    clientCertificates: verify ? { mode: 'require', verify, caPem: () => caPem } : { mode: 'none' },
    // HTTP/1.1 alone is offered by many and named by none, on either port, as recorded.
    alpn: ['h2'],
    plainHttp: 'close',
    handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
    onConnection: (socket, connection) => {
      const problem = revocationProblem(tls, connection)
      const caller = callerOf(connection)
      if (problem) {
        rejected(problem, connection, leafOf(connection))
        witness({
          about: 'certificate',
          decision: 'refuse',
          ...caller,
          layer: 'tls-alert',
          code: 'close_notify',
          text: problem,
        })
        return void socket.end()
      }
      witness({ about: 'connection', decision: 'allow', ...caller })
      serve(socket, caller, connection.alpn === 'h2')
    },
    onRefusal: (refusal, connection) => {
      // Go remembers a chain once it is verified, so that only a refusal after that can name what the leaf says.
      rejected(refusal.message, connection, refusal.message === POLICY_TEXT ? leafOf(connection) : undefined)
      if (isOurs(refusal)) {
        const facts = { local: connection.local, remote: connection.remote, layer: refusal.layer!, code: refusal.code }
        witness({
          about: 'certificate',
          decision: 'refuse',
          ...facts,
          text: refusal.message,
          ...identityOf(connection),
        })
      }
    },
  })
}

/** A client that rejected us said so with an alert: that is its word, not this member's. */
function isOurs(refusal: Refusal): boolean {
  return refusal.layer !== undefined && !refusal.message.startsWith('remote error')
}

function callerOf(connection: TlsConnection): Caller {
  return { local: connection.local, remote: connection.remote, ...identityOf(connection) }
}

function identityOf(connection: TlsConnection): { identity?: string; serial?: string } {
  const leaf = leafOf(connection)
  if (!leaf) return {}
  return { identity: leaf.subject.commonName || nameToString(leaf.subject), serial: leaf.serialNumber.toString(16) }
}

/** Undefined where none was shown, or none that can be read. */
function leafOf({ peerChain }: TlsConnection): Certificate | undefined {
  try {
    return peerChain[0] && parseCertificate(peerChain[0])
  } catch {
    return undefined
  }
}

function keyPairOf({ certFile, keyFile }: TlsFiles): KeyPair | undefined {
  try {
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
  } catch {
    return undefined
  }
}

const HTTP2_SUITES = ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256']

/** golang.org/x/net/http2, ConfigureServer (RFC 9113 section 9.2.2). */
function checkHttp2Suites(suites: readonly string[] | undefined): void {
  if (!suites || HTTP2_SUITES.some((suite) => suites.includes(suite))) return
  const text = `http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher (need at least one of ${HTTP2_SUITES.join(' or ')})`
  throw new Error(text)
}
