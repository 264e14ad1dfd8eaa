/**
 * Remote commands over WebSocket, both ends. Binary messages whose first byte names a channel:
 * apimachinery/pkg/util/remotecommand/constants.go, KEP-4006. A container's streams end with a Status on channel 3.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { ByteQueue } from './byte-queue.ts'
import {
  endText,
  parseExecStatus,
  PIECE,
  SizeReader,
  type ExecProtocol,
  type ExecSession,
  type ExecStatus,
  type TerminalSize,
} from './exec-session.ts'
import { acceptWebSocket, bytesOf, offeredProtocols, WebSocket } from './websocket.ts'

export type { ExecProtocol, ExecSession, ExecStatus } from './exec-session.ts'

const STDIN = 0
const STDOUT = 1
const STDERR = 2
const ERROR = 3
const RESIZE = 4
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
] as const satisfies readonly ExecProtocol[]

/** What both ends understand; undefined: nothing of what is offered. */
export function execProtocol(request: IncomingMessage): ExecProtocol | undefined {
  const offered = offeredProtocols(request)
  return PROTOCOLS.find((protocol) => offered.includes(protocol)) ?? (offered.length === 0 ? '' : undefined)
}

/** Takes an upgrade that was not refused. The first frame is an empty one on channel 1, as kubelets send it. */
export function acceptExec(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  onSession: (session: ExecSession) => void,
): void {
  const protocol = execProtocol(request) ?? ''
  // asked for nothing, a kubelet names nothing, but with the header
  acceptWebSocket(request, socket, head, protocol, (webSocket) => onSession(new ServerSession(webSocket, protocol)))
}

class ServerSession implements ExecSession {
  readonly protocol: ExecProtocol
  readonly stdin: ByteQueue
  readonly #webSocket: WebSocket
  readonly #gone = new AbortController()
  readonly #sizes = new SizeReader()

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
    const text = endText(this.protocol, status)
    if (text !== undefined) this.#send(ERROR, Buffer.from(text))
    this.#webSocket.close(1000)
  }

  onResize(listener: (size: TerminalSize) => void): void {
    this.#sizes.listen(listener)
  }

  /** Channels that a client has no business on are ignored. */
  #take(message: Buffer): void {
    if (this.protocol.includes('base64')) {
      const text = message.toString('latin1')
      if (text.startsWith(String(STDIN))) this.stdin.push(Buffer.from(text.slice(1), 'base64'))
      else if (text.startsWith(String(RESIZE))) this.#sizes.push(Buffer.from(text.slice(1), 'base64'))
    } else if (message[0] === STDIN) this.stdin.push(message.subarray(1))
    else if (message[0] === RESIZE) this.#sizes.push(message.subarray(1))
    else if (message[0] === CLOSE && message[1] === STDIN && this.protocol === 'v5.channel.k8s.io') this.stdin.end()
  }

  #send(channel: number, bytes: Buffer): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return
    if (this.protocol.includes('base64')) this.#webSocket.send(`${channel}${bytes.toString('base64')}`)
    else this.#webSocket.send(Buffer.concat([Buffer.from([channel]), bytes]))
  }
}

export interface ExecCall {
  /** Connected and verified already. */
  socket: Duplex
  /** `Host` header. */
  host: string
  path: string
  headers?: Readonly<Record<string, string>>
  /** Typed at once, or piece by piece as a person does: the next when something has come back. Then stdin is closed (v5). */
  stdin?: string | Uint8Array | readonly string[]
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

function isPieces(stdin: string | Uint8Array | readonly string[]): stdin is readonly string[] {
  return Array.isArray(stdin)
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
    const { stdin } = call
    const left = stdin === undefined ? [] : isPieces(stdin) ? [...stdin] : [stdin]
    let isTyping = stdin !== undefined
    const typeNext = (): void => {
      const piece = left.shift()
      if (piece !== undefined) webSocket.send(Buffer.concat([Buffer.from([STDIN]), Buffer.from(piece as string)]))
      if (left.length > 0 || !isTyping) return
      isTyping = false
      if (webSocket.protocol === 'v5.channel.k8s.io') webSocket.send(Buffer.from([CLOSE, STDIN]))
    }
    const timer = setTimeout(() => {
      reject(new Error(`[exec_timeout] ${path}: no end within ${call.timeoutMs ?? EXEC_TIMEOUT_MS} ms`))
      webSocket.terminate()
    }, call.timeoutMs ?? EXEC_TIMEOUT_MS)
    const take = (stream: 'stdout' | 'stderr', bytes: Buffer): void => {
      if (bytes.length === 0) return
      streams[stream].push(bytes)
      onBytes?.(stream, bytes)
      if (isTyping) typeNext()
    }
    webSocket.on('open', () => (isTyping ? typeNext() : undefined))
    webSocket.on('message', (data) => {
      const message = bytesOf(data)
      if (message[0] === STDOUT) take('stdout', message.subarray(1))
      else if (message[0] === STDERR) take('stderr', message.subarray(1))
      else if (message[0] === ERROR) status = parseExecStatus(message.subarray(1).toString('utf8'))
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
