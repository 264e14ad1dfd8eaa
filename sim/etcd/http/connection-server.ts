/** One HTTP/1.1 and one HTTP/2 server behind a port, which are handed its connections. */
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
import { MAX_SESSION_MEMORY_MB } from '../../../lib/settings/http2-memory.ts'
import type { Caller } from '../grpc/call.ts'
import { GRPC_HEAD, type GrpcHead, type GrpcServer } from '../grpc/server.ts'
import { corsHeaders } from './access.ts'
import type { HttpServer } from './http-request.ts'

export interface ConnectionServerOptions {
  isSecure: boolean
  /** Absent on a port that speaks HTTP alone. */
  grpc?: GrpcServer | undefined
  /** Absent on a port that speaks gRPC alone. */
  http?: HttpServer | undefined
  /** Origins of --cors. */
  cors: readonly string[]
  /** 0: no limit. */
  maxConcurrentStreams: number
}

export type ServeConnection = (socket: Socket, caller: Caller, isHttp2: boolean) => void

export function connectionServer(options: ConnectionServerOptions): ServeConnection {
  const { isSecure, grpc, http } = options
  const callers = new WeakMap<Http2Session, Caller>()
  const callersOfSockets = new WeakMap<Duplex, Caller>()
  const http1 = createHttp1Server({ requireHostHeader: false }, (request, response) => {
    const isBare = request.httpVersion === '1.1' && request.headers.host === undefined
    if (isBare) refuseRequest(request.socket, ': missing required Host header')
    else http?.(request, response, callersOfSockets.get(request.socket)!)
  })
  http1.on('clientError', (error: Error & { rawPacket?: Buffer }, socket) => {
    if (error.rawPacket?.toString('latin1').startsWith(HTTP2_PREFACE)) refusePreface(socket)
    else refuseRequest(socket)
  })
  const http2 = createHttp2Server({
    maxSessionMemory: MAX_SESSION_MEMORY_MB,
    settings: { maxConcurrentStreams: options.maxConcurrentStreams || 0xffffffff },
  })
  // 'session' is emitted within emit('connection'), so the queue holds one caller at most.
  const pending: Caller[] = []
  http2.on('session', (session) => {
    // etcdctl and others leave with a reset; that is no fault.
    session.on('error', () => {})
    callers.set(session, pending.shift()!)
  })
  http2.on('sessionError', () => {})
  http2.on('stream', (stream, headers) => {
    // Also of a session that has ended before its stream is told of: nobody else hears it then.
    stream.on('error', () => {})
    const caller = stream.session && callers.get(stream.session)
    const type = String(headers['content-type'] ?? '')
    if (!caller) return stream.close()
    if (type.startsWith('application/grpc') && grpc) {
      // Over TLS gRPC is served by a handler of the HTTP server, which adds its own head; in the clear it is not.
      return grpc.serve(stream, headers, caller, isSecure && http ? secureHead(options.cors, headers) : GRPC_HEAD)
    }
    // Over TLS one HTTP handler takes both protocols; in the clear HTTP/2 goes to the gRPC server alone.
    if (isSecure && http) return serveCompat(stream, headers, http, caller)
    const message = `invalid gRPC request content-type ${JSON.stringify(type)}`
    const refusal = { ...GRPC_HEAD, ':status': 415, 'grpc-status': '3', 'grpc-message': message }
    stream.respond(refusal, { endStream: true })
  })
  return (socket, caller, isHttp2) => {
    socket.on('error', () => {})
    const known = isSecure ? { ...caller, isSecure } : caller
    if (isHttp2 && grpc) {
      pending.push(known)
      http2.emit('connection', socket)
    } else if (http) {
      callersOfSockets.set(socket, known)
      http1.emit('connection', socket)
    } else socket.end()
  }
}

const OPEN_HEAD: GrpcHead = { ...GRPC_HEAD, ...corsHeaders([], undefined) }

function secureHead(cors: readonly string[], { origin }: IncomingHttpHeaders): GrpcHead {
  return cors.length === 0 || cors.includes('*') ? OPEN_HEAD : { ...GRPC_HEAD, ...corsHeaders(cors, origin) }
}

/** HTTP/2 for a handler that was written for HTTP/1.1: it uses what both have. */
function serveCompat(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, http: HttpServer, caller: Caller): void {
  const request = new Http2ServerRequest(stream, headers, {}, [])
  http(request as unknown as IncomingMessage, new Http2ServerResponse(stream) as unknown as ServerResponse, caller)
}

const HTTP2_PREFACE = 'PRI * HTTP/2.0\r\n\r\n'

/** What net/http's ServeMux says to a request for `*`, as which an HTTP/1 server reads the beginning of HTTP/2. */
function refusePreface(socket: Duplex): void {
  if (!socket.writable) return void socket.destroy()
  const date = new Date().toUTCString()
  socket.end(`HTTP/1.1 400 Bad Request\r\nConnection: close\r\nDate: ${date}\r\nContent-Length: 0\r\n\r\n`)
}

/** net/http's words (server.go, badRequestError). */
function refuseRequest(socket: Duplex, why = ''): void {
  const text = `400 Bad Request${why}`
  if (!socket.writable) return void socket.destroy()
  socket.end(`HTTP/1.1 ${text}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${text}`)
}
