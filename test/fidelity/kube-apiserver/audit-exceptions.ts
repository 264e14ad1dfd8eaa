/** Rows of audit.json that our log does not meet, and why. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'audit-exec-websocket-no-kubelet': 'the replay opens no WebSocket',
  'audit-log-no-kubelet': 'what is said instead of a kubelet passes by the log, which has the code alone',
  'audit-impersonated': 'the caller had impersonated in the legacy mode before, in requests that are not here',
  'audit-own-audit-id': 'which of two bindings is named depends on a hash table there',
  'audit-stale-token': 'annotations about old tokens are not made',
  'audit-legacy-token': 'annotations about old tokens are not made',
  'audit-unauthorized-both': 'the replay sends one credential',
}
