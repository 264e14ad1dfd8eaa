/**
 * Remote commands over WebSocket, both ends, and the one door to ws. Binary messages whose first byte names a channel:
 * apimachinery/pkg/util/remotecommand/constants.go, KEP-4006. A container's streams end with a Status on channel 3.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer, type RawData } from 'ws'

const STDIN = 0
const STDOUT = 1
const STDERR = 2
const ERROR = 3
/** v5 only: `[255, channel]` closes a channel; of channel 0 it is stdin's end. */
const CLOSE = 255

/** In the server's order of preference; '' is a client that named none, and means v1. */
const PROTOCOLS = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
  '',
] as const

export type ExecProtocol = (typeof PROTOCOLS)[number]

/** metav1.Status as a container's end has it. */
export interface ExecStatus {
  metadata?: object
  status: 'Success' | 'Failure'
  message?: string
  reason?: string
  details?: { causes?: { reason?: string; message?: string }[] }
  code?: number
}

export interface ExecSession {
  readonly protocol: ExecProtocol
  /** What the client types, until it says that it is over (v5) or leaves. */
  readonly stdin: AsyncIterable<Buffer>
  write(stream: 'stdout' | 'stderr', bytes: Buffer): void
  /** Sends the Status and closes with 1000. */
  end(status: ExecStatus): void
  /** Aborted once the client is gone. */
  readonly signal: AbortSignal
}

/** What a container writes at once comes in pieces of this size at most. */
const PIECE = 32 * 1024

/** Why an upgrade is refused, as an HTTP answer; undefined where it is taken. */
export function refuseWebSocket(
  request: IncomingMessage,
): { status: number; headers: string[]; body: string } | undefined {
  if (request.headers['sec-websocket-version'] !== '13') {
    return { status: 400, headers: ['Sec-WebSocket-Version: 13'], body: 'missing or bad WebSocket Version' }
  }
  return negotiate(request) === undefined ? { status: 403, headers: [], body: '' } : undefined
}

function negotiate(request: IncomingMessage): ExecProtocol | undefined {
  const offered = (request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => !each.startsWith('base64url.bearer.authorization.k8s.io.'))
  return PROTOCOLS.find((protocol) => offered.includes(protocol)) ?? (offered.length === 0 ? '' : undefined)
}

const server = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  handleProtocols: (_offered, request) => negotiate(request) || false,
})

/** Takes an upgrade that refuseWebSocket let pass. The first frame is an empty one on channel 1, as kubelets send it. */
export function acceptExec(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  onSession: (session: ExecSession) => void,
): void {
  server.handleUpgrade(request, socket, head, (webSocket) => {
    const protocol = negotiate(request) ?? ''
    onSession(new ServerSession(webSocket, protocol))
  })
}

class ServerSession implements ExecSession {
  readonly protocol: ExecProtocol
  readonly stdin: ByteQueue
  readonly #webSocket: WebSocket
  readonly #gone = new AbortController()

  constructor(webSocket: WebSocket, protocol: ExecProtocol) {
    this.protocol = protocol
    this.stdin = new ByteQueue()
    this.#webSocket = webSocket
    webSocket.on('message', (data) => this.#take(bytesOf(data)))
    webSocket.on('error', () => webSocket.terminate())
    webSocket.on('close', () => {
      this.stdin.end()
      this.#gone.abort()
    })
    this.#send(STDOUT, Buffer.alloc(0))
  }

  get signal(): AbortSignal {
    return this.#gone.signal
  }

  write(stream: 'stdout' | 'stderr', bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += PIECE) {
      this.#send(stream === 'stdout' ? STDOUT : STDERR, bytes.subarray(at, at + PIECE))
    }
  }

  end(status: ExecStatus): void {
    if (this.protocol.startsWith('v')) this.#send(ERROR, Buffer.from(JSON.stringify(status)))
    // before v4 there is no Status, only an error's text
    else if (status.status === 'Failure') this.#send(ERROR, Buffer.from(status.message ?? ''))
    this.#webSocket.close(1000)
  }

  /** Channels that a client has no business on are ignored, as are resizes: there is no terminal. */
  #take(message: Buffer): void {
    if (this.protocol.includes('base64')) {
      const text = message.toString('latin1')
      if (text.startsWith(String(STDIN))) this.stdin.push(Buffer.from(text.slice(1), 'base64'))
    } else if (message[0] === STDIN) this.stdin.push(message.subarray(1))
    else if (message[0] === CLOSE && message[1] === STDIN && this.protocol === 'v5.channel.k8s.io') this.stdin.end()
  }

  #send(channel: number, bytes: Buffer): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return
    if (this.protocol.includes('base64')) this.#webSocket.send(`${channel}${bytes.toString('base64')}`)
    else this.#webSocket.send(Buffer.concat([Buffer.from([channel]), bytes]))
  }
}

/** Bytes that one side pushes and the other awaits. */
export class ByteQueue implements AsyncIterable<Buffer> {
  readonly #pieces: Buffer[] = []
  #ended = false
  #wake: (() => void) | undefined

  push(bytes: Buffer): void {
    if (this.#ended || bytes.length === 0) return
    this.#pieces.push(bytes)
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const piece = this.#pieces.shift()
      if (piece) yield piece
      else if (this.#ended) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

export interface ExecCall {
  /** Connected and verified already. */
  socket: Duplex
  /** `Host` header. */
  host: string
  path: string
  headers?: Readonly<Record<string, string>>
  /** Typed at once, then stdin is closed (v5). */
  stdin?: string | Uint8Array
  protocols?: readonly string[]
  timeoutMs?: number
  /** Each piece as it comes. */
  onBytes?: (stream: 'stdout' | 'stderr', bytes: Buffer) => void
}

export interface ExecResult {
  stdout: Buffer
  stderr: Buffer
  /** Undefined where the connection ended without one. */
  status: ExecStatus | undefined
  protocol: string
}

/** Any answer but 101. */
export class ExecRefused extends Error {
  override readonly name = 'ExecRefused'
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string

  constructor(status: number, headers: IncomingMessage['headers'], body: string) {
    super(`${status} ${body.trim()}`)
    this.status = status
    this.headers = headers
    this.body = body
  }
}

const EXEC_TIMEOUT_MS = 30_000

/** Runs a command to its end. Rejects with ExecRefused, or with the socket's error. */
export function execOverWebSocket(call: ExecCall): Promise<ExecResult> {
  const { socket, path, host, onBytes } = call
  const webSocket = new WebSocket(`ws://${host}${path}`, [...(call.protocols ?? ['v5.channel.k8s.io'])], {
    perMessageDeflate: false,
    headers: { ...call.headers },
    handshakeTimeout: call.timeoutMs ?? EXEC_TIMEOUT_MS,
    createConnection: () => socket,
  })
  return new Promise((resolve, reject) => {
    const streams = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
    let status: ExecStatus | undefined
    const timer = setTimeout(() => {
      reject(new Error(`[exec_timeout] ${path}: no end within ${call.timeoutMs ?? EXEC_TIMEOUT_MS} ms`))
      webSocket.terminate()
    }, call.timeoutMs ?? EXEC_TIMEOUT_MS)
    const take = (stream: 'stdout' | 'stderr', bytes: Buffer): void => {
      if (bytes.length === 0) return
      streams[stream].push(bytes)
      onBytes?.(stream, bytes)
    }
    webSocket.on('open', () => {
      if (call.stdin === undefined) return
      webSocket.send(Buffer.concat([Buffer.from([STDIN]), Buffer.from(call.stdin as string)]))
      if (webSocket.protocol === 'v5.channel.k8s.io') webSocket.send(Buffer.from([CLOSE, STDIN]))
    })
    webSocket.on('message', (data) => {
      const message = bytesOf(data)
      if (message[0] === STDOUT) take('stdout', message.subarray(1))
      else if (message[0] === STDERR) take('stderr', message.subarray(1))
      else if (message[0] === ERROR) status = parseStatus(message.subarray(1).toString('utf8'))
    })
    webSocket.on('unexpected-response', (_request, response) => {
      const body: Buffer[] = []
      const refuse = (): void => {
        clearTimeout(timer)
        reject(new ExecRefused(response.statusCode ?? 0, response.headers, Buffer.concat(body).toString('utf8')))
        socket.destroy()
      }
      response.on('data', (piece: Buffer) => body.push(piece))
      response.on('end', refuse)
      response.on('error', refuse)
    })
    webSocket.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    webSocket.on('close', () => {
      clearTimeout(timer)
      const { stdout, stderr } = streams
      resolve({ stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr), status, protocol: webSocket.protocol })
    })
  })
}

function parseStatus(text: string): ExecStatus {
  try {
    return JSON.parse(text) as ExecStatus
  } catch {
    return { status: 'Failure', message: text }
  }
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data)
  return Buffer.isBuffer(data) ? data : Buffer.from(data)
}
