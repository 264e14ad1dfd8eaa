/** Rows of start.json that our member does not meet, and why. */
const INERT = 'a flag without effect here is not judged'

export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'auth-token-bad': INERT,
  'auth-token-jwt-no-key': INERT,
  'auto-compaction-bad-mode': INERT,
  'auto-tls-with-cert': INERT,
  'discovery-and-cluster': INERT,
  'feature-gate-unknown': INERT,
  'log-format-bad': INERT,
  'log-level-bad': INERT,
  'old-flag-logger': INERT,
  'both-schemes-one-port': 'a port of ours speaks TLS or does not',
  'crl-missing-file': 'the line is about the JSON gateway dialling its own member, and there is no gateway',
  'data-dir-garbage-wal': 'the log that lay there is not among the recordings',
}
