/**
 * Port-forward, the server's end: over SPDY a pair of streams per connection, over WebSocket a pair of channels per port.
 * cri-streaming's portforward/{httpstream,websocket}.go.
 */
import type { Duplex } from 'node:stream'
import { ByteQueue } from './byte-queue.ts'
import { SpdySession, type SpdyStream } from './spdy-session.ts'
import { bytesOf, WebSocket } from './websocket.ts'

export const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io'
/** SPDY in the binary messages of a WebSocket (KEP-4006). */
export const PORT_FORWARD_TUNNEL = 'SPDY/3.1+portforward.k8s.io'
/** In the server's order of preference; '' is a client that named none. */
export const PORT_FORWARD_WEBSOCKET_PROTOCOLS = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io', ''] as const

/** A connection to a port of a Pod, as its client sees it. */
export interface PortConnection {
  /** What the Pod says. */
  output: AsyncIterable<Buffer>
  write(bytes: Buffer): void
  /** The client has said all. */
  end(): void
  destroy(): void
}

/** Rejects with an Error whose message the client is told. */
export type ConnectPort = (port: number) => Promise<PortConnection>

const MOST_PORT = 65_535
/** How long half a pair is waited for (cri-streaming's DefaultStreamCreationTimeout). */
const PAIR_TIMEOUT_MS = 30_000

interface Pair {
  error?: SpdyStream
  data?: SpdyStream
  timer: NodeJS.Timeout
}

export function servePortForward(transport: Duplex, connect: ConnectPort): void {
  const pairs = new Map<string, Pair>()
  const session: SpdySession = new SpdySession(transport, {
    role: 'server',
    onStream: (stream) => {
      const type = stream.headers.get('streamtype')
      const port = portOf(stream.headers.get('port'))
      if ((type !== 'error' && type !== 'data') || port === undefined) return stream.reset()
      stream.reply()
      const id = stream.headers.get('requestid') ?? pairOf(stream.id, type)
      const pair = pairs.get(id) ?? { timer: setTimeout(() => forget(id), PAIR_TIMEOUT_MS).unref() }
      pairs.set(id, pair)
      pair[type] = stream
      if (!pair.error || !pair.data) return
      clearTimeout(pair.timer)
      pairs.delete(id)
      void forward(pair.error, pair.data, port, connect, session.signal)
    },
  })
  const forget = (id: string): void => {
    const { error, data } = pairs.get(id) ?? {}
    pairs.delete(id)
    error?.reset()
    data?.reset()
  }
}

/** Clients of before `requestid` open the error stream just before the data stream. */
function pairOf(streamId: number, type: 'error' | 'data'): string {
  return String(type === 'error' ? streamId : streamId - 2)
}

function portOf(text: string | undefined): number | undefined {
  const port = text !== undefined && /^\d+$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= MOST_PORT ? port : undefined
}

async function forward(
  error: SpdyStream,
  data: SpdyStream,
  port: number,
  connect: ConnectPort,
  signal: AbortSignal,
): Promise<void> {
  let connection
  try {
    connection = await connect(port)
  } catch (failure) {
    error.write(Buffer.from((failure as Error).message))
    data.reset()
    error.reset()
    return
  }
  const { output } = connection
  const destroy = (): void => connection.destroy()
  signal.addEventListener('abort', destroy, { once: true })
  void typed(data.input, connection)
  for await (const bytes of output) data.write(bytes)
  signal.removeEventListener('abort', destroy)
  error.end()
  data.end()
}

async function typed(input: AsyncIterable<Buffer>, connection: PortConnection): Promise<void> {
  for await (const bytes of input) connection.write(bytes)
  connection.end()
}

/** Channel 2n carries the n-th port's bytes, channel 2n+1 its error; each opens with the port, two bytes, little endian. */
export function serveWebSocketPortForward(
  webSocket: WebSocket,
  isBase64: boolean,
  ports: readonly number[],
  connect: ConnectPort,
): void {
  const send = (channel: number, bytes: Buffer): void => {
    if (webSocket.readyState !== WebSocket.OPEN) return
    if (isBase64) webSocket.send(`${channel}${bytes.toString('base64')}`)
    else webSocket.send(Buffer.concat([Buffer.from([channel]), bytes]))
  }
  const inputs = ports.map((port, index) => {
    const opening = Buffer.alloc(2)
    opening.writeUInt16LE(port)
    send(2 * index, opening)
    send(2 * index + 1, opening)
    return new ByteQueue()
  })
  webSocket.on('error', () => webSocket.terminate())
  webSocket.on('message', (data) => {
    const message = bytesOf(data)
    const channel = isBase64 ? Number(String.fromCharCode(message[0] ?? 0)) : (message[0] ?? 1)
    const bytes = isBase64 ? Buffer.from(message.subarray(1).toString('latin1'), 'base64') : message.subarray(1)
    if (channel % 2 === 0) inputs[channel / 2]?.push(bytes)
  })
  const connections = new Set<PortConnection>()
  webSocket.on('close', () => {
    for (const input of inputs) input.end()
    for (const connection of connections) connection.destroy()
  })
  const forwarded = ports.map(async (port, index) => {
    try {
      const connection = await connect(port)
      connections.add(connection)
      void typed(inputs[index]!, connection)
      for await (const bytes of connection.output) send(2 * index, bytes)
    } catch (failure) {
      send(2 * index + 1, Buffer.from((failure as Error).message))
    }
  })
  void Promise.all(forwarded).then(() => webSocket.close(1000))
}
