/**
 * Who a request is: every credential is tried in order, the first that succeeds wins, and one that was refused keeps the
 * request from passing as anonymous. pkg/kubeapiserver/authenticator/config.go.
 */
import { ANONYMOUS } from '../../../lib/kube/user.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { ObjectCache } from '../contract.ts'
import { allowsAnonymous } from './anonymous.ts'
import type { AnonymousSettings } from './anonymous.ts'
import { bearerToken, websocketToken } from './bearer-token.ts'
import { userOfBootstrapToken } from './bootstrap-tokens.ts'
import { userOfClientCertificate } from './client-certificate.ts'
import type { CaBundle } from './client-certificate.ts'
import { userOfFrontProxy } from './front-proxy.ts'
import type { FrontProxySettings } from './front-proxy.ts'
import type { HeaderPair } from './request-headers.ts'
import { ServiceAccountTokens } from './service-account-tokens.ts'
import type { ServiceAccountSettings, TokenAnswer } from './service-account-tokens.ts'
import { userOfStaticToken } from './static-tokens.ts'

export interface AuthenticationSettings {
  /** The server's own; tried before all others. */
  loopback?: ReadonlyMap<string, User>
  clientCa?: CaBundle
  frontProxy?: FrontProxySettings
  staticTokens?: ReadonlyMap<string, User>
  serviceAccounts?: ServiceAccountSettings
  bootstrapTokens: boolean
  anonymous: AnonymousSettings
}

export interface Credentials {
  /** DER, leaf first; the same array for all requests of a connection. */
  peerChain: readonly Buffer[]
  headers: readonly HeaderPair[]
  /** Decoded path, for the conditions on anonymous. */
  path: string
}

/** Refused: what is logged, never said to the client. */
export type Authentication = { user: User } | { unauthorized: string }

const INVALID = 'invalid bearer token'
/** DefaultAuthenticationTokenSuccessCacheTTL: a revoked token may live this much longer. */
const SUCCESS_CACHE_MS = 10_000

export class Authenticator {
  readonly #settings: AuthenticationSettings
  readonly #objects: ObjectCache
  readonly #serviceAccounts: ServiceAccountTokens | undefined
  readonly #now: () => Date
  readonly #accepted = new Map<string, { until: number; answer: TokenAnswer }>()

  constructor(settings: AuthenticationSettings, objects: ObjectCache, now: () => Date = () => new Date()) {
    this.#settings = settings
    this.#objects = objects
    this.#now = now
    this.#serviceAccounts = settings.serviceAccounts && new ServiceAccountTokens(settings.serviceAccounts, objects)
  }

  authenticate({ peerChain, headers, path }: Credentials): Authentication {
    const now = this.#now()
    const { clientCa, frontProxy, anonymous } = this.#settings
    const token = bearerToken(headers)
    const self = token === undefined ? undefined : this.#self(token)
    if (self) return { user: self }
    const errors: string[] = token !== undefined && this.#settings.loopback ? [INVALID] : []
    const attempts = [
      () => frontProxy && userOfFrontProxy(peerChain, headers, frontProxy, now),
      () => clientCa && userOfClientCertificate(peerChain, clientCa, now),
      () => (token === undefined ? undefined : (this.#token(token) ?? { error: INVALID })),
      () => this.#websocket(headers),
    ]
    for (const attempt of attempts) {
      const said = attempt()
      if (said === undefined) continue
      if ('user' in said) return { user: withAuthenticated(said.user) }
      errors.push(said.error)
    }
    if (errors.length === 0 && allowsAnonymous(anonymous, path)) return { user: structuredClone(ANONYMOUS) }
    return { unauthorized: errors.length === 0 ? 'no credentials provided' : aggregateErrors(errors) }
  }

  /** What a TokenReview says of a token; without audiences those of the server are meant. */
  reviewToken(token: string, audiences?: readonly string[]): { user: User; audiences: string[] } | { error: string } {
    const own = this.#ownAmong(audiences)
    const self = own && this.#self(token)
    if (self) return { user: self, audiences: own }
    const said = this.#token(token, audiences)
    if (said && 'user' in said) return { user: withAuthenticated(said.user), audiences: said.audiences }
    // the server's own loopback token is tried first and always says the first of these
    return { error: aggregateErrors([INVALID, said?.error ?? INVALID]) }
  }

  #self(token: string): User | undefined {
    const { loopback } = this.#settings
    return loopback && userOfStaticToken(loopback, token)
  }

  #websocket(headers: readonly HeaderPair[]): { user: User } | { error: string } | undefined {
    const found = websocketToken(headers)
    if (found === undefined || 'error' in found) return found
    return this.#token(found.token) ?? { error: INVALID }
  }

  #token(token: string, audiences: readonly string[] = this.#apiAudiences): TokenAnswer {
    const now = this.#now()
    const key = JSON.stringify([token, audiences])
    const known = this.#accepted.get(key)
    if (known && known.until > now.getTime()) return known.answer
    this.#accepted.delete(key)
    const answer = this.#tryTokens(token, audiences, now)
    if (answer && 'user' in answer) this.#remember(key, answer, now)
    return answer
  }

  #tryTokens(token: string, audiences: readonly string[], now: Date): TokenAnswer {
    const { staticTokens, bootstrapTokens } = this.#settings
    const own = this.#ownAmong(audiences)
    const fromFile = staticTokens && own ? userOfStaticToken(staticTokens, token) : undefined
    if (fromFile && own) return { user: fromFile, audiences: own }
    const account = this.#serviceAccounts?.authenticate(token, audiences, now)
    if (account && 'user' in account) return account
    const joining = bootstrapTokens && own ? userOfBootstrapToken(this.#objects, token, now) : undefined
    return joining && own ? { user: joining, audiences: own } : account
  }

  #remember(key: string, answer: TokenAnswer, now: Date): void {
    for (const [each, { until }] of this.#accepted) if (until <= now.getTime()) this.#accepted.delete(each)
    this.#accepted.set(key, { until: now.getTime() + SUCCESS_CACHE_MS, answer })
  }

  /** For tokens that name no audience: they are good for the server's own. Undefined where none of those is asked for. */
  #ownAmong(audiences: readonly string[] = this.#apiAudiences): string[] | undefined {
    const own = this.#apiAudiences.filter((each) => audiences.includes(each))
    return own.length > 0 || this.#apiAudiences.length === 0 ? own : undefined
  }

  get #apiAudiences(): readonly string[] {
    return this.#settings.serviceAccounts?.apiAudiences ?? []
  }
}

/** Everybody who is somebody is in system:authenticated (apiserver/pkg/authentication/group). */
function withAuthenticated(user: User): User {
  const { username, groups } = user
  if (
    username === 'system:anonymous' ||
    groups.includes('system:authenticated') ||
    groups.includes('system:unauthenticated')
  )
    return user
  return { ...user, groups: [...groups, 'system:authenticated'] }
}

function aggregateErrors(errors: readonly string[]): string {
  const distinct = [...new Set(errors)]
  return distinct.length === 1 ? (distinct[0] ?? '') : `[${distinct.join(', ')}]`
}
