/**
 * The listening side. The first bytes of a connection are read before OpenSSL, and a hello that Go would end is ended with Go's alert
 * and words; OpenSSL gets the others. Certificates are asked for and shown; what they are worth is decided by whoever
 * listens, by Go's rules, in the handshake or at each request. OpenSSL's opinion is not read.
 */
import { createServer } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { HandshakeFront } from './handshake-front.ts'
import { assertLoopback } from './loopback.ts'
import { isGone } from './plain.ts'
import type { TlsPolicy } from './policy.ts'
import { Refusal } from './refusal.ts'

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
  /**
   * Asked for each connection, so that a rotated file bites. `undefined` ends the handshake with internal_error (80), and so
   * does an error, whose message is then what the listener logs, as with Go's GetCertificate.
   */
  keyPair: (serverName: string | undefined) => KeyPair | undefined
  clientCertificates: ClientCertificates
  /** Protocols in order of preference. Empty: ALPN is not negotiated at all. */
  alpn: readonly string[]
  /** What plain HTTP gets: Go's net/http text, or just a close as etcd does. */
  plainHttp: 'http-400' | 'close'
  /** From the first byte of TCP to the end of the handshake, however many bytes come. */
  handshakeTimeoutMs?: number
  /** How long a key for session tickets is used; a test's to shorten. */
  ticketRotationMs?: number
  onConnection: (socket: TLSSocket, connection: TlsConnection) => void
  /** A refusal of ours, or one of the client's (`remote error: …`), or a handshake that came to nothing. */
  onRefusal?: (refusal: Refusal, connection: TlsConnection) => void
}

export interface Listener {
  address: string
  port: number
  close(): Promise<void>
}

export async function listenTls(options: ListenOptions): Promise<Listener> {
  assertLoopback(options.address, 'listen on')
  const front = new HandshakeFront(options)
  const tcp = createServer({ noDelay: true }, (raw) => (isGone(raw) ? void raw.destroy() : front.accept(raw)))
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
        front.close()
      }),
  }
}
