/**
 * Where a refusal happened. `tls-alert`: the peer's handshake alert; `cert-verify`: the dialler rejected the
 * server's certificate; `os`: file mode, uid or capability; `ttl`: a credential that has expired or was deleted.
 */
export const LAYERS = [
  'route',
  'tcp',
  'tls-alert',
  'cert-verify',
  '401',
  '403-rbac',
  '403-node',
  'admission',
  'approval',
  'app',
  'os',
  'ttl',
  'at-rest',
  'crypto',
] as const

export type Layer = (typeof LAYERS)[number]
