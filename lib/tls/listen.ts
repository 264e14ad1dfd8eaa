/**
 * The listening side. It asks for certificates and shows them; what they are worth is decided by whoever listens, by Go's
 * rules, in the handshake or at each request. OpenSSL's opinion is not read.
 */
import { createServer as createTcpServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type SecureContextOptions, type TLSSocket } from 'node:tls'
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
  /** Ask and never decide here: the decision is per request, with the CA bundle of that moment. */
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

  tls.on('keylog', (line, socket) => {
    const [label, , secret] = line.toString('latin1').trim().split(' ')
    if (label === 'SERVER_TRAFFIC_SECRET_0' && secret) secrets.set(socket, Buffer.from(secret, 'hex'))
  })
  tls.on('secureConnection', (socket) => {
    const raw = raws.get(rawKey(socket))
    if (!raw) return void socket.destroy()
    socket.on('error', () => {})
    const connection = facts(raw, socket)
    const verdict = asks.mode === 'require' ? decide(asks.verify, connection, socket) : undefined
    if (!verdict) return options.onConnection(socket, connection)
    sendOwnAlert(raw, socket, verdict.alert, secrets.get(socket))
    options.onRefusal?.(new Refusal('tls-alert', verdict.code, verdict.text, { alert: verdict.alert }), connection)
  })
  tls.on('tlsClientError', (error, socket) => {
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

/** RequireAndVerifyClientCert: a missing certificate is refused before anybody is asked (crypto/tls handshake_server.go). */
function decide(
  verify: (connection: TlsConnection) => HandshakeVerdict | undefined,
  connection: TlsConnection,
  socket: TLSSocket,
): HandshakeVerdict | undefined {
  if (connection.peerChain.length > 0) return verify(connection)
  const alert = socket.getProtocol() === 'TLSv1.3' ? ALERTS.certificate_required : ALERTS.handshake_failure
  return { alert, code: alertName(alert), text: `tls: client didn't provide a certificate` }
}

function rawKey(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localPort}`
}
