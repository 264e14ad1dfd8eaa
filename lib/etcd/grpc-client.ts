/** gRPC calls over one HTTP/2 session at a time, to the first endpoint that answers. */
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf'
import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { Socket } from 'node:net'
import { MAX_SESSION_MEMORY_MB } from '../settings/http2-memory.ts'
import { dialTls, lastRefusal } from '../tls/dial.ts'
import type { KeyPair } from '../tls/listen.ts'
import { dialPlain, endsOf } from '../tls/plain.ts'
import type { TlsPolicy } from '../tls/policy.ts'
import { Refusal, refusalOf } from '../tls/refusal.ts'
import { GrpcFrameReader, grpcFrame } from './grpc-frame.ts'
import { decodeGrpcMessage, GrpcError, grpcCodeName } from './grpc-status.ts'

export interface GrpcClientOptions {
  /** `https://192.0.2.21:2379`, in order of preference. */
  endpoints: readonly string[]
  localAddress?: string
  /** PEM bundle that verifies the servers. */
  caPem?: () => string | undefined
  keyPair?: () => KeyPair | undefined
  insecureSkipVerify?: boolean
  policy?: TlsPolicy
  /** For a unary call. */
  timeoutMs?: number
  /** Called with the bytes of each message that crossed: for witnesses. */
  onMessage?: (bytes: Uint8Array, ends: { local: string; remote: string }) => void
  /** Called for each connection that was refused, by either end. */
  onRefusal?: (refusal: Refusal) => void
}

interface Link {
  session: ClientHttp2Session
  socket: Socket
  ends: { local: string; remote: string }
}

const CALL_TIMEOUT_MS = 5000

export class GrpcClient {
  readonly #options: GrpcClientOptions
  #link: Link | undefined
  #dialling: Promise<Link> | undefined
  #first = 0
  #closed = false

  constructor(options: GrpcClientOptions) {
    this.#options = options
  }

  /** @throws GrpcError for the server's answer, Refusal where the connection was refused. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethod & { input: I; output: O },
    message: MessageInitShape<I>,
    metadata: OutgoingHttpHeaders = {},
  ): Promise<MessageShape<O>> {
    const link = await this.#connected()
    const stream = this.#request(link, method, metadata)
    const timeoutMs = this.#options.timeoutMs ?? CALL_TIMEOUT_MS
    const reader = new GrpcFrameReader()
    const bytes = toBinary(method.input, create(method.input, message))
    return new Promise((resolve, reject) => {
      let reply: Buffer | undefined
      const heardBefore = link.socket.bytesRead
      const timer = setTimeout(() => {
        stream.close(constants.NGHTTP2_CANCEL)
        // Not a byte in all that time: as clients find out by keep-alive pings, nobody is there any more.
        if (link.socket.bytesRead === heardBefore) link.session.destroy()
        reject(new GrpcError('DeadlineExceeded', 'context deadline exceeded'))
      }, timeoutMs)
      onEnd(stream, link, (error) => {
        clearTimeout(timer)
        if (error) return reject(error)
        if (!reply) return reject(new GrpcError('Internal', 'cardinality violation: received no response message'))
        resolve(fromBinary(method.output, reply))
      })
      stream.on('data', (chunk: Buffer) => {
        for (const whole of reader.push(chunk)) {
          reply = whole
          this.#options.onMessage?.(whole, link.ends)
        }
      })
      this.#options.onMessage?.(bytes, link.ends)
      stream.end(grpcFrame(bytes))
    })
  }

  /** A call that streams both ways. `onEnd` comes once, with undefined after an orderly end. */
  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethod & { input: I; output: O },
    listener: { message: (message: MessageShape<O>) => void; end: (error: Error | undefined) => void },
    metadata: OutgoingHttpHeaders = {},
  ): Promise<{ send: (message: MessageInitShape<I>) => void; end: () => void; cancel: () => void }> {
    const link = await this.#connected()
    const stream = this.#request(link, method, metadata)
    const reader = new GrpcFrameReader()
    onEnd(stream, link, listener.end)
    stream.on('data', (chunk: Buffer) => {
      for (const whole of reader.push(chunk)) {
        this.#options.onMessage?.(whole, link.ends)
        listener.message(fromBinary(method.output, whole))
      }
    })
    return {
      send: (message) => {
        const bytes = toBinary(method.input, create(method.input, message))
        this.#options.onMessage?.(bytes, link.ends)
        if (!stream.destroyed) stream.write(grpcFrame(bytes))
      },
      end: () => stream.end(),
      cancel: () => stream.close(constants.NGHTTP2_CANCEL),
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#link?.session.destroy()
    this.#link?.socket.destroy()
  }

  #request(link: Link, method: DescMethod, metadata: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = link.session.request({
      ':method': 'POST',
      ':path': `/${method.parent.typeName}/${method.name}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'grpc-node-mtls-range',
      ...metadata,
    })
    stream.on('error', () => {})
    return stream
  }

  async #connected(): Promise<Link> {
    if (this.#link && !this.#link.session.closed && !this.#link.session.destroyed) return this.#link
    this.#dialling ??= this.#dialAny().finally(() => (this.#dialling = undefined))
    return this.#dialling
  }

  /** Tries each endpoint once, beginning with the one that worked last. */
  async #dialAny(): Promise<Link> {
    const { endpoints } = this.#options
    let failure: unknown = new GrpcError('Unavailable', 'no endpoints')
    for (let tries = 0; tries < endpoints.length && !this.#closed; tries += 1) {
      const index = (this.#first + tries) % endpoints.length
      try {
        const link = await this.#dial(endpoints[index]!)
        this.#first = index
        this.#link = link
        return link
      } catch (error) {
        failure = error
        if (error instanceof Refusal) this.#options.onRefusal?.(error)
      }
    }
    throw failure
  }

  async #dial(endpoint: string): Promise<Link> {
    const url = new URL(endpoint)
    const address = url.hostname.replace(/^\[|\]$/g, '')
    const port = Number(url.port)
    const { localAddress, policy, insecureSkipVerify } = this.#options
    const place = { address, port, ...(localAddress ? { localAddress } : {}) }
    const caPem = this.#options.caPem?.()
    const keyPair = this.#options.keyPair?.()
    const socket =
      url.protocol === 'http:'
        ? await dialPlain(place)
        : await dialTls({
            ...place,
            serverName: address,
            alpn: ['h2'],
            ...(caPem === undefined ? {} : { caPem }),
            ...(keyPair ? { keyPair } : {}),
            ...(insecureSkipVerify ? { insecureSkipVerify } : {}),
            ...(policy ? { policy } : {}),
          })
    const session = connect(url.origin, { createConnection: () => socket, maxSessionMemory: MAX_SESSION_MEMORY_MB })
    const link = { session, socket, ends: endsOf(socket) }
    await new Promise<void>((resolve, reject) => {
      const lost = (error: Error): void => {
        clearTimeout(timer)
        session.destroy()
        reject(lastRefusal(socket) ?? refusalOf(error, { subject: endpoint }))
      }
      const timer = setTimeout(
        () => lost(new Error('context deadline exceeded')),
        this.#options.timeoutMs ?? CALL_TIMEOUT_MS,
      )
      session.once('error', lost)
      session.once('close', () => lost(new Error('EOF')))
      // An alert is the socket's error: the session hears of it late, or, where it came first, not at all.
      socket.once('error', lost)
      socket.once('close', () => lost(new Error('EOF')))
      if (socket.destroyed) lost(new Error('EOF'))
      // A server's settings are the first thing that proves it took us: at TLS 1.3 its refusal comes this late.
      session.once('remoteSettings', () => {
        clearTimeout(timer)
        resolve()
      })
    })
    session.on('error', () => {})
    session.on('goaway', () => session.close())
    return link
  }
}

/** Calls back once: without an error for status 0, with a GrpcError for another, with a Refusal for a lost connection. */
function onEnd(stream: ClientHttp2Stream, link: Link, callback: (error: Error | undefined) => void): void {
  let told = false
  const tell = (error: Error | undefined): void => {
    if (told) return
    told = true
    callback(error)
  }
  const status = (headers: Record<string, unknown>): GrpcError | undefined | null => {
    if (headers['grpc-status'] === undefined) return null
    const code = Number(headers['grpc-status'])
    return code === 0
      ? undefined
      : new GrpcError(grpcCodeName(code), decodeGrpcMessage(String(headers['grpc-message'] ?? '')))
  }
  let outcome: GrpcError | undefined | null = null
  stream.on('response', (headers) => {
    outcome = status(headers)
    if (outcome === null && headers[':status'] !== 200) {
      outcome = new GrpcError('Unknown', `unexpected HTTP status code received from server: ${headers[':status']}`)
    }
  })
  stream.on('trailers', (headers) => (outcome = status(headers)))
  stream.on('close', () => {
    if (outcome !== null) return tell(outcome)
    tell(lastRefusal(link.socket) ?? new GrpcError('Unavailable', 'error reading from server: EOF'))
  })
}
