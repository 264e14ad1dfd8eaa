/**
 * The listening side. It asks for certificates and shows them; what they are worth is decided by whoever listens, by Go's
 * rules, in the handshake or at each request. OpenSSL's opinion is not read.
 */
import { createServer as createTcpServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type SecureContextOptions, type TLSSocket } from 'node:tls'
import { answerToClientChain } from '../x509/handshake-answer.ts'
import { certPool } from '../x509/pool.ts'
import { ALERTS, alertName } from './alerts.ts'
import { assertLoopback } from './loopback.ts'
import { sendOwnAlert } from './own-alert.ts'
import { peerChain } from './peer-chain.ts'
import { endsOf } from './plain.ts'
import { cachedContext, policyOptions, type TlsPolicy } from './policy.ts'
import { Refusal, refusalOf } from './refusal.ts'

/** PEM texts: `cert` is the chain, leaf first. */
export interface KeyPair {
  cert: string
  key: string
}

/** What is known of one accepted connection. Addresses are `ip:port`. */
export interface TlsConnection {
  local: string
  remote: string
  serverName?: string
  alpn?: string
  /** DER certificates as the client sent them, leaf first; empty where none was shown. */
  peerChain: Buffer[]
}

export interface HandshakeVerdict {
  alert: number
  /** Short stable word, such as `unknown_ca`. */
  code: string
  /** Go's text, for the log. */
  text: string
}

export type ClientCertificates =
  | { mode: 'none' }
  /** Ask and leave the decision to each request, with the CA bundle of that moment; only what Go cannot read is refused. */
  | { mode: 'request'; caPem?: () => string | undefined }
  /** Ask and decide in the handshake; a returned verdict is answered with its alert. */
  | {
      mode: 'require'
      caPem?: () => string | undefined
      verify: (connection: TlsConnection) => HandshakeVerdict | undefined
    }

export interface ListenOptions {
  /** A loopback address (loopback.ts refuses any other). */
  address: string
  port: number
  policy: TlsPolicy
  /** Asked for each connection, so that a rotated file bites. `undefined` ends the handshake with internal_error (80). */
  keyPair: (serverName: string | undefined) => KeyPair | undefined
  clientCertificates: ClientCertificates
  /** Protocols in order of preference. Empty: ALPN is not negotiated at all. */
  alpn: readonly string[]
  /** What a first byte that starts no TLS record gets: Go's net/http text, or just a close as etcd does. */
  plainHttp: 'http-400' | 'close'
  handshakeTimeoutMs?: number
  onConnection: (socket: TLSSocket, connection: TlsConnection) => void
  /** A refusal of ours, or one of the client's (`remote error: …`), or a handshake that came to nothing. */
  onRefusal?: (refusal: Refusal, connection: TlsConnection) => void
}

export interface Listener {
  address: string
  port: number
  close(): Promise<void>
}

const HANDSHAKE_RECORD = 0x16

/** net/http's answer to plain HTTP on a TLS port (server.go, `tlsRecordHeaderLooksLikeHTTP`). */
const HTTP_ON_TLS = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n'

/** net/http has no handshake limit of its own; etcd's is 10 s, and a range has no use for a longer one. */
const HANDSHAKE_TIMEOUT_MS = 10_000

export async function listenTls(options: ListenOptions): Promise<Listener> {
  assertLoopback(options.address, 'listen on')
  const { clientCertificates: asks } = options
  const raws = new Map<string, Socket>()
  const secrets = new WeakMap<TLSSocket, Buffer>()
  const decided = new WeakSet<TLSSocket>()
  const refused = new WeakSet<TLSSocket>()

  const contextOptions = (pair: KeyPair): SecureContextOptions => {
    const ca = asks.mode === 'none' ? undefined : asks.caPem?.()
    return { ...policyOptions(options.policy), cert: pair.cert, key: pair.key, ...(ca === undefined ? {} : { ca }) }
  }
  const tls = createTlsServer({
    ...policyOptions(options.policy),
    requestCert: asks.mode !== 'none',
    rejectUnauthorized: false,
    handshakeTimeout: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
    ...(options.alpn.length > 0 ? { ALPNProtocols: [...options.alpn] } : {}),
    SNICallback: (serverName, done) => {
      const pair = options.keyPair(serverName)
      done(null, pair && cachedContext(contextOptions(pair)))
    },
  })
  const facts = (raw: Socket, socket?: TLSSocket): TlsConnection => ({
    ...endsOf(raw),
    ...(socket?.servername ? { serverName: socket.servername } : {}),
    ...(socket?.alpnProtocol ? { alpn: socket.alpnProtocol } : {}),
    peerChain: socket ? peerChain(socket) : [],
  })

  /** Decides about the client's certificates, once for each connection. True: it was refused, and the connection ends. */
  const refuse = (raw: Socket, socket: TLSSocket): boolean => {
    decided.add(socket)
    const connection = facts(raw, socket)
    const verdict = decide(asks, connection, socket)
    if (!verdict) return false
    refused.add(socket)
    sendOwnAlert(raw, socket, verdict.alert, secrets.get(socket))
    options.onRefusal?.(new Refusal('tls-alert', verdict.code, verdict.text, { alert: verdict.alert }), connection)
    return true
  }
  tls.on('keylog', (line, socket) => {
    const [label, , secret] = line.toString('latin1').trim().split(' ')
    if (label === 'SERVER_TRAFFIC_SECRET_0' && secret) secrets.set(socket, Buffer.from(secret, 'hex'))
    // Below TLS 1.3 the master secret is logged when this end has written its change of cipher and sent nothing of it yet,
    // in a resumed session too: there the client still reads alerts in the clear.
    if (label !== 'CLIENT_RANDOM') return
    const raw = raws.get(rawKey(socket))
    if (raw && !decided.has(socket)) refuse(raw, socket)
  })
  tls.on('secureConnection', (socket) => {
    const raw = raws.get(rawKey(socket))
    if (!raw) return void socket.destroy()
    socket.on('error', () => {})
    if (refused.has(socket) || (!decided.has(socket) && refuse(raw, socket))) return
    options.onConnection(socket, facts(raw, socket))
  })
  tls.on('tlsClientError', (error, socket) => {
    // The echo of a refusal that has been told.
    if (refused.has(socket)) return
    const raw = raws.get(rawKey(socket))
    options.onRefusal?.(refusalOf(error), raw ? facts(raw) : { local: '', remote: '', peerChain: [] })
    socket.destroy()
  })

  let current = ''
  const handOver = (raw: Socket): void => {
    const pair = options.keyPair(undefined)
    if (!pair) {
      const refusal = new Refusal('tls-alert', 'internal_error', 'tls: no certificates configured', {
        alert: ALERTS.internal_error,
      })
      options.onRefusal?.(refusal, facts(raw))
      return void raw.end(Buffer.from([21, 3, 1, 0, 2, 2, ALERTS.internal_error]))
    }
    const wanted = contextOptions(pair)
    const key = `${pair.cert}\0${pair.key}\0${String(wanted.ca ?? '')}`
    if (key !== current) {
      tls.setSecureContext(wanted)
      current = key
    }
    tls.emit('connection', raw)
  }

  const tcp = createTcpServer({ noDelay: true }, (raw) => {
    const key = rawKey(raw)
    raws.set(key, raw)
    raw.once('close', () => raws.delete(key))
    raw.on('error', () => {})
    const timer = setTimeout(() => raw.destroy(), options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS)
    raw.once('readable', () => {
      clearTimeout(timer)
      const first = raw.read() as Buffer | null
      if (first === null) return void raw.destroy()
      if (first[0] !== HANDSHAKE_RECORD) return refusePlain(raw)
      raw.unshift(first)
      handOver(raw)
    })
    raw.once('close', () => clearTimeout(timer))
  })
  const refusePlain = (raw: Socket): void => {
    const text = 'tls: first record does not look like a TLS handshake'
    options.onRefusal?.(new Refusal('app', 'not_tls', text), facts(raw))
    raw.resume()
    if (options.plainHttp === 'http-400') raw.end(HTTP_ON_TLS)
    else raw.end()
  }

  await new Promise<void>((resolve, reject) => {
    tcp.once('error', reject)
    tcp.listen({ host: options.address, port: options.port, backlog: 511 }, resolve)
  })
  const bound = tcp.address() as { address: string; port: number }
  return {
    address: bound.address,
    port: bound.port,
    close: () =>
      new Promise((resolve) => {
        tcp.close(() => resolve())
        for (const raw of raws.values()) raw.destroy()
      }),
  }
}

const NO_ROOTS = certPool('')

/**
 * The order is Go's (crypto/tls processCertsFromClient): a missing certificate is refused before anybody is asked, and so
 * is, also where none is required, one that Go cannot read; a key of a kind that Go cannot use comes after verification.
 */
function decide(asks: ClientCertificates, connection: TlsConnection, socket: TLSSocket): HandshakeVerdict | undefined {
  if (asks.mode === 'none') return undefined
  const version = socket.getProtocol() === 'TLSv1.3' ? 'TLSv1.3' : 'TLSv1.2'
  if (connection.peerChain.length === 0) {
    if (asks.mode === 'request') return undefined
    const alert = version === 'TLSv1.3' ? ALERTS.certificate_required : ALERTS.handshake_failure
    return { alert, code: alertName(alert), text: `tls: client didn't provide a certificate` }
  }
  const options = { mode: 'request', version, roots: NO_ROOTS, time: new Date() } as const
  const answer = answerToClientChain(connection.peerChain, options)
  const unfit = answer.ok ? undefined : { alert: answer.alert, code: alertName(answer.alert), text: answer.error }
  if (asks.mode === 'request' || (unfit && unfit.alert !== ALERTS.unsupported_certificate)) return unfit
  return asks.verify(connection) ?? unfit
}

function rawKey(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localPort}`
}
