/** What the protocols on a recorded connection carry, unwrapped: bodies, messages, channels. Pure. */
import { constants, gunzipSync } from 'node:zlib'
import { grpcMessages } from './grpc-read.ts'
import { readHttp1 } from './http1-read.ts'
import { readHttp2, type Http2Direction } from './http2-read.ts'
import type { Direction } from './relay.ts'
import { spdyStreams } from './spdy-read.ts'
import { channelsOf, FrameReader, messagesOf } from './websocket-frames.ts'

export type Carried = 'http1' | 'http2' | 'http2-headers' | 'grpc' | 'websocket' | 'spdy' | 'gzip'

export interface Unwrapped {
  direction: Direction
  layer: Carried
  bytes: Buffer
}

const DIRECTIONS: readonly Direction[] = ['toCallee', 'toCaller']

/** Both directions of one connection from its first byte. What is not understood gives nothing. */
export function unwrap(toCallee: Buffer, toCaller: Buffer): Unwrapped[] {
  const asked = readHttp2(toCallee, 'client')
  if (asked !== undefined) {
    const both = { toCallee: asked, toCaller: readHttp2(toCaller, 'server') ?? { bodies: [], headers: [] } }
    return DIRECTIONS.flatMap((direction) => http2Direction(direction, both[direction]))
  }
  const http1 = readHttp1(toCallee, toCaller)
  if (http1 === undefined) return []
  const messages = { toCallee: http1.requests, toCaller: http1.responses }
  const { upgraded } = http1
  return DIRECTIONS.flatMap((direction) => [
    ...messages[direction].flatMap(({ body }) => inflated({ direction, layer: 'http1', bytes: body })),
    ...(upgraded === undefined ? [] : upgradedStream(direction, upgraded.protocol, upgraded[direction])),
  ]).filter(({ bytes }) => bytes.length > 0)
}

function http2Direction(direction: Direction, { bodies, headers }: Http2Direction): Unwrapped[] {
  const text = headers.map((fields) => fields.map(([name, value]) => `${name}: ${value}\n`).join('')).join('\n')
  return [
    ...(text === '' ? [] : [{ direction, layer: 'http2-headers' as const, bytes: Buffer.from(text, 'latin1') }]),
    ...bodies.flatMap((body) => http2Body(direction, body)),
  ]
}

function http2Body(direction: Direction, body: Buffer): Unwrapped[] {
  const messages = grpcMessages(body) ?? []
  return [
    ...inflated({ direction, layer: 'http2', bytes: body }),
    ...messages.flatMap(({ message }) => inflated({ direction, layer: 'grpc', bytes: message })),
  ]
}

function upgradedStream(direction: Direction, protocol: string, bytes: Buffer): Unwrapped[] {
  const spdy = (each: Buffer): Unwrapped => ({ direction, layer: 'spdy', bytes: each })
  if (protocol.toLowerCase() === 'spdy/3.1') return spdyStreams(bytes).map(spdy)
  if (protocol.toLowerCase() !== 'websocket') return []
  const messages = messagesOf(new FrameReader().push(bytes))
  const channels = [...channelsOf(messages).values()]
  // A port-forward tunnels SPDY in the messages themselves.
  const tunnelled = spdyStreams(Buffer.concat(messages)).map(spdy)
  const own = [...messages, ...channels].map((each): Unwrapped => ({ direction, layer: 'websocket', bytes: each }))
  return [...own, ...tunnelled]
}

/** More than any answer of a range; a bomb ends here. */
const LARGEST_INFLATED_BYTES = 64 * 1024 * 1024

/** The piece, and what it holds if it is gzip: kube-apiserver compresses answers beyond 128 KiB, gRPC may compress any. */
function inflated(packed: Unwrapped): Unwrapped[] {
  if (packed.bytes[0] !== 0x1f || packed.bytes[1] !== 0x8b) return [packed]
  try {
    const bytes = gunzipSync(packed.bytes, {
      // The recording may end in the middle.
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: LARGEST_INFLATED_BYTES,
    })
    return [packed, { ...packed, layer: 'gzip', bytes }]
  } catch {
    return [packed]
  }
}
