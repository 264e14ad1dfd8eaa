/** gRPC on node:http2 by hand: five times the throughput of a framework, and the peer's certificate at hand. */
import { fromBinary, toBinary, type DescMessage, type DescMethod, type MessageShape } from '@bufbuild/protobuf'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { GrpcFrameReader, grpcFrame } from '../../../lib/etcd/grpc-frame.ts'
import { encodeGrpcMessage, GRPC_CODES, GrpcError } from '../../../lib/etcd/grpc-status.ts'
import {
  Auth,
  Cluster,
  KV,
  Lease,
  LeaseKeepAliveResponseSchema,
  Maintenance,
  Watch,
  type LeaseKeepAliveRequest,
  type WatchRequest,
} from '../../../lib/etcd/rpc_pb.ts'
import { create } from '@bufbuild/protobuf'
import { witnessCanaries } from '../../../lib/cluster/canary-witness.ts'
import { witness } from '../../../lib/cluster/witness.ts'
import { ERRORS } from '../errors.ts'
import type { Member } from '../member.ts'
import { unaryMethods, type ServiceSettings, type UnaryMethod } from './services.ts'
import { serveWatch, type WatchSettings } from './watch.ts'

export interface Caller {
  local: string
  remote: string
  /** CN of the client certificate. */
  identity?: string
  serial?: string
}

export interface GrpcSettings extends ServiceSettings, WatchSettings {
  maxRequestBytes: number
}

/** What every answer's head holds; over TLS etcd serves gRPC behind its HTTP handler, which adds to it. */
export type GrpcHead = Readonly<Record<string, string | number>>

export const GRPC_HEAD: GrpcHead = { ':status': 200, 'content-type': 'application/grpc' }

/** gRPC's own overhead on top of --max-request-bytes (server/embed: grpcOverheadBytes). */
const OVERHEAD_BYTES = 512 * 1024

const SERVICES = new Map([KV, Watch, Lease, Cluster, Maintenance, Auth].map((service) => [service.typeName, service]))

export class GrpcServer {
  readonly #member: Member
  readonly #settings: GrpcSettings
  readonly #unary: Map<string, UnaryMethod>

  constructor(member: Member, settings: GrpcSettings) {
    this.#member = member
    this.#settings = settings
    this.#unary = unaryMethods(member, settings)
  }

  serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, caller: Caller, head: GrpcHead = GRPC_HEAD): void {
    const path = String(headers[':path'])
    stream.on('error', () => {})
    const unary = this.#unary.get(path)
    if (unary) return this.#serveUnary(stream, path, unary, caller, head)
    if (path === `/${Watch.typeName}/Watch`) return this.#serveWatch(stream, path, caller, head)
    if (path === `/${Lease.typeName}/LeaseKeepAlive`) return this.#serveKeepAlive(stream, path, caller, head)
    fail(stream, unknownMethod(path), head)
  }

  #serveUnary(stream: ServerHttp2Stream, path: string, method: UnaryMethod, caller: Caller, head: GrpcHead): void {
    const reader = new GrpcFrameReader(this.#settings.maxRequestBytes + OVERHEAD_BYTES)
    let request: Buffer | undefined
    stream.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) request = message
      } catch (error) {
        fail(stream, error, head)
      }
    })
    stream.on('end', () => {
      this.#answer(method, path, request, caller).then(
        (reply) => finish(stream, reply, head),
        (error: unknown) => fail(stream, error, head),
      )
    })
  }

  async #answer(method: UnaryMethod, path: string, bytes: Buffer | undefined, caller: Caller): Promise<Uint8Array> {
    if (!bytes) throw new GrpcError('Internal', 'grpc: failed to receive a request message')
    if (bytes.length > this.#settings.maxRequestBytes) throw ERRORS.requestTooLarge()
    const request = decode(method.desc, bytes)
    witnessCanaries(bytes, caller)
    const subject = method.subject?.(request as never)
    note(caller, subject ? `${path} ${subject}` : path)
    const reply = toBinary(method.desc.output, await method.serve(request as never))
    witnessCanaries(reply, caller)
    return reply
  }

  #serveWatch(stream: ServerHttp2Stream, path: string, caller: Caller, head: GrpcHead): void {
    note(caller, path)
    const watch = serveWatch(this.#member, this.#settings, (response) => {
      const bytes = toBinary(Watch.method.watch.output, response)
      witnessCanaries(bytes, caller)
      if (!stream.destroyed && !stream.writableEnded) stream.write(grpcFrame(bytes))
    })
    this.#serveStream<WatchRequest>(
      stream,
      head,
      Watch.method.watch,
      (request) => watch.handle(request),
      () => watch.close(),
    )
  }

  #serveKeepAlive(stream: ServerHttp2Stream, path: string, caller: Caller, head: GrpcHead): void {
    note(caller, path)
    this.#serveStream<LeaseKeepAliveRequest>(
      stream,
      head,
      Lease.method.leaseKeepAlive,
      ({ ID }) => {
        const lease = this.#member.leases.renew(ID, Date.now())
        const reply = create(LeaseKeepAliveResponseSchema, {
          header: this.#member.header(),
          ID,
          TTL: lease?.ttlSeconds ?? 0n,
        })
        if (!stream.destroyed) stream.write(grpcFrame(toBinary(LeaseKeepAliveResponseSchema, reply)))
      },
      () => {},
    )
  }

  /** A stream of requests, each handled as it comes; headers go out at once, as grpc-go's do with the first message. */
  #serveStream<T>(
    stream: ServerHttp2Stream,
    head: GrpcHead,
    desc: DescMethod,
    handle: (request: T) => void,
    close: () => void,
  ): void {
    const reader = new GrpcFrameReader(this.#settings.maxRequestBytes + OVERHEAD_BYTES)
    let trailers: Record<string, string> = { 'grpc-status': '0' }
    stream.respond(head, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    stream.on('close', close)
    stream.on('end', () => stream.end())
    stream.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) handle(decode(desc, message) as T)
      } catch (error) {
        trailers = trailersOf(error)
        stream.end()
      }
    })
  }
}

function decode(desc: DescMethod, bytes: Buffer): MessageShape<DescMessage> {
  try {
    return fromBinary(desc.input, bytes)
  } catch (error) {
    throw new GrpcError('Internal', `grpc: error unmarshalling request: ${(error as Error).message}`, { cause: error })
  }
}

function finish(stream: ServerHttp2Stream, reply: Uint8Array, head: GrpcHead): void {
  if (stream.destroyed || stream.headersSent) return
  stream.respond(head, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(grpcFrame(reply))
}

function fail(stream: ServerHttp2Stream, error: unknown, head: GrpcHead): void {
  if (stream.destroyed || stream.headersSent) return
  stream.respond({ ...head, ...trailersOf(error) }, { endStream: true })
}

function trailersOf(error: unknown): Record<string, string> {
  const { code, message } =
    error instanceof GrpcError
      ? error
      : { code: 'Unknown' as const, message: error instanceof Error ? error.message : String(error) }
  return { 'grpc-status': String(GRPC_CODES[code]), 'grpc-message': encodeGrpcMessage(message) }
}

/** grpc-go's words (server.go handleStream). */
function unknownMethod(path: string): GrpcError {
  const [, service = '', method = ''] = path.split('/')
  const known = SERVICES.get(service)
  if (!known) return new GrpcError('Unimplemented', `unknown service ${service}`)
  if (known.methods.some(({ name }) => name === method)) {
    return new GrpcError('Unimplemented', `the simulation does not serve ${service}/${method} yet`)
  }
  return new GrpcError('Unimplemented', `unknown method ${method} for service ${service}`)
}

function note(caller: Caller, request: string): void {
  const { local, remote, identity, serial } = caller
  witness({
    about: 'request',
    decision: 'allow',
    local,
    remote,
    request,
    ...(identity ? { identity } : {}),
    ...(serial ? { serial } : {}),
  })
}
