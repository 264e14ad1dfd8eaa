import type { TLSSocket } from 'node:tls'
import type { KeyPair } from './listen.ts'
import type { TlsPolicy } from './policy.ts'

export interface DialOptions {
  address: string
  port: number
  /** Source address; the host's face (lib/cluster/place.ts). */
  localAddress?: string
  /** Name or IP the server's certificate must carry, by Go's rules. SNI is sent where it is a name. */
  serverName: string
  /** PEM bundle to verify the server with; `undefined` means no certificate is trusted. */
  caPem?: string
  /** Go's InsecureSkipVerify. */
  insecureSkipVerify?: boolean
  keyPair?: KeyPair
  alpn?: readonly string[]
  policy?: TlsPolicy
  timeoutMs?: number
}

/** Opens a verified TLS connection. Rejects with a Refusal: `tcp`, `tls-alert` (the server's), `cert-verify` (ours). */
export declare function dialTls(options: DialOptions): Promise<TLSSocket>
