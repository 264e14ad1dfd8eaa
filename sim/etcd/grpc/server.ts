/** gRPC on node:http2 by hand: five times the throughput of a framework, and the peer's certificate at hand. */
import { fromBinary, toBinary, type DescMessage, type DescMethod, type MessageShape } from '@bufbuild/protobuf'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { GrpcFrameReader, grpcFrame } from '../../../lib/etcd/grpc-frame.ts'
import { encodeGrpcMessage, GRPC_CODES, GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { witnessCanaries } from '../../../lib/cluster/canary-witness.ts'
import { isWitnessed, witness } from '../../../lib/cluster/witness.ts'
import { ERRORS } from '../errors.ts'
import { RpcMetrics } from '../metrics/rpc-metrics.ts'
import type { Member } from '../member.ts'
import type { Call, Caller } from './call.ts'
import type { Method, StreamMethod, UnaryMethod } from './method.ts'
import { GRPC_OVERHEAD_BYTES, SERVICES } from './methods.ts'

/** What every answer's head holds; over TLS etcd serves gRPC behind its HTTP handler, which adds to it. */
export type GrpcHead = Readonly<Record<string, string | number>>

export const GRPC_HEAD: GrpcHead = { ':status': 200, 'content-type': 'application/grpc' }

/** api/v3rpc/rpctypes/metadatafields.go */
const CLIENT_VERSION = 'client-api-version'

const OK: Readonly<Record<string, string>> = { 'grpc-status': '0' }

export class GrpcServer {
  readonly #member: Member
  readonly #methods: ReadonlyMap<string, Method>
  readonly #maxRequestBytes: number
  readonly #metrics: RpcMetrics

  constructor(
    member: Member,
    methods: ReadonlyMap<string, Method>,
    settings: { maxRequestBytes: number; measuresCalls: boolean },
  ) {
    this.#member = member
    this.#methods = methods
    this.#maxRequestBytes = settings.maxRequestBytes
    this.#metrics = new RpcMetrics(
      [...methods.values()].map(({ desc }) => desc),
      settings.measuresCalls,
    )
    member.metrics.with(() => this.#metrics.families)
  }

  serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, caller: Caller, head: GrpcHead = GRPC_HEAD): void {
    const path = String(headers[':path'])
    const method = this.#methods.get(path)
    if (!method) return fail(stream, unknownMethod(path), head)
    // Some clients would rather hear that nobody leads than wait (v3rpc/interceptor.go).
    if (headers['hasleader'] === 'true' && this.#member.door.status.leader === 0n)
      return fail(stream, ERRORS.noLeader(), head)
    const call: Call = {
      caller,
      metadata: (name) => {
        const value = headers[name]
        return Array.isArray(value) ? value[0] : value
      },
      onGone: (listener) => stream.once('close', listener),
    }
    if (method.kind === 'unary') this.#serveUnary(stream, path, method, call, head)
    else this.#serveStream(stream, path, method, call, head)
  }

  #serveUnary(stream: ServerHttp2Stream, path: string, method: UnaryMethod, call: Call, head: GrpcHead): void {
    const reader = new GrpcFrameReader(this.#maxRequestBytes + GRPC_OVERHEAD_BYTES)
    let request: Buffer | undefined
    stream.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) request = message
      } catch (error) {
        fail(stream, error, head)
      }
    })
    stream.on('end', () => {
      this.#answer(method, path, request, call).then(
        (reply) => finish(stream, reply, head),
        (error: unknown) => fail(stream, error, head),
      )
    })
  }

  async #answer(method: UnaryMethod, path: string, bytes: Buffer | undefined, call: Call): Promise<Uint8Array> {
    if (!bytes) throw new GrpcError('Internal', 'grpc: failed to receive a request message')
    const { desc, serve, subject } = method
    const request = decode(desc, bytes)
    this.#metrics.received(desc, bytes.length)
    const ended = this.#metrics.began(desc, call.metadata(CLIENT_VERSION))
    if (isWitnessed) {
      witnessCanaries(bytes, call.caller)
      note(call.caller, subject ? `${path} ${subject(request as never)}` : path)
    }
    try {
      const reply = toBinary(desc.output, (await serve(request as never, call, bytes)) as MessageShape<DescMessage>)
      ended('OK')
      this.#metrics.sent(desc, reply.length)
      witnessCanaries(reply, call.caller)
      return reply
    } catch (error) {
      ended(grpcErrorOf(error).code)
      throw error
    }
  }

  /** Each request is handled as it comes; headers go out at once, as grpc-go's do with the first message. */
  #serveStream(stream: ServerHttp2Stream, path: string, method: StreamMethod, call: Call, head: GrpcHead): void {
    note(call.caller, path)
    const { desc } = method
    const ended = once(this.#metrics.began(desc, call.metadata(CLIENT_VERSION)))
    const reader = new GrpcFrameReader(this.#maxRequestBytes + GRPC_OVERHEAD_BYTES)
    let trailers = OK
    const respond = (): void => {
      if (stream.headersSent || stream.destroyed) return
      stream.respond(head, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    }
    const end = (error?: unknown): void => {
      ended(error === undefined ? 'OK' : grpcErrorOf(error).code)
      if (error === undefined) respond()
      else if (!stream.headersSent) return fail(stream, error, head)
      else trailers = trailersOf(error)
      if (!stream.destroyed && !stream.writableEnded) stream.end()
    }
    const input = method.open(call, {
      send: (reply) => {
        const bytes = toBinary(desc.output, reply as MessageShape<DescMessage>)
        witnessCanaries(bytes, call.caller)
        this.#metrics.sent(desc, bytes.length)
        respond()
        if (!stream.destroyed && !stream.writableEnded) stream.write(grpcFrame(bytes))
      },
      end,
    })
    stream.on('close', () => {
      ended('Canceled')
      input.gone()
    })
    stream.on('end', () => input.halfClosed())
    stream.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) {
          this.#metrics.received(desc, message.length)
          input.message(decode(desc, message) as never)
        }
      } catch (error) {
        end(error)
      }
    })
    // A client that waits for the head before it asks would wait for ever.
    if (desc.methodKind === 'bidi_streaming') respond()
  }
}

/** Called again it does nothing. */
function once<T>(act: (value: T) => void): (value: T) => void {
  let isDone = false
  return (value) => {
    if (!isDone) act(value)
    isDone = true
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
  stream.on('wantTrailers', () => stream.sendTrailers(OK))
  stream.end(grpcFrame(reply))
}

function fail(stream: ServerHttp2Stream, error: unknown, head: GrpcHead): void {
  if (stream.destroyed || stream.headersSent) return
  stream.respond({ ...head, ...trailersOf(error) }, { endStream: true })
}

function trailersOf(error: unknown): Record<string, string> {
  const { code, message } = grpcErrorOf(error)
  return { 'grpc-status': String(GRPC_CODES[code]), 'grpc-message': encodeGrpcMessage(message) }
}

/** What is no status of its own is Unknown, as grpc-go has it. */
export function grpcErrorOf(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error
  return new GrpcError('Unknown', error instanceof Error ? error.message : String(error), { cause: error })
}

const KNOWN = new Map<string, readonly { name: string }[]>(
  SERVICES.map((service) => [service.typeName, service.methods]),
)

/** grpc-go's words (server.go handleStream). */
function unknownMethod(path: string): GrpcError {
  const [, service = '', method = ''] = path.split('/')
  if (!KNOWN.has(service)) return new GrpcError('Unimplemented', `unknown service ${service}`)
  return new GrpcError('Unimplemented', `unknown method ${method} for service ${service}`)
}

export function note({ local, remote, identity, serial }: Caller, request: string): void {
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
