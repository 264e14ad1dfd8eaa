/** Puts the recorded requests of authn.json to our authenticator and authorizer, without a socket. */
import type { User } from '../../../lib/kube/user.ts'
import { anonymousUnder } from '../../../sim/kube-apiserver/authentication/anonymous.ts'
import type { AnonymousSettings } from '../../../sim/kube-apiserver/authentication/anonymous.ts'
import { Authenticator } from '../../../sim/kube-apiserver/authentication/authenticator.ts'
import type { AuthenticationSettings } from '../../../sim/kube-apiserver/authentication/authenticator.ts'
import { CaBundle } from '../../../sim/kube-apiserver/authentication/client-certificate.ts'
import { Impersonation } from '../../../sim/kube-apiserver/authentication/impersonation.ts'
import { createAuthorizer } from '../../../sim/kube-apiserver/authorization/authorizer.ts'
import type { AuthorizationMode, Authorize } from '../../../sim/kube-apiserver/authorization/authorizer.ts'
import { forbiddenMessage } from '../../../sim/kube-apiserver/authorization/forbidden-message.ts'
import { requestInfo } from '../../../sim/kube-apiserver/authorization/request-info.ts'
import { maskUids } from './authz-replay.ts'
import { ISSUER, RecordedCredentials } from './recorded-credentials.ts'
import { recorded, recordedWorld } from './recorded-world.ts'

export interface AuthnRow {
  id: string
  setup: string
  identity: string
  method: string
  path: string
  headers?: [name: string, value: string][]
  status?: number
  /** The alert of a handshake that failed. */
  tls?: string
  message?: string
  userInfo?: User
}

interface FlagSet {
  name: string
  changesToKubeadm?: Record<string, string | null>
  flags?: Record<string, string>
}

/** The files that the flags of a set name, by which of our CAs they hold. */
const BUNDLES: Record<string, string[]> = {
  '<dir>/pki/ca.crt': ['ca'],
  '<dir>/pki/front-proxy-ca.crt': ['front-proxy-ca'],
  '<dir>/pki/etcd/ca.crt': ['etcd-ca'],
  '<dir>/sub/bundle-two-cas.crt': ['ca', 'other-ca'],
  '<dir>/sub/team-ca.crt': ['team-ca'],
  '<dir>/clients/eku-none.crt': ['eku-none'],
}
const ANONYMOUS_FILES: Record<string, AnonymousSettings> = {
  '<dir>/conf/authn-anon-health.yaml': { enabled: true, paths: ['/healthz', '/livez', '/readyz'] },
  '<dir>/conf/authn-anon-off.yaml': { enabled: false },
}

interface ServerParts {
  authenticator: Authenticator
  impersonation: Impersonation
  authorize: Authorize
}

export class AuthnReplay {
  readonly #world = recordedWorld()
  readonly #credentials = new RecordedCredentials(this.#world.objects)
  readonly #flagSets = new Map(recorded<FlagSet>('flagsets.json').map((set) => [set.name, set]))
  readonly #servers = new Map<string, ServerParts>()

  /** `undefined` where we answer as the row does. */
  replay(row: AuthnRow): { expected: string; got: string } | undefined {
    const { authenticator, impersonation, authorize } = this.#server(row.setup)
    const [certificate, token] = credentialsOf(row.identity)
    const headers = (row.headers ?? []).map(([name, value]): [string, string] => [name, this.#expand(value)])
    if (token !== undefined) headers.push(['Authorization', `Bearer ${this.#credentials.token(token)}`])
    const peerChain = certificate === undefined ? [] : this.#credentials.chain(certificate)
    const info = requestInfo(row.method, row.path)
    const who = authenticator.authenticate({ peerChain, headers, path: info.path })
    if (!('user' in who)) return same(expectedOf(row), '401')
    const acting = impersonation.apply(who.user, headers, info)
    if (acting && 'refusal' in acting) return same(expectedOf(row), `${acting.refusal.code} ${acting.refusal.message}`)
    const user = acting?.user ?? who.user
    const { decision, reason } = authorize(user, info)
    if (decision !== 'allow') return same(expectedOf(row), `403 ${forbiddenMessage(user.username, info, reason)}`)
    const got = row.userInfo ? `201 ${toldUser(user)}` : 'allowed'
    return same(expectedOf(row), got)
  }

  #server(setup: string): ServerParts {
    const known = this.#servers.get(setup)
    if (known) return known
    const flags: Record<string, string | null> = {
      ...this.#flagSets.get('base')?.flags,
      ...this.#flagSets.get(setup)?.changesToKubeadm,
    }
    const modes = (flags['--authorization-mode'] ?? '').split(',') as AuthorizationMode[]
    const { objects } = this.#world
    const authorize = createAuthorizer(modes, objects)
    const constrained = flags['--feature-gates'] !== 'ConstrainedImpersonation=false'
    const server: ServerParts = {
      authenticator: new Authenticator(this.#settings(flags, modes), objects),
      impersonation: new Impersonation(authorize, { constrained }),
      authorize,
    }
    this.#servers.set(setup, server)
    return server
  }

  #settings(flags: Record<string, string | null>, modes: readonly string[]): AuthenticationSettings {
    const bundle = (flag: string): CaBundle | undefined => {
      const names = BUNDLES[flags[flag] ?? '']
      const pem = names?.map((name) => this.#credentials.pem(name)).join('')
      return pem === undefined ? undefined : new CaBundle(() => pem)
    }
    const list = (flag: string): string[] => flags[flag]?.split(',') ?? []
    const clientCa = bundle('--client-ca-file')
    const frontProxyCa = bundle('--requestheader-client-ca-file')
    const audiences = list('--api-audiences')
    const anonymous = ANONYMOUS_FILES[flags['--authentication-config'] ?? ''] ?? {
      enabled: flags['--anonymous-auth'] !== 'false',
    }
    return {
      ...(clientCa && { clientCa }),
      ...(frontProxyCa && {
        frontProxy: {
          ca: frontProxyCa,
          allowedNames: list('--requestheader-allowed-names'),
          usernameHeaders: list('--requestheader-username-headers'),
          uidHeaders: list('--requestheader-uid-headers'),
          groupHeaders: list('--requestheader-group-headers'),
          extraHeaderPrefixes: list('--requestheader-extra-headers-prefix'),
        },
      }),
      ...(flags['--token-auth-file'] && { staticTokens: this.#credentials.staticTokens }),
      serviceAccounts: {
        issuers: [ISSUER],
        keysPem: [this.#credentials.serviceAccountKeyPem],
        apiAudiences: audiences.length > 0 ? audiences : [ISSUER],
        lookup: flags['--service-account-lookup'] !== 'false',
      },
      bootstrapTokens: flags['--enable-bootstrap-token-auth'] === 'true',
      anonymous: anonymousUnder(anonymous, modes),
    }
  }

  #expand(value: string): string {
    return value
      .replace(/\{\{token:([^}]*)\}\}/g, (_, name: string) => this.#credentials.token(`token:${name}`))
      .replace(/\{\{b64url-token:([^}]*)\}\}/g, (_, name: string) =>
        Buffer.from(this.#credentials.token(`token:${name}`)).toString('base64url'),
      )
  }
}

function credentialsOf(identity: string): [certificate: string | undefined, token: string | undefined] {
  if (identity === 'anonymous') return [undefined, undefined]
  if (identity.startsWith('token:')) return [undefined, identity]
  const [certificate, token] = identity.split('+')
  return [certificate, token]
}

function expectedOf({ status, tls, message, userInfo }: AuthnRow): string {
  // a certificate that does not parse ends the handshake; here, without one, it is only refused
  if (tls !== undefined || status === 401) return '401'
  if (status === 403 || status === 400) return `${status} ${message ?? ''}`
  return userInfo ? `201 ${toldUser(userInfo)}` : 'allowed'
}

function toldUser({ username, uid, groups, extra }: User): string {
  const said = Object.entries(extra ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const text = JSON.stringify({ username, uid, groups, extra: said })
  return maskUids(text.replace(/JTI=[^"]*/, 'JTI=<jti>').replace(/SHA256=[^"]*/, 'SHA256=<sha256>'))
}

function same(expected: string, got: string): { expected: string; got: string } | undefined {
  return expected === got ? undefined : { expected, got }
}
