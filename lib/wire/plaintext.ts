/** All that a capture shows in the clear: each stream as it is, and what the protocols on it carry, unwrapped. */
import { readFileSync } from 'node:fs'
import { constants, gunzipSync } from 'node:zlib'
import { grpcMessages } from './grpc-read.ts'
import { readHttp1 } from './http1-read.ts'
import { http2Bodies } from './http2-read.ts'
import { readCapture } from './pcapng-read.ts'
import type { Direction } from './relay.ts'
import { spdyStreams } from './spdy-read.ts'
import { tcpConnections, type CapturedConnection } from './tcp-streams.ts'
import { openTls, parseKeyLog } from './tls-decrypt.ts'
import { channelsOf, FrameReader, messagesOf } from './websocket-frames.ts'

/** How a piece was come by: `stream` is untouched, `tls` was opened with leaked keys. */
export type Layer = 'stream' | 'tls' | 'http1' | 'http2' | 'grpc' | 'websocket' | 'spdy' | 'gzip'

export interface PlainPiece {
  connection: CapturedConnection
  direction: Direction
  layer: Layer
  bytes: Buffer
}

export interface ReadOptions {
  /** Leaked TLS keys (SSLKEYLOGFILE); those inside the capture are used as well. */
  keyLog?: string
}

/** Every connection of a capture file, put together. */
export function streamsOf(file: string): CapturedConnection[] {
  return tcpConnections(readCapture(readFileSync(file)))
}

/** What an attacker carries off who does not know what it looks for. */
export function plaintextOf(file: string, options: ReadOptions = {}): Buffer[] {
  return piecesOf(file, options).map(({ bytes }) => bytes)
}

export function piecesOf(file: string, options: ReadOptions = {}): PlainPiece[] {
  const capture = readCapture(readFileSync(file))
  const keys = parseKeyLog(`${capture.keyLog}\n${options.keyLog ?? ''}`)
  return tcpConnections(capture).flatMap((connection) => {
    const raw = pieces(connection, 'stream', connection.toCallee, connection.toCaller)
    const opened = keys.size === 0 ? undefined : openTls(connection.toCallee, connection.toCaller, keys)
    if (opened === undefined) return [...raw, ...carried(connection, connection.toCallee, connection.toCaller)]
    const clear = pieces(connection, 'tls', opened.toServer, opened.toClient)
    return [...raw, ...clear, ...carried(connection, opened.toServer, opened.toClient)]
  })
}

function carried(connection: CapturedConnection, toCallee: Buffer, toCaller: Buffer): PlainPiece[] {
  const h2 = { toCallee: http2Bodies(toCallee, 'client'), toCaller: http2Bodies(toCaller, 'server') }
  if (h2.toCallee !== undefined) {
    return DIRECTIONS.flatMap((direction) =>
      (h2[direction] ?? []).flatMap((body) => {
        const messages = grpcMessages(body) ?? []
        return [
          ...unpacked({ connection, direction, layer: 'http2', bytes: body }),
          ...messages.flatMap(({ message }) => unpacked({ connection, direction, layer: 'grpc', bytes: message })),
        ]
      }),
    )
  }
  const h1 = readHttp1(toCallee, toCaller)
  if (h1 === undefined) return []
  const bodies = (direction: Direction) =>
    (direction === 'toCallee' ? h1.requests : h1.responses)
      .filter(({ body }) => body.length > 0)
      .flatMap(({ body }) => unpacked({ connection, direction, layer: 'http1', bytes: body }))
  return [...DIRECTIONS.flatMap(bodies), ...(h1.upgraded === undefined ? [] : upgradedPieces(connection, h1.upgraded))]
}

function upgradedPieces(
  connection: CapturedConnection,
  upgraded: { protocol: string; toCallee: Buffer; toCaller: Buffer },
): PlainPiece[] {
  const protocol = upgraded.protocol.toLowerCase()
  return DIRECTIONS.flatMap((direction) => {
    const bytes = upgraded[direction]
    if (protocol === 'websocket') {
      const messages = messagesOf(new FrameReader().push(bytes))
      const channels = [...channelsOf(messages).values()]
      // A port-forward tunnels SPDY in the messages themselves.
      const tunnel = spdyStreams(Buffer.concat(messages))
      return [
        ...[...messages, ...channels].map((each) => piece(connection, direction, 'websocket', each)),
        ...tunnel.map((each) => piece(connection, direction, 'spdy', each)),
      ]
    }
    return protocol === 'spdy/3.1' ? spdyStreams(bytes).map((each) => piece(connection, direction, 'spdy', each)) : []
  })
}

const DIRECTIONS: readonly Direction[] = ['toCallee', 'toCaller']

function pieces(connection: CapturedConnection, layer: Layer, toCallee: Buffer, toCaller: Buffer): PlainPiece[] {
  return [piece(connection, 'toCallee', layer, toCallee), piece(connection, 'toCaller', layer, toCaller)].filter(
    ({ bytes }) => bytes.length > 0,
  )
}

function piece(connection: CapturedConnection, direction: Direction, layer: Layer, bytes: Buffer): PlainPiece {
  return { connection, direction, layer, bytes }
}

/** More than any answer of a range; a bomb ends here. */
const LARGEST_INFLATED_BYTES = 64 * 1024 * 1024

/** The piece, and what it holds if it is gzip: kube-apiserver compresses answers beyond 128 KiB, gRPC may compress any. */
function unpacked(packed: PlainPiece): PlainPiece[] {
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
