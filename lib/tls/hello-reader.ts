/** Takes a connection's first bytes as crypto/tls does (conn.go, readRecordOrCCS and readHandshake), up to the ClientHello. */
import { ALERTS, alertName, goAlertText } from './alerts.ts'
import { type ClientHello, readClientHello } from './client-hello.ts'

export type FirstBytes =
  /** Nothing can change before there are `atLeast` bytes. */
  | { kind: 'more'; atLeast: number }
  | { kind: 'hello'; hello: ClientHello }
  /** An end that Go puts to it; without `alert` nothing is sent. `refusedBy` names who ended it. */
  | { kind: 'fault'; alert?: number; text: string; code: string; refusedBy: 'us' | 'them' }

const ALERT_RECORD = 21
const HANDSHAKE_RECORD = 22
const HEADER_LENGTH = 5
/** maxCiphertext and maxHandshake of crypto/tls. */
const MOST_RECORD_BYTES = 16_384 + 2048
const MOST_PLAINTEXT_BYTES = 16_384
const MOST_HELLO_BYTES = 65_536
const CLIENT_HELLO = 1
const WARNING = 1
/** crypto/tls gives up after so many records that carry nothing. */
const MOST_USELESS_RECORDS = 16

/** The record header that a first record has, and plain HTTP has not (net/http server.go, tlsRecordHeaderLooksLikeHTTP). */
const HTTP_STARTS = ['GET /', 'HEAD ', 'POST ', 'PUT /', 'OPTIO']

export const NOT_TLS = 'tls: first record does not look like a TLS handshake'

export function looksLikeHttp(bytes: Buffer): boolean {
  return HTTP_STARTS.includes(bytes.toString('latin1', 0, HEADER_LENGTH))
}

/** Looks at all bytes that have come so far, from the first one. Pure. */
export function readFirstBytes(bytes: Buffer): FirstBytes {
  let message: Buffer = Buffer.alloc(0)
  let useless = 0
  let at = 0
  while (bytes.length - at >= HEADER_LENGTH) {
    const type = bytes[at]!
    const version = bytes.readUInt16BE(at + 1)
    const length = bytes.readUInt16BE(at + 3)
    const misfit = headerFault(type, version, length)
    if (misfit) return misfit
    if (bytes.length - at < HEADER_LENGTH + length) return { kind: 'more', atLeast: at + HEADER_LENGTH + length }
    const data = bytes.subarray(at + HEADER_LENGTH, at + HEADER_LENGTH + length)
    at += HEADER_LENGTH + length
    if (length > MOST_PLAINTEXT_BYTES) return alertFault('record_overflow')
    if (type === HANDSHAKE_RECORD && length > 0) {
      message = message.length === 0 ? data : Buffer.concat([message, data])
      const whole = wholeMessage(message)
      if (whole) return whole
      continue
    }
    const end = type === ALERT_RECORD ? alertRecord(data) : undefined
    if (end) return end
    if (++useless > MOST_USELESS_RECORDS) {
      return { ...alertFault('unexpected_message'), text: 'tls: too many ignored records' }
    }
  }
  return { kind: 'more', atLeast: at + HEADER_LENGTH }
}

function headerFault(type: number, version: number, length: number): FirstBytes | undefined {
  if (type === 0x80) return { ...alertFault('protocol_version'), text: 'tls: unsupported SSLv2 handshake received' }
  if ((type !== ALERT_RECORD && type !== HANDSHAKE_RECORD) || version >= 0x1000) {
    return { kind: 'fault', text: NOT_TLS, code: 'not_tls', refusedBy: 'us' }
  }
  if (length <= MOST_RECORD_BYTES) return undefined
  return { ...alertFault('record_overflow'), text: `tls: oversized record received with length ${length}` }
}

function wholeMessage(message: Buffer): FirstBytes | undefined {
  if (message.length < 4) return undefined
  const length = message.readUIntBE(1, 3)
  if (length > MOST_HELLO_BYTES) {
    const text = `tls: handshake message of length ${length} bytes exceeds maximum of ${MOST_HELLO_BYTES} bytes`
    return { ...alertFault('internal_error'), text }
  }
  if (message.length < 4 + length) return undefined
  if (message[0] !== CLIENT_HELLO) return alertFault('unexpected_message')
  const hello = readClientHello(message.subarray(4, 4 + length))
  return hello ? { kind: 'hello', hello } : alertFault('decode_error')
}

/** An alert instead of a hello: the client's own word, unless it is a warning. */
function alertRecord(data: Buffer): FirstBytes | undefined {
  const [level, alert] = data
  if (data.length !== 2 || level === undefined || alert === undefined) return alertFault('unexpected_message')
  if (alert === ALERTS.close_notify) return { kind: 'fault', text: 'EOF', code: 'EOF', refusedBy: 'them' }
  if (level === WARNING) return undefined
  if (level !== 2) return alertFault('unexpected_message')
  return { kind: 'fault', text: `remote error: tls: ${goAlertText(alert)}`, code: alertName(alert), refusedBy: 'them' }
}

function alertFault(name: keyof typeof ALERTS): Extract<FirstBytes, { kind: 'fault' }> {
  const alert = ALERTS[name]
  return { kind: 'fault', alert, text: `local error: tls: ${goAlertText(alert)}`, code: name, refusedBy: 'us' }
}
