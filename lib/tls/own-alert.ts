/**
 * Sends a TLS alert that Node itself cannot send. Node verifies nothing until the handshake is over and then destroys the
 * socket without a word; Go sends an alert. In the event that tells us the handshake is over, this end's last flight has
 * not left yet, so one record written to the raw socket is the next thing that the other end reads.
 */
import { createCipheriv, createHmac, type CipherGCMTypes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

const FATAL = 2
const ALERT_TYPE = 21

const AEADS: Readonly<Record<string, { hash: string; keyLength: number; cipher: CipherGCMTypes }>> = {
  TLS_AES_128_GCM_SHA256: { hash: 'sha256', keyLength: 16, cipher: 'aes-128-gcm' },
  TLS_AES_256_GCM_SHA384: { hash: 'sha384', keyLength: 32, cipher: 'aes-256-gcm' },
  // Node types ChaCha20-Poly1305 apart, but takes the same calls.
  TLS_CHACHA20_POLY1305_SHA256: { hash: 'sha256', keyLength: 32, cipher: 'chacha20-poly1305' as CipherGCMTypes },
}

/** How long the other end may take to read the alert and go. */
const LINGER_MS = 2000

/**
 * Writes the alert and ends the connection. `secret` is the traffic secret under which the other end reads next: at TLS
 * 1.3 SERVER_TRAFFIC_SECRET_0 for a server, CLIENT_HANDSHAKE_TRAFFIC_SECRET for a client, as the key log names them.
 */
export function sendOwnAlert(raw: Socket, secured: TLSSocket, alert: number, secret: Buffer | undefined): void {
  const suite = secured.getCipher()?.standardName ?? ''
  const is13 = secured.getProtocol() === 'TLSv1.3'
  const record = is13
    ? secret && sealedAlert(suite, secret, alert)
    : Buffer.from([ALERT_TYPE, 3, 3, 0, 2, FATAL, alert])
  secured.on('error', () => {})
  if (!record) return void secured.destroy()
  raw.write(record)
  raw.end()
  // What the other end has sent meanwhile must be read: closing over unread bytes is a reset, which eats the alert.
  secured.resume()
  const timer = setTimeout(() => secured.destroy(), LINGER_MS).unref()
  secured.once('end', () => secured.destroy())
  secured.once('close', () => clearTimeout(timer))
}

/**
 * Ends a connection on which no handshake has begun: with an alert in the clear, with a text, or without a word. `version`
 * is the one agreed on: Go writes 3.1 on its records until there is one.
 */
export function endWithAlert(raw: Socket, last: number | string | undefined, version = 0x0301): void {
  // TLS 1.3 calls itself 1.2 on records.
  const minor = Math.min(version, 0x0303) & 0xff
  if (typeof last === 'number') raw.end(Buffer.from([ALERT_TYPE, 3, minor, 0, 2, FATAL, last]))
  else raw.end(last ?? '')
  raw.resume()
  const timer = setTimeout(() => raw.destroy(), LINGER_MS).unref()
  raw.once('close', () => clearTimeout(timer))
}

/** The alert as the first record under a traffic secret (RFC 8446 sections 5.2 and 7.3). */
export function sealedAlert(suite: string, secret: Buffer, alert: number): Buffer | undefined {
  const aead = AEADS[suite]
  if (!aead) return undefined
  const key = expandLabel(aead.hash, secret, 'key', aead.keyLength)
  const iv = expandLabel(aead.hash, secret, 'iv', 12)
  const content = Buffer.from([FATAL, alert, ALERT_TYPE])
  const header = Buffer.from([23, 3, 3, 0, content.length + 16])
  const cipher = createCipheriv(aead.cipher, key, iv, { authTagLength: 16 })
  cipher.setAAD(header)
  return Buffer.concat([header, cipher.update(content), cipher.final(), cipher.getAuthTag()])
}

function expandLabel(hash: string, secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`)
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])])
  return createHmac(hash, secret).update(info).digest().subarray(0, length)
}
