/** TLS alert descriptions (RFC 8446 section 6), by number and by name. */
export const ALERTS = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  inappropriate_fallback: 86,
  user_canceled: 90,
  missing_extension: 109,
  unsupported_extension: 110,
  unrecognized_name: 112,
  unknown_psk_identity: 115,
  certificate_required: 116,
  no_application_protocol: 120,
} as const

const NAMES = new Map<number, string>(Object.entries(ALERTS).map(([name, number]) => [number, name]))

export function alertName(alert: number): string {
  return NAMES.get(alert) ?? `alert_${alert}`
}

/** Go's words for an alert (crypto/tls alert.go), as in `remote error: tls: bad certificate`. */
export function goAlertText(alert: number): string {
  const name = alertName(alert)
  if (alert === ALERTS.unknown_ca) return 'unknown certificate authority'
  if (alert === ALERTS.certificate_expired) return 'expired certificate'
  if (alert === ALERTS.decode_error) return 'error decoding message'
  if (alert === ALERTS.decrypt_error) return 'error decrypting message'
  if (alert === ALERTS.protocol_version) return 'protocol version not supported'
  if (alert === ALERTS.bad_record_mac) return 'bad record MAC'
  if (alert === ALERTS.no_application_protocol) return 'no application protocol'
  return name.replaceAll('_', ' ')
}
