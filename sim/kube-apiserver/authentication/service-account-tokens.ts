/**
 * Service account tokens, bound ones and the old ones that lie in Secrets: a signature by a key of the server, and then the
 * objects they speak of must still be there. pkg/serviceaccount/jwt.go, claims.go, legacy.go.
 */
import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { goQuote, goQuoteAll } from '../../../lib/kube/go-quote.ts'
import { keyId, parseJwt, verifyJwt } from '../../../lib/kube/jwt.ts'
import type { Jwt } from '../../../lib/kube/jwt.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import {
  serviceAccountGroups,
  serviceAccountUsername,
  splitServiceAccountUsername,
} from '../../../lib/kube/service-account-user.ts'
import type { User } from '../../../lib/kube/user.ts'
import { CREDENTIAL_ID } from '../../../lib/kube/x509-user.ts'
import type { ObjectCache } from '../contract.ts'

const LEGACY_ISSUER = 'kubernetes/serviceaccount'
/** go-jose's jwt.DefaultLeeway: for the clock, and for how long a deleted object's token lives on. */
const LEEWAY_MS = 60_000

export interface ServiceAccountSettings {
  /** --service-account-issuer, the first of which signs. */
  issuers: readonly string[]
  /** PEM public (or private) keys of --service-account-key-file. */
  keysPem: readonly string[]
  /** --api-audiences; the issuers where it is not given. */
  apiAudiences: readonly string[]
  /** --service-account-lookup: whether a legacy token must still lie in its Secret. */
  lookup: boolean
}

export type TokenAnswer = { user: User; audiences: string[] } | { error: string } | undefined

interface Reference {
  name?: string
  uid?: string
}

interface BoundClaims {
  namespace?: string
  serviceaccount?: Reference
  pod?: Reference
  node?: Reference
  secret?: Reference
}

export class ServiceAccountTokens {
  readonly #settings: ServiceAccountSettings
  readonly #objects: ObjectCache
  readonly #keys: { id: string; key: KeyObject }[]

  constructor(settings: ServiceAccountSettings, objects: ObjectCache) {
    this.#settings = settings
    this.#objects = objects
    this.#keys = settings.keysPem.map((pem) => createPublicKey(pem)).map((key) => ({ id: keyId(key), key }))
  }

  /** `undefined` where the token is none of this server's; `audiences` are those asked for. */
  authenticate(token: string, audiences: readonly string[], now: Date): TokenAnswer {
    const jwt = parseJwt(token)
    const issuer = jwt?.payload['iss']
    if (!jwt || typeof issuer !== 'string') return undefined
    const legacy = issuer === LEGACY_ISSUER
    if (!legacy && !this.#settings.issuers.includes(issuer)) return undefined
    const unsigned = this.#refuseSignature(jwt)
    if (unsigned !== undefined) return { error: unsigned }
    const stated = audiencesOf(jwt)
    const own = stated.length === 0 ? this.#settings.apiAudiences : stated
    const shared = own.filter((each) => audiences.includes(each))
    if (shared.length === 0 && this.#settings.apiAudiences.length > 0) {
      return {
        error: `token audiences ${goQuoteAll(own)} is invalid for the target audiences ${goQuoteAll(audiences)}`,
      }
    }
    const said = legacy ? this.#legacyUser(jwt, token) : this.#boundUser(jwt, now)
    return 'error' in said ? said : { user: said.user, audiences: shared }
  }

  #refuseSignature(jwt: Jwt): string | undefined {
    const { kid } = jwt.header
    const keys = typeof kid === 'string' && kid !== '' ? this.#keys.filter((each) => each.id === kid) : this.#keys
    if (keys.length === 0) return 'invalid signature, no keys found'
    if (keys.some(({ key }) => verifyJwt(jwt, key))) return undefined
    return 'go-jose/go-jose: error in cryptographic primitive'
  }

  #boundUser(jwt: Jwt, now: Date): { user: User } | { error: string } {
    const untimely = refuseTime(jwt, now)
    if (untimely !== undefined) return { error: untimely }
    const claims = (jwt.payload['kubernetes.io'] as BoundClaims | undefined) ?? {}
    const { namespace = '', pod, node, secret } = claims
    const account = claims.serviceaccount ?? {}
    const refused =
      this.#refuseAccount(namespace, account, now) ??
      this.#refuseBinding('secret', 'secrets', namespace, secret, now) ??
      this.#refuseBinding('pod', 'pods', namespace, pod, now) ??
      // a pod-bound token only tells its node: whether that one still exists is the pod's matter
      (pod ? undefined : this.#refuseBinding('node', 'nodes', '', node, now))
    if (refused !== undefined) return { error: refused }
    const extra: Record<string, string[]> = {}
    const { jti } = jwt.payload
    if (typeof jti === 'string' && jti !== '') extra[CREDENTIAL_ID] = [`JTI=${jti}`]
    addReference(extra, 'node', node)
    addReference(extra, 'pod', pod)
    return { user: accountUser(namespace, account.name ?? '', account.uid ?? '', extra) }
  }

  #refuseAccount(namespace: string, account: Reference, now: Date): string | undefined {
    const { name = '', uid = '' } = account
    if (name === '') return 'resource name may not be empty'
    const found = this.#objects.get('serviceaccounts', namespace, name)
    if (!found) return `serviceaccounts ${goQuote(name)} not found`
    if (found.metadata.uid !== uid) return `service account UID (${found.metadata.uid}) does not match claim (${uid})`
    return isGone(found, now) ? `service account ${namespace}/${name} has been deleted` : undefined
  }

  #refuseBinding(
    kind: string,
    resource: string,
    namespace: string,
    bound: Reference | undefined,
    now: Date,
  ): string | undefined {
    if (!bound) return undefined
    const found = this.#objects.get(resource, namespace, bound.name ?? '')
    if (!found) return 'service account token has been invalidated'
    const { uid } = found.metadata
    if (uid !== (bound.uid ?? ''))
      return `${kind} UID (${uid}) does not match service account ${kind} ref claim (${bound.uid ?? ''})`
    return isGone(found, now) ? 'service account token has been invalidated' : undefined
  }

  #legacyUser(jwt: Jwt, token: string): { user: User } | { error: string } {
    const claim = (name: string): string => {
      const value = jwt.payload[`kubernetes.io/serviceaccount/${name}`]
      return typeof value === 'string' ? value : ''
    }
    const [namespace, secretName, name, uid] = [
      claim('namespace'),
      claim('secret.name'),
      claim('service-account.name'),
      claim('service-account.uid'),
    ] as const
    if (namespace === '') return { error: 'namespace claim is missing' }
    if (secretName === '') return { error: 'secretName claim is missing' }
    if (name === '') return { error: 'serviceAccountName claim is missing' }
    if (uid === '') return { error: 'serviceAccountUID claim is missing' }
    const { sub } = jwt.payload
    const subject = splitServiceAccountUsername(typeof sub === 'string' ? sub : '')
    if (subject?.namespace !== namespace || subject.name !== name) return { error: 'sub claim is invalid' }
    const refused = this.#settings.lookup ? this.#refuseLegacy(namespace, secretName, { name, uid }, token) : undefined
    if (refused !== undefined) return { error: refused }
    return { user: accountUser(namespace, name, uid, {}) }
  }

  #refuseLegacy(
    namespace: string,
    secretName: string,
    account: { name: string; uid: string },
    token: string,
  ): string | undefined {
    const secret = this.#objects.get('secrets', namespace, secretName)
    if (!secret || secret.metadata.deletionTimestamp) return 'Token has been invalidated'
    const stored = (secret['data'] as Record<string, string> | undefined)?.['token'] ?? ''
    if (Buffer.from(stored, 'base64').toString() !== token) return "Token does not match server's copy"
    const found = this.#objects.get('serviceaccounts', namespace, account.name)
    if (!found) return `serviceaccounts ${goQuote(account.name)} not found`
    if (found.metadata.deletionTimestamp) return `ServiceAccount ${namespace}/${account.name} has been deleted`
    if (found.metadata.uid !== account.uid)
      return `ServiceAccount UID (${found.metadata.uid}) does not match claim (${account.uid})`
    const invalidSince = secret.metadata.labels?.['kubernetes.io/legacy-token-invalid-since']
    return invalidSince ? 'the token in secret was marked as invalid' : undefined
  }
}

function accountUser(namespace: string, name: string, uid: string, extra: Record<string, string[]>): User {
  const user: User = { username: serviceAccountUsername(namespace, name), uid, groups: serviceAccountGroups(namespace) }
  if (Object.keys(extra).length > 0) user.extra = extra
  return user
}

function addReference(extra: Record<string, string[]>, kind: 'pod' | 'node', reference: Reference | undefined): void {
  if (!reference) return
  extra[`authentication.kubernetes.io/${kind}-name`] = [reference.name ?? '']
  extra[`authentication.kubernetes.io/${kind}-uid`] = [reference.uid ?? '']
}

function audiencesOf(jwt: Jwt): string[] {
  const { aud } = jwt.payload
  if (typeof aud === 'string') return [aud]
  return Array.isArray(aud) ? aud.filter((each) => typeof each === 'string') : []
}

function refuseTime(jwt: Jwt, now: Date): string | undefined {
  const at = (claim: string): number | undefined => {
    const value = jwt.payload[claim]
    return typeof value === 'number' ? value * 1000 : undefined
  }
  const [expires, notBefore, issued] = [at('exp'), at('nbf'), at('iat')]
  const nowMs = now.getTime()
  if (notBefore !== undefined && nowMs + LEEWAY_MS < notBefore) return 'service account token is not valid yet'
  if (expires !== undefined && nowMs - LEEWAY_MS > expires) return 'service account token has expired'
  if (issued !== undefined && nowMs + LEEWAY_MS < issued) return 'service account token is issued in the future'
  return undefined
}

function isGone(object: KubeObject, now: Date): boolean {
  const { deletionTimestamp } = object.metadata
  return deletionTimestamp !== undefined && Date.parse(deletionTimestamp) < now.getTime() - LEEWAY_MS
}
