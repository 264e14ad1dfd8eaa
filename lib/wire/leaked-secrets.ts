/**
 * What opens recorded TLS when it leaks: a key log (SSLKEYLOGFILE, RFC 9850), the server's RSA key where the client sent
 * it the premaster secret (TLS 1.2 without forward secrecy), or the key that seals session tickets, which TLS 1.2 hands out
 * in the clear with the master secret inside. Nothing else does: an (EC)DHE server's key only signs, and TLS 1.3 mixes a
 * fresh exchange into each resumption.
 */
import { constants, createHash, createPrivateKey, privateDecrypt, type KeyObject } from 'node:crypto'
import { masterSecretInTicket } from './session-ticket.ts'
import { clearMessages, messageBytes, type HandshakeMessage } from './tls-handshake.ts'
import { readClientHello, readServerHello } from './tls-hello.ts'
import { prf12, type Suite } from './tls-suites.ts'
import type { TlsRecord } from './tls-records.ts'

/** Label and client random (hex) -> secret. */
export type KeyLog = ReadonlyMap<string, Buffer>

export interface LeakedSecrets {
  keyLog?: KeyLog
  /** RSA keys of servers. */
  serverKeys?: readonly KeyObject[]
  /** As Node's `ticketKeys` (48 bytes) and nginx's `ssl_session_ticket_key` (48 or 80 bytes) hold them. */
  ticketKeys?: readonly Buffer[]
}

export function parseKeyLog(text: string): KeyLog {
  const keys = new Map<string, Buffer>()
  for (const line of text.split('\n')) {
    const [label, random, secret] = line.trim().split(' ')
    if (label && random && secret && !label.startsWith('#')) keys.set(`${label} ${random}`, Buffer.from(secret, 'hex'))
  }
  return keys
}

/** A PEM private key where it is an RSA one; any other opens no recording. */
export function rsaKey(pem: string | Buffer): KeyObject | undefined {
  try {
    const key = createPrivateKey(pem)
    return key.asymmetricKeyType === 'rsa' ? key : undefined
  } catch {
    return undefined
  }
}

/** TLS 1.2's master secret of one recorded connection, by whatever leaked. */
export function masterSecret(
  fromClient: readonly TlsRecord[],
  fromServer: readonly TlsRecord[],
  suite: Suite,
  leaked: LeakedSecrets,
): Buffer | undefined {
  const asked = [...clearMessages(fromClient)]
  const answered = [...clearMessages(fromServer)]
  const [clientHello] = asked
  const hello = clientHello && readClientHello(clientHello.body)
  if (hello === undefined) return undefined
  return (
    leaked.keyLog?.get(`CLIENT_RANDOM ${hello.random.toString('hex')}`) ??
    ticketSecret(hello.sessionTicket, answered, leaked.ticketKeys ?? []) ??
    (suite.staticRsa ? premasterSecret(asked, answered, suite, leaked.serverKeys ?? []) : undefined)
  )
}

const MESSAGE = { newSessionTicket: 4, serverHelloDone: 14, clientKeyExchange: 16 } as const

/** From the ticket that this connection was handed, which holds its own secret, or from the one it resumes with. */
function ticketSecret(
  brought: Buffer | undefined,
  answered: readonly HandshakeMessage[],
  keys: readonly Buffer[],
): Buffer | undefined {
  // RFC 5077 section 3.3: a lifetime hint, then the ticket with its length.
  const handed = answered.find(({ type }) => type === MESSAGE.newSessionTicket)?.body.subarray(6)
  const tickets = [handed, brought].filter((ticket) => ticket !== undefined)
  for (const key of keys) {
    for (const ticket of tickets) {
      const secret = masterSecretInTicket(ticket, key)
      if (secret !== undefined) return secret
    }
  }
  return undefined
}

const EXTENDED_MASTER_SECRET = 23
const PREMASTER_BYTES = 48

function premasterSecret(
  asked: readonly HandshakeMessage[],
  answered: readonly HandshakeMessage[],
  suite: Suite,
  keys: readonly KeyObject[],
): Buffer | undefined {
  const exchangeAt = asked.findIndex(({ type }) => type === MESSAGE.clientKeyExchange)
  const exchange = asked[exchangeAt]
  const clientHello = asked[0] && readClientHello(asked[0].body)
  const serverHello = answered[0] && readServerHello(answered[0].body)
  if (exchange === undefined || clientHello === undefined || serverHello === undefined) return undefined
  const premaster = keys.map((key) => decrypted(exchange.body.subarray(2), key)).find((each) => each !== undefined)
  if (premaster === undefined) return undefined
  // RFC 7627 section 4: the transcript up to the key exchange takes the place of the two randoms.
  const isExtended = serverHello.extensions.includes(EXTENDED_MASTER_SECRET)
  const doneAt = answered.findIndex(({ type }) => type === MESSAGE.serverHelloDone)
  const transcript = [asked[0]!, ...answered.slice(0, doneAt + 1), ...asked.slice(1, exchangeAt + 1)]
  const sessionHash = createHash(suite.hash)
    .update(Buffer.concat(transcript.map(messageBytes)))
    .digest()
  return isExtended
    ? prf12(suite, premaster, 'extended master secret', sessionHash, 48)
    : prf12(suite, premaster, 'master secret', Buffer.concat([clientHello.random, serverHello.random]), 48)
}

/**
 * PKCS #1 v1.5 (RFC 8017 section 7.2.2), its padding taken off here: Node refuses to do so itself, for a server's good
 * reasons (CVE-2023-46809). Whoever holds the key and a recording has no oracle to fear.
 */
function decrypted(sealed: Buffer, key: KeyObject): Buffer | undefined {
  let block: Buffer
  try {
    block = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, sealed)
  } catch {
    return undefined
  }
  const end = block.indexOf(0, 2)
  const isPadded = block[0] === 0 && block[1] === 2 && end >= 10
  return isPadded && block.length - end - 1 === PREMASTER_BYTES ? block.subarray(end + 1) : undefined
}
