import type { TLSSocket } from 'node:tls'
import type { Refusal } from './refusal.ts'
import type { TlsPolicy } from './policy.ts'

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
  /** DER certificates as the client sent them, leaf first; empty where none was shown. */
  peerChain: Buffer[]
}

export type ClientCertificates =
  | { mode: 'none' }
  /** Ask and never decide here: the decision is per request, with the CA bundle of that moment. */
  | { mode: 'request'; caPem?: () => string | undefined }
  /** Ask and decide in the handshake; a returned verdict is answered with its alert. */
  | {
      mode: 'require'
      caPem?: () => string | undefined
      verify: (connection: TlsConnection) => { alert: number; code: string; text: string } | undefined
    }

export interface ListenOptions {
  /** A loopback address (lib/tls/loopback.ts refuses any other). */
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
  onRefusal?: (refusal: Refusal, connection: TlsConnection) => void
}

export interface Listener {
  address: string
  port: number
  close(): Promise<void>
}

export declare function listenTls(options: ListenOptions): Promise<Listener>
