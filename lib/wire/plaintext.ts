/** All that a capture shows in the clear: each stream as it is, and what the protocols on it carry, unwrapped. */
import { readFileSync } from 'node:fs'
import { readCapture } from './pcapng-read.ts'
import type { Direction } from './relay.ts'
import { tcpConnections, type CapturedConnection } from './tcp-streams.ts'
import { parseKeyLog, rsaKey, type LeakedSecrets } from './leaked-secrets.ts'
import { openTls } from './tls-decrypt.ts'
import { unwrap, type Carried } from './unwrap.ts'

/** How a piece was come by: `stream` is untouched, `tls` was opened with leaked keys, the rest is unwrapped from either. */
export type Layer = 'stream' | 'tls' | Carried

export interface PlainPiece {
  connection: CapturedConnection
  direction: Direction
  layer: Layer
  bytes: Buffer
}

export interface ReadOptions {
  /** Leaked session keys (SSLKEYLOGFILE); those inside the capture are used as well. */
  keyLog?: string
  /** Stolen private keys of servers (PEM): RSA keys open what was sent to them without forward secrecy. */
  serverKeys?: readonly string[]
  /** Stolen session-ticket keys, 48 or 80 bytes. */
  ticketKeys?: readonly Buffer[]
}

/** Every connection of a capture file, put together. Throws a CaptureError for what is no capture. */
export function streamsOf(file: string): CapturedConnection[] {
  return tcpConnections(readCapture(readFileSync(file)))
}

/** What an attacker carries off who does not know what it looks for. */
export function plaintextOf(file: string, options: ReadOptions = {}): Buffer[] {
  return piecesOf(file, options).map(({ bytes }) => bytes)
}

export function piecesOf(file: string, options: ReadOptions = {}): PlainPiece[] {
  const capture = readCapture(readFileSync(file))
  const leaked: LeakedSecrets = {
    keyLog: parseKeyLog(`${capture.keyLog}\n${options.keyLog ?? ''}`),
    serverKeys: (options.serverKeys ?? []).map(rsaKey).filter((key) => key !== undefined),
    ticketKeys: options.ticketKeys ?? [],
  }
  return tcpConnections(capture).flatMap((connection) => {
    const { toCallee, toCaller } = connection
    const raw = streams(connection, 'stream', toCallee, toCaller)
    const opened = openTls(toCallee, toCaller, leaked)
    const clear = opened === undefined ? [] : streams(connection, 'tls', opened.toServer, opened.toClient)
    const carried = opened === undefined ? unwrap(toCallee, toCaller) : unwrap(opened.toServer, opened.toClient)
    return [...raw, ...clear, ...carried.map((each) => ({ connection, ...each }))]
  })
}

function streams(connection: CapturedConnection, layer: Layer, toCallee: Buffer, toCaller: Buffer): PlainPiece[] {
  const both: PlainPiece[] = [
    { connection, direction: 'toCallee', layer, bytes: toCallee },
    { connection, direction: 'toCaller', layer, bytes: toCaller },
  ]
  return both.filter(({ bytes }) => bytes.length > 0)
}
