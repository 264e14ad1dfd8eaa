/** Node's TLS servers behind one listener: one for each set of what it shows and asks, all with the same session tickets. */
import { randomBytes } from 'node:crypto'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { nameBearers, NO_NAMES } from './ca-names.ts'
import type { KeyPair, ListenOptions } from './listen.ts'
import { policyOptions } from './policy.ts'
import { servingKeyOf } from './serving-key.ts'
import type { ServingKey } from './answer-hello.ts'

export interface HandshakeEvents {
  /** A line of the key log (NSS format). The first comes while the socket still knows its ends. */
  keylog: (line: Buffer, socket: TLSSocket) => void
  secure: (socket: TLSSocket) => void
  failed: (error: Error, socket: TLSSocket) => void
}

export interface HandshakeTerms {
  pair: KeyPair
  caPem: string | undefined
  negotiatesAlpn: boolean
}

/** A file that is rotated leaves its old server behind; more than so many at once nobody uses. */
const MOST_SERVERS = 16
/** crypto/tls: a ticket key is used for a day, and a ticket is worth nothing after seven (common.go). */
const TICKET_ROTATION_MS = 24 * 3_600_000
const TICKET_LIFETIME_S = 7 * 24 * 3600
/** Handshakes are timed by the listener: Node's limit starts anew with each byte. */
const NEVER_MS = 2 ** 31 - 1

export class HandshakeServers {
  readonly #options: ListenOptions
  readonly #events: HandshakeEvents
  #servers: { terms: HandshakeTerms; server: Server }[] = []
  #keys: { pair: KeyPair; key: ServingKey }[] = []
  readonly #sessionIdContext = randomBytes(16).toString('hex')
  readonly #rotation: NodeJS.Timeout
  #ticketKeys = randomBytes(48)

  constructor(options: ListenOptions, events: HandshakeEvents) {
    this.#options = options
    this.#events = events
    this.#rotation = setInterval(() => this.#rotate(), options.ticketRotationMs ?? TICKET_ROTATION_MS).unref()
  }

  /** @throws Error with Go's text where the pair is none. */
  servingKey(pair: KeyPair): ServingKey {
    const known = this.#keys.find((one) => isSamePair(one.pair, pair))
    if (known) return known.key
    const key = servingKeyOf(pair)
    this.#keys = [{ pair, key }, ...this.#keys].slice(0, MOST_SERVERS)
    return key
  }

  for(terms: HandshakeTerms): Server {
    const known = this.#servers.find((one) => isSame(one.terms, terms))
    if (known) return known.server
    const server = this.#make(terms)
    this.#servers = [{ terms, server }, ...this.#servers].slice(0, MOST_SERVERS)
    return server
  }

  close(): void {
    clearInterval(this.#rotation)
    this.#servers = []
  }

  #make({ pair, caPem, negotiatesAlpn }: HandshakeTerms): Server {
    const { alpn, clientCertificates, policy } = this.#options
    const asks = clientCertificates.mode !== 'none'
    const ca = asks ? caPem && nameBearers(caPem) : NO_NAMES
    const server = createServer({
      ...policyOptions(policy),
      cert: pair.cert,
      key: pair.key,
      ...(ca ? { ca } : {}),
      requestCert: asks,
      rejectUnauthorized: false,
      handshakeTimeout: NEVER_MS,
      ticketKeys: this.#ticketKeys,
      sessionIdContext: this.#sessionIdContext,
      sessionTimeout: TICKET_LIFETIME_S,
      ...(negotiatesAlpn ? { ALPNProtocols: [...alpn] } : {}),
    })
    server.on('keylog', this.#events.keylog)
    server.on('secureConnection', this.#events.secure)
    server.on('tlsClientError', this.#events.failed)
    return server
  }

  #rotate(): void {
    this.#ticketKeys = randomBytes(48)
    for (const { server } of this.#servers) server.setTicketKeys(this.#ticketKeys)
  }
}

function isSame(one: HandshakeTerms, other: HandshakeTerms): boolean {
  return one.negotiatesAlpn === other.negotiatesAlpn && one.caPem === other.caPem && isSamePair(one.pair, other.pair)
}

function isSamePair(one: KeyPair, other: KeyPair): boolean {
  return one.cert === other.cert && one.key === other.key
}
