/**
 * A TLS 1.2 session ticket as OpenSSL seals it (RFC 5077 section 4): key name, IV, the session by AES-CBC, HMAC-SHA256. The
 * session is DER and holds the master secret.
 */
import { createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto'

const NAME_BYTES = 16
const IV_BYTES = 16
const MAC_BYTES = 32

/** The master secret, or undefined where the ticket was sealed with another key or is broken. */
export function masterSecretInTicket(ticket: Buffer, ticketKey: Buffer): Buffer | undefined {
  const key = layoutOf(ticketKey)
  const macAt = ticket.length - MAC_BYTES
  if (key === undefined || macAt <= NAME_BYTES + IV_BYTES) return undefined
  if (!ticket.subarray(0, NAME_BYTES).equals(key.name)) return undefined
  const mac = createHmac('sha256', key.mac).update(ticket.subarray(0, macAt)).digest()
  if (!timingSafeEqual(mac, ticket.subarray(macAt))) return undefined
  const iv = ticket.subarray(NAME_BYTES, NAME_BYTES + IV_BYTES)
  const decipher = createDecipheriv(key.cipher, key.seal, iv)
  try {
    return masterKey(Buffer.concat([decipher.update(ticket.subarray(NAME_BYTES + IV_BYTES, macAt)), decipher.final()]))
  } catch {
    return undefined
  }
}

interface TicketKey {
  name: Buffer
  mac: Buffer
  seal: Buffer
  cipher: 'aes-128-cbc' | 'aes-256-cbc'
}

/** 48 bytes: name, MAC key, AES-128 key. 80 bytes, nginx's longer form: name, AES-256 key, MAC key. */
function layoutOf(key: Buffer): TicketKey | undefined {
  const name = key.subarray(0, NAME_BYTES)
  if (key.length === 48) return { name, mac: key.subarray(16, 32), seal: key.subarray(32), cipher: 'aes-128-cbc' }
  if (key.length === 80) return { name, seal: key.subarray(16, 48), mac: key.subarray(48), cipher: 'aes-256-cbc' }
  return undefined
}

const MASTER_SECRET_BYTES = 48
const OCTET_STRING = 0x04

/** OpenSSL's SSL_SESSION_ASN1: version, protocol, cipher, session id, master key, each an INTEGER or OCTET STRING. */
function masterKey(session: Buffer): Buffer | undefined {
  let at = session[1] === undefined || session[1] < 0x80 ? 2 : 2 + (session[1] & 0x7f)
  for (let element = 0; element < 5 && at + 2 <= session.length; element += 1) {
    const length = session[at + 1] ?? 0
    const value = session.subarray(at + 2, at + 2 + length)
    if (element === 4) return session[at] === OCTET_STRING && value.length === MASTER_SECRET_BYTES ? value : undefined
    at += 2 + length
  }
  return undefined
}
