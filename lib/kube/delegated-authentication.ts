/**
 * Who asks a server that keeps no users of its own: kubelet, kube-scheduler and kube-controller-manager. Client certificates
 * against the CA bundle of the moment, then bearer tokens by kube-apiserver's TokenReview, then anonymous.
 * apiserver/pkg/authentication/authenticatorfactory/delegating.go.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { parseCertificate, type Certificate } from '../x509/parse.ts'
import { certPool, type CertPool } from '../x509/pool.ts'
import { verify } from '../x509/verify.ts'
import { StatusError, type KubeClient } from './client.ts'
import { ANONYMOUS, type User } from './user.ts'
import { userFromCertificate } from './x509-user.ts'

export interface DelegatedAuthenticationOptions {
  /** PEM of this moment; certificates say nothing while there is none. */
  clientCaPem?: () => string | undefined
  /** Asks the TokenReviews; without one a bearer token is not looked at. */
  client?: KubeClient
  anonymous: boolean
  /** How long a good token stays known. A refused one is asked about each time. */
  tokenCacheMs?: number
}

export interface Caller {
  /** DER, leaf first. */
  peerChain: readonly Buffer[]
  headers: IncomingHttpHeaders
}

/** Without a user the answer is 401; `error` is what the server logs. */
export interface AuthenticationAnswer {
  user?: User
  error?: string
}

const TOKEN_CACHE_MS = 120_000
const AUTHENTICATED = 'system:authenticated'
const UNAUTHENTICATED = 'system:unauthenticated'
const TOKEN_PROTOCOL = 'base64url.bearer.authorization.k8s.io.'

export class DelegatedAuthentication {
  readonly #options: DelegatedAuthenticationOptions
  readonly #tokens = new Map<string, { user: User; untilMs: number }>()
  #pool: { pem: string; pool: CertPool } | undefined

  constructor(options: DelegatedAuthenticationOptions) {
    this.#options = options
  }

  async authenticate(caller: Caller): Promise<AuthenticationAnswer> {
    const errors: string[] = []
    for (const attempt of [() => this.#byCertificate(caller.peerChain), () => this.#byToken(caller.headers)]) {
      const answer = await attempt()
      if (answer.user) return { user: withAuthenticated(answer.user) }
      if (answer.error !== undefined) errors.push(answer.error)
    }
    // an error is no absence: anonymous does not help whoever showed a bad credential
    if (errors.length > 0) return { error: errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]` }
    return this.#options.anonymous ? { user: ANONYMOUS } : {}
  }

  #byCertificate(peerChain: readonly Buffer[]): AuthenticationAnswer {
    const roots = this.#roots()
    if (!roots || peerChain.length === 0) return {}
    try {
      const chain = peerChain.map(parseCertificate)
      const verdict = verify(chain, { roots, time: new Date(), usage: 'clientAuth' })
      if (!verdict.ok) return { error: `verifying certificate ${identifier(chain[0]!)} failed: ${verdict.error}` }
      const user = userFromCertificate(chain[0]!)
      return user ? { user } : {}
    } catch (error) {
      return { error: (error as Error).message }
    }
  }

  async #byToken(headers: IncomingHttpHeaders): Promise<AuthenticationAnswer> {
    const { client, tokenCacheMs = TOKEN_CACHE_MS } = this.#options
    if (!client) return {}
    const token = bearerOf(headers)
    if (token === undefined) return {}
    const known = this.#tokens.get(token)
    if (known && known.untilMs > Date.now()) return { user: known.user }
    this.#tokens.delete(token)
    try {
      const review = await client.create('/apis/authentication.k8s.io/v1/tokenreviews', {
        kind: 'TokenReview',
        apiVersion: 'authentication.k8s.io/v1',
        metadata: {},
        spec: { token },
        status: { user: {} },
      })
      const status = (review['status'] ?? {}) as { authenticated?: boolean; user?: Partial<User>; error?: string }
      if (status.authenticated !== true) {
        return { error: status.error ? `[invalid bearer token, ${status.error}]` : 'invalid bearer token' }
      }
      const { username = '', uid, groups = [], extra } = status.user ?? {}
      const user: User = { username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) }
      this.#tokens.set(token, { user, untilMs: Date.now() + tokenCacheMs })
      return { user }
    } catch (error) {
      return {
        error: error instanceof StatusError ? error.message : `Post "${client.server}": ${(error as Error).message}`,
      }
    }
  }

  #roots(): CertPool | undefined {
    const pem = this.#options.clientCaPem?.()
    if (pem === undefined) return undefined
    if (this.#pool?.pem !== pem) this.#pool = { pem, pool: certPool(pem) }
    return this.#pool.pool
  }
}

/** A token in a header, or in a WebSocket's subprotocol, where browsers can put one. */
function bearerOf(headers: IncomingHttpHeaders): string | undefined {
  const [scheme, token] = (headers.authorization ?? '').trim().split(' ')
  if (scheme?.toLowerCase() === 'bearer' && token) return token
  const upgrade = headers.upgrade?.toLowerCase() === 'websocket'
  const offered = upgrade ? (headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim()) : []
  const carrier = offered.find((each) => each.startsWith(TOKEN_PROTOCOL))
  return carrier && Buffer.from(carrier.slice(TOKEN_PROTOCOL.length), 'base64url').toString('utf8')
}

/** group.AuthenticatedGroupAdder. */
function withAuthenticated(user: User): User {
  if (user.groups.includes(AUTHENTICATED) || user.groups.includes(UNAUTHENTICATED)) return user
  return { ...user, groups: [...user.groups, AUTHENTICATED] }
}

function identifier(leaf: Certificate): string {
  return `SN=${leaf.serialNumber}, SKID=${columns(leaf.subjectKeyId)}, AKID=${columns(leaf.authorityKeyId)}`
}

function columns(bytes: Uint8Array | undefined): string {
  return [...(bytes ?? [])].map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(':')
}
