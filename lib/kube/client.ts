/** A client of the Kubernetes API, and the one door to undici. Connections are dialled and verified by lib/tls. */
import { readFileSync, statSync } from 'node:fs'
import type { Client as UndiciClient, Dispatcher } from 'undici'
import methods from 'undici/lib/api/index.js'
import Client from 'undici/lib/dispatcher/client.js'
import { dialTls, lastRefusal } from '../tls/dial.ts'
import type { KeyPair } from '../tls/listen.ts'
import { dialPlain, endsOf } from '../tls/plain.ts'
import { refusalOf, type Refusal } from '../tls/refusal.ts'
import type { Socket } from 'node:net'
import type { Kubeconfig } from './kubeconfig.ts'
import type { KubeObject } from './object.ts'

export interface KubeClientOptions {
  kubeconfig: Kubeconfig
  /** Source address; the host's face. */
  localAddress?: string
  userAgent?: string
  timeoutMs?: number
  /** Called with whole bodies that crossed, and with pieces of a stream: for witnesses. */
  onBytes?: (bytes: string, ends: { local: string; remote: string }) => void
  /** Called for each connection that was refused, by either end. */
  onRefusal?: (refusal: Refusal) => void
  /** Called for each request that was answered. */
  onExchange?: (exchange: Exchange) => void
}

export interface Exchange {
  method: string
  path: string
  status: number
  /** `ip:port` of both ends of the connection that carried it. */
  local: string
  remote: string
}

export interface KubeRequest {
  method?: string
  path: string
  headers?: Record<string, string>
  /** An object is sent as JSON; a string or bytes as they are. */
  body?: unknown
  contentType?: string
}

export interface KubeReply {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  local: string
  remote: string
}

/** An answer of 400 and above, with the Status that came with it. */
export class StatusError extends Error {
  readonly status: number
  readonly reason: string
  readonly reply: KubeReply

  constructor(request: KubeRequest, reply: KubeReply) {
    const status = jsonOf(reply.text) as { message?: string; reason?: string } | undefined
    super(status?.message ?? `${request.method ?? 'GET'} ${request.path}: ${reply.status} ${reply.text.slice(0, 200)}`)
    this.status = reply.status
    this.reason = status?.reason ?? ''
    this.reply = reply
  }
}

// As undici's own index does, which would load everything else as well.
Object.assign(Client.prototype, methods)

const MOST_CONNECTIONS_IDLE_MS = 90_000
const REQUEST_TIMEOUT_MS = 30_000

export class KubeClient {
  readonly #options: KubeClientOptions
  readonly #base: URL
  /** One connection each, so that an answer's connection is known and no request waits for another. */
  readonly #clients = new Set<UndiciClient>()
  readonly #idle: UndiciClient[] = []
  readonly #ends = new WeakMap<
    UndiciClient,
    { local: string; remote: string; socket: Socket; keyPair: KeyPair | undefined }
  >()
  #closed = false

  constructor(options: KubeClientOptions) {
    this.#options = options
    this.#base = new URL(options.kubeconfig.cluster.server)
  }

  get server(): string {
    return this.#options.kubeconfig.cluster.server
  }

  /** One request; any status is an answer. Rejects with a Refusal where no answer came. */
  async request(request: KubeRequest): Promise<KubeReply> {
    const { client, isUsed } = this.#take()
    try {
      const answer = await client.request(this.#dispatch(request))
      const text = await answer.body.text()
      const reply = { status: answer.statusCode, headers: answer.headers, text, ...this.#endsOf(client) }
      this.#idle.push(client)
      this.#options.onBytes?.(text, reply)
      if (typeof request.body === 'object') this.#options.onBytes?.(JSON.stringify(request.body), reply)
      this.#note(request, reply)
      return reply
    } catch (error) {
      const refusal = this.#refusal(client, error)
      this.#drop(client)
      // a kept connection that the server closed meanwhile says nothing about the server
      if (isUsed && (request.method ?? 'GET') === 'GET' && refusal.layer === undefined) return this.request(request)
      throw refusal
    }
  }

  /** Parsed JSON of a good answer. @throws StatusError for 400 and above. */
  async json(request: KubeRequest): Promise<unknown> {
    const reply = await this.request(request)
    if (reply.status >= 400) throw new StatusError(request, reply)
    return jsonOf(reply.text)
  }

  get(path: string): Promise<KubeObject> {
    return this.json({ path }) as Promise<KubeObject>
  }

  create(path: string, object: object): Promise<KubeObject> {
    return this.json({ method: 'POST', path, body: object }) as Promise<KubeObject>
  }

  update(path: string, object: object): Promise<KubeObject> {
    return this.json({ method: 'PUT', path, body: object }) as Promise<KubeObject>
  }

  patch(path: string, patch: object, contentType = 'application/merge-patch+json'): Promise<KubeObject> {
    return this.json({ method: 'PATCH', path, body: patch, contentType }) as Promise<KubeObject>
  }

  delete(path: string, options?: object): Promise<KubeObject> {
    return this.json({ method: 'DELETE', path, ...(options ? { body: options } : {}) }) as Promise<KubeObject>
  }

  /** A long answer, piece by piece, on a connection of its own. @throws StatusError for 400 and above. */
  async *stream(request: KubeRequest, signal?: AbortSignal): AsyncGenerator<string> {
    const client = this.#open()
    const abort = (): void => this.#drop(client)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      const answer = await client.request({ ...this.#dispatch(request), bodyTimeout: 0 })
      const ends = this.#endsOf(client)
      if (answer.statusCode >= 400) {
        const text = await answer.body.text()
        throw new StatusError(request, { status: answer.statusCode, headers: answer.headers, text, ...ends })
      }
      this.#note(request, { status: answer.statusCode, ...ends })
      const decoder = new TextDecoder()
      for await (const chunk of answer.body) {
        const piece = decoder.decode(chunk as Uint8Array, { stream: true })
        this.#options.onBytes?.(piece, ends)
        if (piece !== '') yield piece
      }
    } catch (error) {
      if (signal?.aborted || this.#closed) return
      throw error instanceof StatusError ? error : this.#refusal(client, error)
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#drop(client)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#idle.length = 0
    await Promise.all([...this.#clients].map((client) => client.destroy().catch(() => {})))
  }

  /** A connection to the server of the kubeconfig, verified as it says. Rejects with a Refusal. */
  async connect(alpn: readonly string[] = ['http/1.1']): Promise<Socket> {
    const { cluster } = this.#options.kubeconfig
    const address = this.#base.hostname.replace(/^\[|\]$/g, '')
    const place = this.#options.localAddress ? { localAddress: this.#options.localAddress } : {}
    if (this.#base.protocol === 'http:') return dialPlain({ address, port: Number(this.#base.port || 80), ...place })
    const keyPair = this.#keyPair()
    return dialTls({
      address,
      port: Number(this.#base.port || 443),
      serverName: cluster.tlsServerName ?? address,
      insecureSkipVerify: cluster.insecureSkipTlsVerify,
      ...(cluster.certificateAuthorityData ? { caPem: cluster.certificateAuthorityData } : {}),
      ...(keyPair ? { keyPair } : {}),
      alpn,
      ...place,
    })
  }

  /** Headers that identify the client: a bearer token where it has one, also beside a certificate, as client-go sends both. */
  identity(): Record<string, string> {
    const { token, tokenFile } = this.#options.kubeconfig.user
    const bearer = token ?? (tokenFile === undefined ? undefined : readFileSync(tokenFile, 'utf8').trim())
    return bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }
  }

  /** An idle connection that still shows the certificate of this moment, or a new one. */
  #take(): { client: UndiciClient; isUsed: boolean } {
    for (let client = this.#idle.pop(); client; client = this.#idle.pop()) {
      const shown = this.#ends.get(client)?.keyPair
      const current = this.#keyPair()
      if (shown?.cert === current?.cert && shown?.key === current?.key) return { client, isUsed: true }
      this.#drop(client)
    }
    return { client: this.#open(), isUsed: false }
  }

  /** The client certificate of this moment: files that are rotated are read again when they change. */
  #keyPair(): KeyPair | undefined {
    const { user } = this.#options.kubeconfig
    const cert = fresh(user.clientCertificateFile) ?? user.clientCertificateData
    const key = fresh(user.clientKeyFile) ?? user.clientKeyData
    return cert && key ? { cert, key } : undefined
  }

  #drop(client: UndiciClient): void {
    this.#clients.delete(client)
    client.destroy().catch(() => {})
  }

  #open(): UndiciClient {
    const client: UndiciClient = new Client(this.#base.origin, {
      pipelining: 1,
      keepAliveTimeout: MOST_CONNECTIONS_IDLE_MS,
      headersTimeout: this.#options.timeoutMs ?? REQUEST_TIMEOUT_MS,
      connect: (_options, callback) => {
        this.#ends.delete(client)
        this.#connect(client).then(
          (socket) => callback(null, socket),
          (error: Error) => callback(error, null),
        )
      },
    })
    this.#clients.add(client)
    return client
  }

  async #connect(client: UndiciClient): Promise<Socket> {
    const keyPair = this.#keyPair()
    const socket = await this.connect()
    this.#ends.set(client, { ...endsOf(socket), socket, keyPair })
    return socket
  }

  #dispatch(request: KubeRequest): Dispatcher.RequestOptions {
    const { body } = request
    const isRaw = body === undefined || typeof body === 'string' || body instanceof Uint8Array
    return {
      origin: this.#base.origin,
      method: (request.method ?? 'GET') as Dispatcher.HttpMethod,
      path: this.#base.pathname.replace(/\/$/, '') + request.path,
      headers: {
        accept: 'application/json',
        'user-agent': this.#options.userAgent ?? 'mtls-range',
        ...(body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
        ...this.identity(),
        ...request.headers,
      },
      ...(body === undefined ? {} : { body: isRaw ? (body as string | Uint8Array) : JSON.stringify(body) }),
    }
  }

  #endsOf(client: UndiciClient): { local: string; remote: string } {
    const ends = this.#ends.get(client)
    return { local: ends?.local ?? '', remote: ends?.remote ?? '' }
  }

  #note(request: KubeRequest, answer: { status: number; local: string; remote: string }): void {
    const { status, local, remote } = answer
    this.#options.onExchange?.({ method: request.method ?? 'GET', path: request.path, status, local, remote })
  }

  /** undici hides an alert that comes after a TLS 1.3 handshake behind `other side closed`; the socket knows it. */
  #refusal(client: UndiciClient, error: unknown): Refusal {
    const socket = this.#ends.get(client)?.socket
    const refusal = (socket && lastRefusal(socket)) ?? refusalOf(error, { subject: this.server })
    this.#options.onRefusal?.(refusal)
    return refusal
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const filesRead = new Map<string, { modifiedMs: number; text: string }>()

/** A file's text; what was last read of one that is gone or cannot be read, as client-go keeps a certificate it once had. */
function fresh(file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  const known = filesRead.get(file)
  try {
    const modifiedMs = statSync(file).mtimeMs
    if (known?.modifiedMs === modifiedMs) return known.text
    const text = readFileSync(file, 'utf8')
    filesRead.set(file, { modifiedMs, text })
    return text
  } catch {
    return known?.text
  }
}
