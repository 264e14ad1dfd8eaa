/** Answers HTTP/1.1 in a server's place, WebSocket upgrades included, and notes what it is told. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { FrameReader, messagesOf, OPCODE, serverFrame, type Frame } from './websocket-frames.ts'

export interface HttpQuestion {
  method: string
  /** With its query. */
  path: string
  headers: IncomingHttpHeaders
  body: Buffer
}

export interface HttpReply {
  status: number
  headers?: Record<string, string>
  body?: string | Buffer
}

/** An upgraded connection, from the server's end. */
export interface WebSocketSession {
  path: string
  headers: IncomingHttpHeaders
  /** The subprotocol that was agreed on: the first one offered. */
  protocol: string | undefined
  send(payload: Buffer): void
  close(): void
}

export interface HttpAnswers {
  request: (question: HttpQuestion) => HttpReply | Promise<HttpReply>
  webSocket?: {
    open?: (session: WebSocketSession) => void
    /** A whole message, as it was sent: with Kubernetes' channels its first byte is the channel. */
    message: (session: WebSocketSession, message: Buffer) => void
    closed?: (session: WebSocketSession) => void
  }
}

/** RFC 6455 section 1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** A longer body, or a longer frame, ends the connection: what is noted of it stays bounded. */
const LARGEST_MESSAGE_BYTES = 16 * 1024 * 1024

/** Takes over a connection that a client believes to lead to its server. */
export function answerHttp(answers: HttpAnswers): (socket: Duplex) => void {
  const server = createServer((request, response) => {
    readBody(request)
      .then(async (body) => {
        const reply = await answers.request({ ...lineOf(request), body })
        response.writeHead(reply.status, reply.headers).end(reply.body ?? '')
      })
      // A request that was read to its end is destroyed already; its connection is not.
      .catch(() => request.socket.destroy())
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, first: Buffer) => {
    const key = request.headers['sec-websocket-key']
    if (answers.webSocket === undefined || key === undefined) socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    else upgrade(request, key, socket, first, answers.webSocket)
  })
  return (socket) => {
    socket.on('error', () => {})
    server.emit('connection', socket)
  }
}

function upgrade(
  request: IncomingMessage,
  key: string,
  socket: Duplex,
  first: Buffer,
  answers: NonNullable<HttpAnswers['webSocket']>,
): void {
  const protocol = request.headers['sec-websocket-protocol']?.split(',')[0]?.trim()
  const accept = createHash('sha1').update(`${key}${WEBSOCKET_GUID}`).digest('base64')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n` +
      `${protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${protocol}\r\n`}\r\n`,
  )
  const { path, headers } = lineOf(request)
  const session: WebSocketSession = {
    path,
    headers,
    protocol,
    send: (payload) => void (socket.writable && socket.write(serverFrame(OPCODE.binary, payload))),
    close: () => void (socket.writable && socket.end(serverFrame(OPCODE.close, Buffer.from([0x03, 0xe8])))),
  }
  const reader = new FrameReader()
  let parts: Frame[] = []
  const take = (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) {
      if (frame.opcode === OPCODE.ping) socket.write(serverFrame(OPCODE.pong, frame.payload))
      else if (frame.opcode === OPCODE.close) session.close()
      else if (frame.opcode <= OPCODE.binary) {
        parts.push(frame)
        if (!frame.fin) continue
        for (const message of messagesOf(parts)) answers.message(session, message)
        parts = []
      }
    }
    const pending = parts.reduce((sum, { payload }) => sum + payload.length, reader.pendingBytes)
    if (pending > LARGEST_MESSAGE_BYTES) socket.destroy()
  }
  answers.open?.(session)
  socket.on('data', take)
  socket.once('close', () => answers.closed?.(session))
  socket.once('end', () => socket.end())
  if (first.length > 0) take(first)
}

function lineOf(request: IncomingMessage): Omit<HttpQuestion, 'body'> {
  return { method: request.method ?? '', path: request.url ?? '', headers: request.headers }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue
    bytes += chunk.length
    if (bytes > LARGEST_MESSAGE_BYTES) throw new RangeError('[body_too_long] request: its body is beyond 16 MiB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
