/** The one door by which foreign errors (Node, OpenSSL, the system) enter and leave as our own words. */
import { ALERTS, alertName, goAlertText } from './alerts.ts'
import type { Layer } from './layer.ts'

export interface RefusalDetails {
  /** Alert number, sent or received. */
  alert?: number
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

/** OpenSSL reasons that stand for what this end did, with Go's words for the same (crypto/tls handshake_server.go). */
const OWN_REASONS: ReadonlyArray<readonly [RegExp, string, number]> = [
  [
    /UNSUPPORTED_PROTOCOL|unsupported protocol/,
    'tls: client offered only unsupported versions',
    ALERTS.protocol_version,
  ],
  [
    /NO_SHARED_CIPHER|no shared cipher/,
    'tls: no cipher suite supported by both client and server',
    ALERTS.handshake_failure,
  ],
  [
    /NO_SUITABLE_KEY_SHARE|no suitable key share/,
    'tls: no supported elliptic curves offered',
    ALERTS.handshake_failure,
  ],
  [
    /NO_APPLICATION_PROTOCOL|no application protocol/,
    'tls: client requested unsupported application protocols',
    ALERTS.no_application_protocol,
  ],
  [
    /WRONG_VERSION_NUMBER|HTTP_REQUEST|wrong version number|http request/,
    'tls: first record does not look like a TLS handshake',
    0,
  ],
]

/**
 * Puts any error of a socket into our words. `alert number N` in the message is the other end's alert, whichever code
 * this Node gives it (20 says ERR_SSL_SSLV3_ALERT_…, 26 ERR_SSL_SSL/TLS_ALERT_…).
 */
export function refusalOf(error: unknown, context: { subject?: string } = {}): Refusal {
  if (error instanceof Refusal) return error
  const inner = error instanceof Error && error.cause instanceof Refusal ? error.cause : undefined
  if (inner) return inner
  const { message, code = 'unknown' } =
    error instanceof Error ? (error as NodeJS.ErrnoException) : { message: String(error) }
  const subject = context.subject ? `${context.subject}: ` : ''
  const number = /alert number (\d+)/.exec(message)?.[1]
  if (number !== undefined) {
    const alert = Number(number)
    return new Refusal('tls-alert', alertName(alert), `remote error: tls: ${goAlertText(alert)}`, {
      alert,
      cause: error,
    })
  }
  if (code === 'ECONNREFUSED') return new Refusal('tcp', code, `${subject}connection refused`, { cause: error })
  if (code === 'EACCES' || code === 'EPERM') return new Refusal('os', code, `${subject}${message}`, { cause: error })
  for (const [pattern, text, alert] of OWN_REASONS) {
    if (pattern.test(code) || pattern.test(message)) {
      return new Refusal('tls-alert', alertName(alert), text, { ...(alert ? { alert } : {}), cause: error })
    }
  }
  return new Refusal(undefined, code, `${subject}${message}`, { cause: error })
}
