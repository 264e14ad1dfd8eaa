/** All that a tap learns from a TLS handshake without a key: who talks to whom, how, and who refused. */
import type { Direction } from './relay.ts'
import { Cursor, readClientHello, readServerHello, type ClientHello, type ServerHello } from './tls-hello.ts'
import { readTlsRecords, RECORD_TYPE, type TlsRecord } from './tls-records.ts'

export interface ClearAlert {
  direction: Direction
  /** 1 warning, 2 fatal. */
  level: number
  description: number
}

export interface SeenHandshake {
  /** The last of each where there was a HelloRetryRequest. */
  clientHello?: ClientHello
  serverHello?: ServerHello
  /** TLS 1.2 and below: DER as sent, leaf first. At TLS 1.3 certificates are sealed. */
  serverChain: Buffer[]
  clientChain: Buffer[]
  /** Distinguished names (DER) of the CAs that the server's CertificateRequest names; absent where it asks for none. */
  requestedAuthorities?: Buffer[]
  /** TLS 1.2: the ticket that the server hands out in the clear. */
  newSessionTicket?: Buffer
  /** Those that were not sealed. */
  alerts: ClearAlert[]
}

const MESSAGE = {
  clientHello: 1,
  serverHello: 2,
  newSessionTicket: 4,
  certificate: 11,
  certificateRequest: 13,
} as const

/** Undefined where the caller does not begin with a ClientHello. */
export function readTlsHandshake(toCallee: Buffer, toCaller: Buffer): SeenHandshake | undefined {
  const seen: SeenHandshake = { serverChain: [], clientChain: [], alerts: [] }
  const streams = { toCallee: readTlsRecords(toCallee).records, toCaller: readTlsRecords(toCaller).records }
  for (const { type, body } of clearMessages(streams.toCallee)) {
    const hello = type === MESSAGE.clientHello ? readClientHello(body) : undefined
    if (hello !== undefined) seen.clientHello = hello
    if (type === MESSAGE.certificate) seen.clientChain = readChain(body)
  }
  for (const { type, body } of clearMessages(streams.toCaller)) {
    const hello = type === MESSAGE.serverHello ? readServerHello(body) : undefined
    if (hello !== undefined) seen.serverHello = hello
    if (type === MESSAGE.certificate) seen.serverChain = readChain(body)
    if (type === MESSAGE.certificateRequest) seen.requestedAuthorities = readAuthorities(body)
    if (type === MESSAGE.newSessionTicket) seen.newSessionTicket = body.subarray(6)
  }
  if (seen.clientHello === undefined) return undefined
  seen.alerts.push(...clearAlerts('toCallee', streams.toCallee), ...clearAlerts('toCaller', streams.toCaller))
  return seen
}

export interface HandshakeMessage {
  type: number
  body: Buffer
}

/** As it stood in the record, and in the transcript. */
export function messageBytes({ type, body }: HandshakeMessage): Buffer {
  return Buffer.concat([Buffer.from([type, body.length >> 16, (body.length >> 8) & 0xff, body.length & 0xff]), body])
}

/** Up to the ChangeCipherSpec (TLS 1.2) or the first sealed record (TLS 1.3); a message may run over several records. */
export function* clearMessages(records: readonly TlsRecord[]): Generator<HandshakeMessage> {
  const sealedFrom = sealedAt(records)
  const clear = records.slice(0, sealedFrom).filter(({ type }) => type === RECORD_TYPE.handshake)
  const cursor = new Cursor(Buffer.concat(clear.map(({ body }) => body)))
  while (cursor.left > 0) {
    const type = cursor.number(1)
    const body = cursor.vector(3)
    if (cursor.overrun) return
    yield { type, body }
  }
}

/**
 * Of TLS 1.3's middlebox compatibility a ChangeCipherSpec may stand before sealed records as well, and between two
 * ClientHellos after a HelloRetryRequest (RFC 8446 appendix D.4): there, clear handshake follows it.
 */
function sealedAt(records: readonly TlsRecord[]): number {
  const change = records.findIndex(({ type }) => type === RECORD_TYPE.changeCipherSpec)
  const sealed = records.findIndex(({ type }) => type === RECORD_TYPE.applicationData)
  const end = sealed === -1 ? records.length : sealed
  if (change === -1 || change > end) return end
  const next = records[change + 1]
  const isHello = next?.type === RECORD_TYPE.handshake && (next.body[0] === 1 || next.body[0] === 2)
  // A sealed Finished of TLS 1.2 may begin with any byte; its length gives it away.
  return isHello && 4 + new Cursor(next.body.subarray(1)).number(3) === next.body.length ? end : change
}

function clearAlerts(direction: Direction, records: readonly TlsRecord[]): ClearAlert[] {
  return records
    .slice(0, sealedAt(records))
    .filter(({ type, body }) => type === RECORD_TYPE.alert && body.length === 2)
    .map(({ body }) => ({ direction, level: body.readUInt8(0), description: body.readUInt8(1) }))
}

/** RFC 5246 section 7.4.2. */
function readChain(body: Buffer): Buffer[] {
  return vectorsOf(new Cursor(body).vector(3), 3)
}

/** RFC 5246 section 7.4.4: certificate types, signature algorithms, names. */
function readAuthorities(body: Buffer): Buffer[] {
  const cursor = new Cursor(body)
  cursor.vector(1)
  cursor.vector(2)
  return vectorsOf(cursor.vector(2), 2)
}

function vectorsOf(list: Buffer, lengthBytes: 2 | 3): Buffer[] {
  const items: Buffer[] = []
  const cursor = new Cursor(list)
  while (cursor.left > 0) {
    const item = cursor.vector(lengthBytes)
    if (cursor.overrun) break
    items.push(item)
  }
  return items
}
