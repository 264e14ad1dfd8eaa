/** The one door by which foreign errors (Node, OpenSSL, the system) enter and leave as our own words. */
import { ALERTS, alertName, goAlertText } from './alerts.ts'
import type { Layer } from './layer.ts'

export interface RefusalDetails {
  /** Alert number, sent or received. */
  alert?: number
  /** Whose word it is, where it is anybody's: this end's or the other's. */
  who?: 'us' | 'them'
  cause?: unknown
  /** `ip:port` of both ends of the connection that was refused, where one stood: what a witness line is joined on. */
  local?: string
  remote?: string
}

/** A connection or handshake that somebody refused, or that failed without anybody's word (`layer` undefined). */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  /** Undefined where nobody's word is known: a reset, a hang, a crash. Such a refusal is never evidence. */
  readonly layer: Layer | undefined
  /** `ECONNREFUSED`, an alert's name such as `unknown_ca`, or a verification word such as `unknown_authority`. */
  readonly code: string
  readonly details: RefusalDetails

  constructor(layer: Layer | undefined, code: string, message: string, details: RefusalDetails = {}) {
    super(message, { cause: details.cause })
    this.layer = layer
    this.code = code
    this.details = details
  }
}

type Side = 'server' | 'client'

/** One way in which Node, OpenSSL or the system says how a connection ended, and Go's words for the same. */
export interface ForeignError {
  /** Matched against `code`, then the message: 20 and 26 name the same thing differently. */
  match: RegExp
  /** Which end sees it so; absent means either. */
  side?: Side
  layer: Layer | undefined
  /** Ours; absent keeps Node's. */
  code?: string
  who?: 'us' | 'them'
  alert?: number
  text: (match: RegExpExecArray, subject: string) => string
}

const said = (text: string) => () => text
const ours = (name: keyof typeof ALERTS) =>
  ({ layer: 'tls-alert', who: 'us', code: name, alert: ALERTS[name] }) as const
/** Nobody's word: a reset, an end, a hang. What the defender witnessed says more, or nothing does. */
const NOBODY = { layer: undefined } as const

/** The first row that matches counts. Texts: crypto/tls, net and syscall of Go. */
export const FOREIGN_ERRORS: readonly ForeignError[] = [
  {
    match: /alert number (\d+)/,
    layer: 'tls-alert',
    who: 'them',
    text: (match) => `remote error: tls: ${goAlertText(Number(match[1]))}`,
  },
  {
    match: /ECONNREFUSED/,
    layer: 'tcp',
    who: 'them',
    code: 'ECONNREFUSED',
    text: (_, subject) => `${subject}connect: connection refused`,
  },
  { match: /ENETUNREACH/, ...NOBODY, text: (_, subject) => `${subject}connect: network is unreachable` },
  { match: /^(EACCES|EPERM)/, layer: 'os', who: 'us', text: (match, subject) => `${subject}${match.input}` },
  { match: /socket hang up|before secure TLS connection/, ...NOBODY, code: 'EOF', text: said('EOF') },
  {
    match: /ECONNRESET/,
    ...NOBODY,
    code: 'ECONNRESET',
    text: (_, subject) => `${subject}read: connection reset by peer`,
  },
  { match: /EPIPE/, ...NOBODY, code: 'EPIPE', text: (_, subject) => `${subject}write: broken pipe` },
  {
    // What came is no TLS, and nobody has refused anything.
    match: /WRONG_VERSION_NUMBER|wrong version number/,
    side: 'client',
    ...NOBODY,
    code: 'not_tls',
    text: said('tls: first record does not look like a TLS handshake'),
  },
  {
    // Beyond what answer-hello.ts looks at: OpenSSL wants the curve of an ECDSA certificate among the client's groups.
    match: /NO_SHARED_CIPHER|no shared cipher/,
    side: 'server',
    ...ours('handshake_failure'),
    text: said('tls: no cipher suite supported by both client and server'),
  },
  {
    match: /UNSUPPORTED_PROTOCOL|unsupported protocol/,
    side: 'client',
    ...ours('protocol_version'),
    text: said('tls: server selected unsupported protocol version'),
  },
  {
    // The server's random says that it would have taken more than it was offered (RFC 8446 section 4.1.3).
    match: /INAPPROPRIATE_FALLBACK|inappropriate fallback/,
    side: 'client',
    ...ours('illegal_parameter'),
    text: said('tls: downgrade attempt detected, possibly due to a MitM attack or a broken middlebox'),
  },
  {
    match: /BAD_SIGNATURE|bad signature|DECRYPT_ERROR|SIGNATURE_FAILURE|signature failure/,
    side: 'client',
    ...ours('decrypt_error'),
    text: said('tls: invalid signature by the server certificate'),
  },
  {
    match: /BAD_SIGNATURE|bad signature|DECRYPT_ERROR|SIGNATURE_FAILURE|signature failure/,
    side: 'server',
    ...ours('decrypt_error'),
    text: said('tls: invalid signature by the client certificate'),
  },
  {
    match: /BAD_RECORD_MAC|bad record mac|CIPHER_OPERATION_FAILED/,
    ...ours('bad_record_mac'),
    text: said('local error: tls: bad record MAC'),
  },
  {
    match: /UNEXPECTED_MESSAGE|unexpected message/,
    ...ours('unexpected_message'),
    text: said('local error: tls: unexpected message'),
  },
  {
    match: /LENGTH_MISMATCH|BAD_LENGTH|DECODE_ERROR|length mismatch|NESTED_ASN1|asn1|ASN1/,
    ...ours('decode_error'),
    text: said('local error: tls: error decoding message'),
  },
]

/** Puts any error of a socket into our words. `subject`, such as `dial tcp 127.0.0.1:1`, stands before those that need one. */
export function refusalOf(error: unknown, context: { subject?: string; side?: Side } = {}): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof Error && error.cause instanceof Refusal) return error.cause
  const { message, code = 'unknown' } =
    error instanceof Error ? (error as NodeJS.ErrnoException) : { message: String(error) }
  const subject = context.subject ? `${context.subject}: ` : ''
  for (const row of FOREIGN_ERRORS) {
    if (row.side && context.side && row.side !== context.side) continue
    const match = row.match.exec(message) ?? row.match.exec(code)
    if (!match) continue
    const alert = row.alert ?? (match[0].startsWith('alert number') ? Number(match[1]) : undefined)
    const name = row.code ?? (alert === undefined ? code : alertName(alert))
    return new Refusal(row.layer, name, row.text(match, subject), {
      ...(alert === undefined ? {} : { alert }),
      ...(row.who ? { who: row.who } : {}),
      cause: error,
    })
  }
  return new Refusal(undefined, code, `${subject}${message}`, { cause: error })
}
