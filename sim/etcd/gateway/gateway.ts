/**
 * The JSON gateway: the v3 API for those who speak HTTP and JSON (grpc-gateway v2 as server/embed/serve.go sets it up).
 * The real one dials its own member; this one calls its services, with what that connection would have brought.
 */
import { create, toBinary, toJson, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import { witnessCanaries } from '../../../lib/cluster/canary-witness.ts'
import { GRPC_CODES, GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { firstJsonValue } from '../../../lib/etcd/go-json.ts'
import { protojsonDecode } from '../../../lib/etcd/protojson.ts'
import type { Call } from '../grpc/call.ts'
import type { Method, StreamMethod, UnaryMethod } from '../grpc/method.ts'
import { GRPC_OVERHEAD_BYTES } from '../grpc/methods.ts'
import { grpcErrorOf, note } from '../grpc/server.ts'
import type { HttpExchange } from '../http/http-request.ts'
import { NotCalled, within } from './deadline.ts'
import { HTTP_STATUS } from './http-status.ts'
import type { OwnConnection } from './own-connection.ts'
import { ROUTES } from './routes.ts'

export interface GatewaySettings {
  maxRequestBytes: number
  /** How the gateway's own connection to the member fares. */
  own: () => OwnConnection
}

export class Gateway {
  readonly #methods: ReadonlyMap<string, Method>
  readonly #settings: GatewaySettings

  constructor(methods: ReadonlyMap<string, Method>, settings: GatewaySettings) {
    this.#methods = methods
    this.#settings = settings
  }

  /** Why the member would not let its own gateway in, as it finds out at once. */
  ownRefusal(): OwnConnection['refusal'] {
    return this.#settings.own().refusal
  }

  async serve(exchange: HttpExchange): Promise<void> {
    const name = ROUTES.get(exchange.path)
    const method = name === undefined ? undefined : this.#methods.get(name)
    if (!method) return refuse(exchange, new GrpcError('NotFound', 'Not Found'))
    if (exchange.request.method !== 'POST')
      return refuse(exchange, new GrpcError('Unimplemented', 'Method Not Allowed'))
    const body = await bodyOf(exchange)
    const { refusal, commonName } = this.#settings.own()
    if (refusal) return refuse(exchange, refusal.error)
    note(exchange.caller, `POST ${exchange.path}`)
    witnessCanaries(body, exchange.caller)
    const call = callOf(exchange, commonName)
    if (method.kind === 'unary') await this.#unary(exchange, method, call, body)
    else this.#stream(exchange, method, call, body)
  }

  async #unary(exchange: HttpExchange, { desc, serve }: UnaryMethod, call: Call, body: string): Promise<void> {
    let request: MessageShape<DescMessage>
    try {
      request = protojsonDecode(desc.input, body)
    } catch (error) {
      return refuse(exchange, new GrpcError('InvalidArgument', (error as Error).message))
    }
    const bytes = toBinary(desc.input, request)
    const timeout = exchange.request.headers['grpc-timeout']
    try {
      this.#refuseLarge(bytes)
      const reply = await within(timeout?.toString(), () => serve(request as never, call, bytes))
      const text = jsonOf(desc.output, reply as MessageShape<DescMessage>)
      metadata(exchange)
      witnessCanaries(text, exchange.caller)
      sendJson(exchange, 200, text)
    } catch (error) {
      if (!(error instanceof NotCalled)) metadata(exchange)
      refuse(exchange, grpcErrorOf(error))
    }
  }

  /** What gRPC itself would not take in. */
  #refuseLarge(bytes: Uint8Array): void {
    const most = this.#settings.maxRequestBytes + GRPC_OVERHEAD_BYTES
    if (bytes.length <= most) return
    const text = `grpc: received message larger than max (${bytes.length} vs. ${most})`
    throw new GrpcError('ResourceExhausted', text)
  }

  /** One line for each answer; the head comes with the first, so that a stream that says nothing stays silent. */
  #stream(exchange: HttpExchange, { desc, open }: StreamMethod, call: Call, body: string): void {
    const { response } = exchange
    const start = (status: number): void => {
      if (response.headersSent) return
      metadata(exchange)
      response.statusCode = status
      response.setHeader('content-type', 'application/json')
      response.flushHeaders()
    }
    const input = open(call, {
      send: (reply) => {
        start(200)
        const text = `{"result":${jsonOf(desc.output, reply as MessageShape<DescMessage>)}}\n`
        witnessCanaries(text, exchange.caller)
        response.write(text)
      },
      end: (error) => {
        if (error !== undefined) {
          const { code, message } = grpcErrorOf(error)
          start(HTTP_STATUS[code])
          response.write(`${JSON.stringify({ error: { code: GRPC_CODES[code], message } })}\n`)
        } else start(200)
        response.end()
      },
    })
    response.once('close', () => input.gone())
    let rest = body
    try {
      for (let value = firstJsonValue(rest); value !== undefined; value = firstJsonValue(rest)) {
        rest = rest.slice(rest.indexOf(value) + value.length)
        input.message(protojsonDecode(desc.input, value) as never)
        // A server's stream takes one request.
        if (desc.methodKind === 'server_streaming') break
      }
      if (body.trim() === '' && desc.methodKind === 'server_streaming') input.message(create(desc.input) as never)
    } catch {
      // Of a request that cannot be read the client of a stream hears nothing (recorded).
    }
    input.halfClosed()
  }
}

function jsonOf(desc: DescMessage, reply: MessageShape<DescMessage>): string {
  return JSON.stringify(toJson(desc, reply, { useProtoFieldName: true }))
}

/** Bytes as latin1. */
async function bodyOf({ request }: HttpExchange): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('latin1')
}

/** What grpc-gateway passes on of a request's headers: its own prefix, the authorization, and what HTTP itself defines. */
function callOf({ request, response, caller }: HttpExchange, commonName: string | undefined): Call {
  const { headers } = request
  const header = (name: string): string | undefined => {
    const value = headers[name]
    return Array.isArray(value) ? value[0] : value
  }
  const { local, remote, identity, serial } = caller
  return {
    caller: {
      local,
      remote,
      ...(identity === undefined ? {} : { identity }),
      ...(serial === undefined ? {} : { serial }),
      ...(commonName === undefined ? {} : { commonName }),
    },
    metadata: (name) =>
      header(`grpc-metadata-${name}`) ??
      (name === 'authorization' ? header(name) : undefined) ??
      (name.startsWith('grpcgateway-') ? header(name.slice('grpcgateway-'.length)) : undefined),
    onGone: (listener) => response.once('close', listener),
  }
}

/** The head of the gRPC answer, as headers; over TLS the member's HTTP handler had its say in it. */
function metadata({ response, isSecure }: HttpExchange): void {
  if (isSecure) {
    for (const name of response.getHeaderNames().filter((each) => each.startsWith('access-control-')))
      response.setHeader(`grpc-metadata-${name}`, String(response.getHeader(name)))
    response.setHeader('grpc-metadata-trailer', 'Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin')
  }
  response.setHeader('grpc-metadata-content-type', 'application/grpc')
}

function refuse(exchange: HttpExchange, { code, message }: GrpcError): void {
  if (code === 'Unauthenticated') exchange.response.setHeader('www-authenticate', message)
  sendJson(exchange, HTTP_STATUS[code], JSON.stringify({ code: GRPC_CODES[code], message }))
}

function sendJson({ request, response }: HttpExchange, status: number, text: string): void {
  response.statusCode = status
  response.setHeader('content-type', 'application/json')
  response.setHeader('content-length', Buffer.byteLength(text))
  response.end(request.method === 'HEAD' ? undefined : text)
}
