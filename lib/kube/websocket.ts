/** The server's end of a WebSocket with a subprotocol that was chosen already, and the one door to ws. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocket, WebSocketServer, type RawData } from 'ws'

export { WebSocket }

const server = new WebSocketServer({ noServer: true, perMessageDeflate: false })
/** Undefined: none is named in the answer. */
const chosen = new WeakMap<IncomingMessage, string | undefined>()

server.on('headers', (headers, request) => {
  const protocol = chosen.get(request)
  if (protocol !== undefined) headers.push(`Sec-WebSocket-Protocol: ${protocol}`)
})

/**
 * Answers 101 and takes the connection. The subprotocol is written by hand, as ws takes `SPDY/3.1+portforward.k8s.io`, which holds
 * a slash, for a malformed request.
 */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocol: string | undefined,
  onOpen: (webSocket: WebSocket) => void,
): void {
  delete request.headers['sec-websocket-protocol']
  chosen.set(request, protocol)
  server.handleUpgrade(request, socket, head, onOpen)
}

/** The bytes of binary messages, as one connection: what a tunnel carries. */
export function webSocketStream(webSocket: WebSocket): Duplex {
  return createWebSocketStream(webSocket)
}

/** What a client offers, without the bearer token that it may have put there. */
export function offeredProtocols({ headers }: IncomingMessage): string[] {
  return (headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '' && !each.startsWith('base64url.bearer.authorization.k8s.io.'))
}

/** Why an upgrade is refused, as an HTTP answer; undefined where it is taken. `protocol` is what was agreed upon, if anything. */
export function refuseWebSocket(
  request: IncomingMessage,
  protocol: string | undefined,
): { status: number; headers: string[]; body: string } | undefined {
  if (request.headers['sec-websocket-version'] !== '13') {
    return { status: 400, headers: ['Sec-WebSocket-Version: 13'], body: 'missing or bad WebSocket Version' }
  }
  return protocol === undefined ? { status: 403, headers: [], body: '' } : undefined
}

export function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data)
  return Buffer.isBuffer(data) ? data : Buffer.from(data)
}
