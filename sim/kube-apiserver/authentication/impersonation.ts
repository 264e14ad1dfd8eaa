/**
 * Acting as somebody else by Impersonate-* headers: apiserver/pkg/endpoints/filters/impersonation. Since 1.36 a right may be
 * limited to what is done and to whom (KEP-5284); whoever has the old right needs no such.
 */
import { goQuote } from '../../../lib/kube/go-quote.ts'
import { serviceAccountGroups, splitServiceAccountUsername } from '../../../lib/kube/service-account-user.ts'
import { badRequest, failure } from '../../../lib/kube/status.ts'
import type { Status, StatusDetails } from '../../../lib/kube/status.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { Authorize } from '../authorization/authorizer.ts'
import { forbiddenMessage } from '../authorization/forbidden-message.ts'
import { nodeIdentity } from '../authorization/node-identity.ts'
import type { AuthorizationDecision, RequestInfo } from '../contract.ts'
import { extraOf } from './front-proxy.ts'
import { firstHeader, headerValues } from './request-headers.ts'
import type { HeaderPair } from './request-headers.ts'

/** Who the request is from here on; `by` only where a refusal is an authorizer's. */
/** `constraint`: the mode that let it pass, where that was not the legacy one. */
export type Impersonated = { user: User; constraint?: string } | { refusal: Status; by?: AuthorizationDecision['by'] }

interface Wanted {
  user: string
  groups: string[]
  uid: string
  extra: Record<string, string[]>
}

type Mode = 'associated-node' | 'arbitrary-node' | 'serviceaccount' | 'user-info' | 'legacy'
type Refused = { refusal: Status; by: AuthorizationDecision['by'] }

const AUTHENTICATION_GROUP = 'authentication.k8s.io'

export class Impersonation {
  readonly #authorize: Authorize
  readonly #constrained: boolean
  /** What worked last for a caller is tried first, and the first failure is the one that is told. */
  readonly #lastMode = new Map<string, Mode>()

  /** `constrained`: gate ConstrainedImpersonation, on since 1.36. */
  constructor(authorize: Authorize, { constrained }: { constrained: boolean }) {
    this.#authorize = authorize
    this.#constrained = constrained
  }

  /** `undefined` where the request impersonates nobody. */
  apply(caller: User, headers: readonly HeaderPair[], request: RequestInfo): Impersonated | undefined {
    const wanted = wantedOf(headers)
    if (wanted.user === '') return isEmpty(wanted) ? undefined : { refusal: withoutUser(wanted, this.#constrained) }
    const last = this.#lastMode.get(caller.username)
    const possible: Mode[] = this.#constrained ? modesFor(caller, wanted) : ['legacy']
    const modes =
      last !== undefined && possible.includes(last) ? [last, ...possible.filter((mode) => mode !== last)] : possible
    let told: Refused | undefined
    for (const mode of modes) {
      const refused = mode === 'legacy' ? this.#legacy(caller, wanted) : this.#limited(mode, caller, wanted, request)
      if (!refused) {
        this.#lastMode.set(caller.username, mode)
        return { user: resultOf(wanted), ...(mode !== 'legacy' && { constraint: `impersonate:${mode}` }) }
      }
      // a node's own modes say nothing of why they refused
      if (mode !== 'associated-node' && mode !== 'arbitrary-node') told ??= refused
    }
    return told
  }

  #legacy(caller: User, wanted: Wanted): Refused | undefined {
    return this.#first(caller, 'impersonate', identityRequests(wanted, ''))
  }

  #limited(mode: Mode, caller: User, wanted: Wanted, request: RequestInfo): Refused | undefined {
    const onTarget = this.#ask(caller, { ...request, verb: `impersonate-on:${mode}:${request.verb}` })
    if (onTarget) return onTarget
    const reserved = reservedGroup(wanted)
    const requests = mode.endsWith('-node')
      ? [nodeRequest(mode, wanted)]
      : identityRequests(wanted, AUTHENTICATION_GROUP)
    if (reserved)
      return refusedBy(
        caller,
        { ...identity('groups', AUTHENTICATION_GROUP, reserved.name), verb: `impersonate:${mode}` },
        reserved.reason,
      )
    return this.#first(caller, `impersonate:${mode}`, requests)
  }

  #first(caller: User, verb: string, requests: readonly RequestInfo[]): Refused | undefined {
    for (const request of requests) {
      const refused = this.#ask(caller, { ...request, verb })
      if (refused) return refused
    }
    return undefined
  }

  #ask(caller: User, request: RequestInfo): Refused | undefined {
    const { decision, reason, by } = this.#authorize(caller, request)
    return decision === 'allow' ? undefined : refusedBy(caller, request, reason, by)
  }
}

function wantedOf(headers: readonly HeaderPair[]): Wanted {
  return {
    user: firstHeader(headers, 'Impersonate-User'),
    groups: headerValues(headers, 'Impersonate-Group'),
    uid: firstHeader(headers, 'Impersonate-Uid'),
    extra: extraOf(headers, ['Impersonate-Extra-']),
  }
}

function isEmpty({ groups, uid, extra }: Wanted): boolean {
  return groups.length === 0 && uid === '' && Object.keys(extra).length === 0
}

/** The modes that fit the wanted user, in the order they are tried. */
function modesFor(caller: User, wanted: Wanted): Mode[] {
  const node = nodeIdentity({ username: wanted.user, groups: wanted.groups })
  if (node !== undefined) {
    const own = caller.extra?.['authentication.kubernetes.io/node-name']?.includes(node) === true
    return own ? ['associated-node', 'arbitrary-node', 'legacy'] : ['arbitrary-node', 'legacy']
  }
  return [splitServiceAccountUsername(wanted.user) ? 'serviceaccount' : 'user-info', 'legacy']
}

/** What must be allowed about the wanted identity itself. `group` is that of users, groups and accounts. */
function identityRequests({ user, groups, uid, extra }: Wanted, group: string): RequestInfo[] {
  const account = splitServiceAccountUsername(user)
  const requests = [
    account
      ? { ...identity('serviceaccounts', group, account.name), namespace: account.namespace }
      : identity('users', group, user),
    ...groups.map((name) => identity('groups', group, name)),
  ]
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values)
      requests.push({ ...identity('userextras', AUTHENTICATION_GROUP, value), subresource: key })
  }
  if (uid !== '') requests.push(identity('uids', AUTHENTICATION_GROUP, uid))
  return requests
}

function nodeRequest(mode: Mode, wanted: Wanted): RequestInfo {
  const node = nodeIdentity({ username: wanted.user, groups: wanted.groups }) ?? ''
  return identity('nodes', AUTHENTICATION_GROUP, mode === 'associated-node' ? '*' : node)
}

function identity(resource: string, apiGroup: string, name: string): RequestInfo {
  return {
    verb: 'impersonate',
    apiGroup,
    apiVersion: 'v1',
    resource,
    subresource: '',
    namespace: '',
    name,
    path: '',
    isResourceRequest: true,
    fieldSelector: '',
    labelSelector: '',
  }
}

function reservedGroup({ groups }: Wanted): { name: string; reason: string } | undefined {
  if (groups.includes('')) return { name: '', reason: 'impersonating the empty string group is not allowed' }
  if (!groups.includes('system:masters')) return undefined
  return { name: 'system:masters', reason: 'impersonating the system:masters group is not allowed' }
}

function refusedBy(caller: User, request: RequestInfo, reason: string, by: Refused['by'] = 'rbac'): Refused {
  const details: StatusDetails = {}
  if (request.name !== '') details.name = request.name
  if (request.apiGroup !== '') details.group = request.apiGroup
  if (request.resource !== '') details.kind = request.resource
  return { refusal: failure(403, 'Forbidden', forbiddenMessage(caller.username, request, reason), details), by }
}

function resultOf({ user, groups, uid, extra }: Wanted): User {
  const account = splitServiceAccountUsername(user)
  const given = account && groups.length === 0 ? serviceAccountGroups(account.namespace) : groups
  const result: User = { username: user, groups: withBuiltIn(user, given) }
  if (uid !== '') result.uid = uid
  if (Object.keys(extra).length > 0) result.extra = extra
  return result
}

function withBuiltIn(user: string, groups: string[]): string[] {
  const [own, other] = ['system:authenticated', 'system:unauthenticated']
  if (user === 'system:anonymous') return groups.includes(other) ? groups : [...groups, other]
  return groups.includes(own) || groups.includes(other) ? groups : [...groups, own]
}

/** The answer quotes the wanted identity as Go prints its struct. */
function withoutUser(wanted: Wanted, constrained: boolean): Status {
  const text = constrained
    ? `${goDump(wanted)} without impersonating a user name`
    : `${goList(wanted)} without impersonating a user`
  return badRequest(`requested ${text}`).status
}

function goStrings(values: readonly string[]): string {
  return `[]string{${values.map(goQuote).join(', ')}}`
}

function goDump({ groups, uid, extra }: Wanted): string {
  const entries = Object.entries(extra).map(([key, values]) => `${goQuote(key)}:${goStrings(values)}`)
  const groupsText = groups.length === 0 ? '[]string(nil)' : goStrings(groups)
  const extraText = entries.length === 0 ? 'map[string][]string(nil)' : `map[string][]string{${entries.join(', ')}}`
  return `&user.DefaultInfo{Name:"", UID:${goQuote(uid)}, Groups:${groupsText}, Extra:${extraText}}`
}

/** `%v` of object references: kind, namespace, name, uid, version, resource version, field path. */
function goList({ groups, uid, extra }: Wanted): string {
  const version = `${AUTHENTICATION_GROUP}/v1`
  const references = groups.map((name) => `{Group  ${name}    }`)
  for (const [key, values] of Object.entries(extra))
    references.push(...values.map((value) => `{UserExtra  ${value}  ${version}  ${key}}`))
  if (uid !== '') references.push(`{UID  ${uid}  ${version}  }`)
  return `[${references.join(' ')}]`
}
