/** Puts the recorded requests of authz.json to our authorizer and admission, without a socket. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { AdmissionOperation, AdmissionRequest } from '../../../sim/kube-apiserver/admission/plugin.ts'
import {
  invalidAccessReview,
  reviewAccess,
  reviewRules,
} from '../../../sim/kube-apiserver/authorization/access-review.ts'
import type { AccessReviewKind, RulesReviewStatus } from '../../../sim/kube-apiserver/authorization/access-review.ts'
import { forbiddenMessage } from '../../../sim/kube-apiserver/authorization/forbidden-message.ts'
import type { PolicyRule } from '../../../sim/kube-apiserver/authorization/policy-rule.ts'
import { requestInfo } from '../../../sim/kube-apiserver/authorization/request-info.ts'
import type { RequestInfo } from '../../../sim/kube-apiserver/contract.ts'
import { withRequests } from './recorded-requests.ts'
import { identities, recordedWorld } from './recorded-world.ts'
import type { World } from './recorded-world.ts'

export interface AuthzRow {
  id: string
  identity: string
  method: string
  path: string
  headers?: [name: string, value: string][]
  body?: unknown
  status?: number
  reason?: string
  message?: string
  details?: unknown
  /** The status of a review. */
  review?: unknown
}

/** `registry`: both let it pass and the answer comes from what lies behind them. */
export type Replayed = 'authorization' | 'admission' | 'review' | 'registry' | { expected: string; got: string }

const CONNECTS = new Set(['exec', 'attach', 'portforward', 'proxy'])
const OPERATIONS: Record<string, AdmissionOperation> = {
  create: 'CREATE',
  update: 'UPDATE',
  patch: 'UPDATE',
  delete: 'DELETE',
}

export class AuthzReplay {
  readonly #world: World = recordedWorld()
  readonly #who = identities()

  replay(row: AuthzRow): Replayed {
    const { authorize, admission } = this.#world
    let info: RequestInfo
    try {
      info = requestInfo(row.method, row.path)
    } catch (error) {
      return same(row.status === 400, `${row.status}`, `400 ${String(error)}`, 'authorization')
    }
    const user = this.#who(row.identity)
    const { decision, reason } = authorize(user, info)
    if (decision !== 'allow') {
      const message = forbiddenMessage(user.username, info, reason)
      // HEAD answers without a body; protobuf and YAML bodies were recorded as text
      return same(
        row.status === 403 && (row.message ?? message) === message,
        told(row),
        `403 ${message}`,
        'authorization',
      )
    }
    if (refusedByAuthorization(row)) return { expected: told(row), got: 'allowed' }
    const seen = this.#admission(row, info, user)
    // the registry's own refusals (409, 422, ...) come between the two
    const refusal = seen && (admission.mutate(seen) ?? (registryRefuses(row) ? undefined : admission.validate(seen)))
    if (!refusal && row.status === 403) return { expected: told(row), got: 'admitted' }
    if (!refusal) return seen?.object ? this.#review(row, info, user, seen.object) : 'registry'
    const { code, message = '' } = refusal.status
    return same(
      row.status === code && row.message === maskUids(message),
      told(row),
      `${code} ${maskUids(message)}`,
      'admission',
    )
  }

  #review(row: AuthzRow, info: RequestInfo, user: User, object: KubeObject): Replayed {
    const { authorize, objects } = this.#world
    if (info.resource === 'selfsubjectrulesreviews' && row.status === 201) {
      const { namespace = '' } = object['spec'] as { namespace?: string }
      return sameReview(row.review, sortedRules(reviewRules(objects, ['Node', 'RBAC'], user, namespace)))
    }
    const kind = ACCESS_REVIEWS[info.resource]
    if (!kind) return 'registry'
    const invalid = invalidAccessReview(kind, object, info.namespace)
    if (invalid) {
      // the metadata told back holds managedFields that only the real server makes
      const agrees = row.status === 422 && (row.message === invalid.message || row.id.includes('-name-set-'))
      return same(agrees, told(row), `422 ${invalid.message}`, 'review')
    }
    return sameReview(row.review, reviewAccess(authorize, kind, object, user))
  }

  /** What admission sees of the row; undefined for reads, and for writes that never reach it. */
  #admission(row: AuthzRow, info: RequestInfo, user: User): AdmissionRequest | undefined {
    const operation = OPERATIONS[info.verb]
    if (!operation || !info.isResourceRequest || CONNECTS.has(info.subresource)) return undefined
    const stored = this.#world.objects.get(
      info.resource,
      info.resource === 'namespaces' ? '' : info.namespace,
      info.name,
    )
    if (operation === 'DELETE') return stored && { operation, request: info, user, oldObject: stored }
    const body = this.#expand(row.body)
    if (typeof body !== 'object' || body === null) return undefined
    if (operation === 'CREATE') {
      const object = structuredClone(body) as KubeObject
      object.metadata ??= {}
      return { operation, request: info, user, object }
    }
    if (info.verb === 'update') {
      return {
        operation: stored ? 'UPDATE' : 'CREATE',
        request: info,
        user,
        object: body as KubeObject,
        ...(stored && { oldObject: stored }),
      }
    }
    if (!stored || contentType(row) !== 'application/merge-patch+json') return undefined
    return { operation, request: info, user, object: mergePatch(stored, body) as KubeObject, oldObject: stored }
  }

  #expand(body: unknown): unknown {
    if (body === undefined) return undefined
    const text = withRequests(JSON.stringify(body)).replace(/\{\{uid:([^}]*)\}\}/g, (_, path: string) => {
      const parts = path.split('/')
      const name = parts.at(-1) ?? ''
      return (
        this.#world.objects.get(parts[0] ?? '', parts.length === 3 ? (parts[1] ?? '') : '', name)?.metadata.uid ?? ''
      )
    })
    return JSON.parse(text)
  }
}

function refusedByAuthorization({ status, message = '' }: AuthzRow): boolean {
  return status === 403 && /User ".*" cannot /s.test(message)
}

function registryRefuses({ status = 0 }: AuthzRow): boolean {
  return status >= 400 && status !== 403
}

const ACCESS_REVIEWS: Record<string, AccessReviewKind> = {
  subjectaccessreviews: 'SubjectAccessReview',
  selfsubjectaccessreviews: 'SelfSubjectAccessReview',
  localsubjectaccessreviews: 'LocalSubjectAccessReview',
}

/** The real server gives rules in no order; the recorded ones are sorted. */
function sortedRules(review: RulesReviewStatus): RulesReviewStatus {
  return { ...review, resourceRules: inOrder(review.resourceRules), nonResourceRules: inOrder(review.nonResourceRules) }
}

function inOrder(rules: readonly PolicyRule[]): PolicyRule[] {
  return rules.toSorted((a, b) => (canonical(a) < canonical(b) ? -1 : 1))
}

function sameReview(expected: unknown, got: unknown): Replayed {
  return canonical(expected) === canonical(got) ? 'review' : { expected: canonical(expected), got: canonical(got) }
}

/** JSON with the keys of objects in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}

function same(agrees: boolean, expected: string, got: string, by: 'authorization' | 'admission' | 'review'): Replayed {
  return agrees ? by : { expected, got }
}

function told({ status, message = '' }: AuthzRow): string {
  return `${status} ${message}`
}

function contentType({ headers = [] }: AuthzRow): string {
  return headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? 'application/json'
}

/** RFC 7396. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const merged: Record<string, unknown> = typeof target === 'object' && target !== null ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else merged[key] = mergePatch(merged[key], value)
  }
  return merged
}

export function maskUids(text: string): string {
  return text.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uid>')
}
