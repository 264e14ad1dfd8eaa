/**
 * What SubjectAccessReview and its kin say: pkg/registry/authorization, pkg/apis/authorization/validation. The review's
 * object comes and goes by the registry; here is only the decision.
 */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { invalid } from '../../../lib/kube/status.ts'
import type { FieldError, StatusError } from '../../../lib/kube/status.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { ObjectCache, RequestInfo } from '../contract.ts'
import type { AuthorizationMode, Authorize } from './authorizer.ts'
import { nodeIdentity } from './node-identity.ts'
import type { PolicyRule } from './policy-rule.ts'
import { aggregate } from './rbac-authorizer.ts'
import { grantsFor } from './rule-resolver.ts'

interface SelectorAttributes {
  rawSelector?: string
  requirements?: { key: string; operator: string; values?: string[] }[]
}

interface ResourceAttributes {
  namespace?: string
  verb?: string
  group?: string
  version?: string
  resource?: string
  subresource?: string
  name?: string
  fieldSelector?: SelectorAttributes
  labelSelector?: SelectorAttributes
}

interface AccessReviewSpec {
  resourceAttributes?: ResourceAttributes
  nonResourceAttributes?: { path?: string; verb?: string }
  user?: string
  uid?: string
  groups?: string[]
  extra?: Record<string, string[]>
}

export type AccessReviewKind = 'SubjectAccessReview' | 'SelfSubjectAccessReview' | 'LocalSubjectAccessReview'

export interface AccessReviewStatus {
  allowed: boolean
  denied?: true
  reason?: string
  evaluationError?: string
}

/** Why the review is not one (422), or undefined. `namespace` is the URL's, for LocalSubjectAccessReview. */
export function invalidAccessReview(
  kind: AccessReviewKind,
  review: KubeObject,
  namespace: string,
): StatusError | undefined {
  const spec = specOf(review)
  const errors: FieldError[] = []
  const add = (field: string, value: unknown, text: string): void => {
    errors.push({ reason: 'FieldValueInvalid', field, message: `Invalid value: ${JSON.stringify(value)}: ${text}` })
  }
  if (spec.resourceAttributes && spec.nonResourceAttributes) {
    const { path = '', verb = '' } = spec.nonResourceAttributes
    add(
      'spec.nonResourceAttributes',
      { Path: path, Verb: verb },
      'cannot be specified in combination with resourceAttributes',
    )
  }
  if (!spec.resourceAttributes && !spec.nonResourceAttributes) {
    add('spec.resourceAttributes', null, 'exactly one of nonResourceAttributes or resourceAttributes must be specified')
  }
  if (kind !== 'SelfSubjectAccessReview' && !spec.user && !spec.groups?.length) {
    add('spec.user', '', 'at least one of user or group must be specified')
  }
  const meta = withoutBookkeeping(review, kind === 'LocalSubjectAccessReview')
  if (Object.keys(meta).length > 0) add('metadata', meta, 'must be empty')
  if (kind === 'LocalSubjectAccessReview') {
    const asked = spec.resourceAttributes?.namespace ?? ''
    if (asked !== namespace) add('spec.resourceAttributes.namespace', asked, 'must match metadata.namespace')
    if (spec.nonResourceAttributes) {
      const { path = '', verb = '' } = spec.nonResourceAttributes
      add('spec.nonResourceAttributes', { Path: path, Verb: verb }, 'disallowed on this kind of request')
    }
  }
  if (errors.length === 0) return undefined
  // the real server names no kind here, only the group
  const refusal = invalid('', 'authorization.k8s.io', '', errors)
  delete refusal.status.details?.kind
  return refusal
}

/** `caller` is who the review is about where it is a SelfSubjectAccessReview. */
export function reviewAccess(
  authorize: Authorize,
  kind: AccessReviewKind,
  review: KubeObject,
  caller: User,
): AccessReviewStatus {
  const spec = specOf(review)
  const user = kind === 'SelfSubjectAccessReview' ? caller : userOf(spec)
  const { decision, reason, error } = authorize(user, requestOf(spec))
  const status: AccessReviewStatus = { allowed: decision === 'allow' }
  if (decision === 'deny') status.denied = true
  if (reason !== '') status.reason = reason
  if (error !== undefined) status.evaluationError = error
  return status
}

export interface RulesReviewStatus {
  resourceRules: PolicyRule[]
  nonResourceRules: PolicyRule[]
  incomplete: boolean
  evaluationError?: string
}

/** SelfSubjectRulesReview: what RBAC grants in a namespace, and a word where that is not all. */
export function reviewRules(
  objects: ObjectCache,
  modes: readonly AuthorizationMode[],
  user: User,
  namespace: string,
): RulesReviewStatus {
  const status: RulesReviewStatus = { resourceRules: [], nonResourceRules: [], incomplete: false }
  const errors: string[] = []
  for (const mode of modes) {
    if (mode === 'Node' && nodeIdentity(user) !== undefined)
      errors.push('node authorizer does not support user rule resolution')
    if (mode === 'AlwaysAllow') {
      status.resourceRules.push({ verbs: ['*'], apiGroups: ['*'], resources: ['*'] })
      status.nonResourceRules.push({ verbs: ['*'], nonResourceURLs: ['*'] })
    }
    if (mode !== 'RBAC') continue
    for (const grant of grantsFor(objects, user, namespace)) {
      if ('error' in grant) errors.push(grant.error)
      else if (grant.rule.nonResourceURLs) status.nonResourceRules.push(grant.rule)
      else status.resourceRules.push(grant.rule)
    }
  }
  if (errors.length > 0) {
    status.incomplete = true
    status.evaluationError = aggregate([...new Set(errors)])
  }
  return status
}

function specOf(review: KubeObject): AccessReviewSpec {
  return (review['spec'] as AccessReviewSpec | undefined) ?? {}
}

function withoutBookkeeping(review: KubeObject, local: boolean): Record<string, unknown> {
  const meta: Record<string, unknown> = { ...review.metadata }
  for (const field of ['managedFields', 'creationTimestamp', 'uid', 'generation']) delete meta[field]
  if (local) delete meta['namespace']
  return Object.fromEntries(
    Object.entries(meta).filter(([, value]) => value !== undefined && value !== null && value !== ''),
  )
}

function userOf(spec: AccessReviewSpec): User {
  const user: User = { username: spec.user ?? '', groups: spec.groups ?? [] }
  if (spec.uid) user.uid = spec.uid
  if (spec.extra) user.extra = spec.extra
  return user
}

function requestOf({ resourceAttributes, nonResourceAttributes }: AccessReviewSpec): RequestInfo {
  const asked = resourceAttributes ?? {}
  return {
    verb: (resourceAttributes ? asked.verb : nonResourceAttributes?.verb) ?? '',
    apiGroup: asked.group ?? '',
    apiVersion: asked.version ?? '',
    resource: asked.resource ?? '',
    subresource: asked.subresource ?? '',
    namespace: asked.namespace ?? '',
    name: asked.name ?? '',
    path: nonResourceAttributes?.path ?? '',
    isResourceRequest: resourceAttributes !== undefined,
    fieldSelector: selectorText(asked.fieldSelector),
    labelSelector: selectorText(asked.labelSelector),
  }
}

/** Field selectors know only equality; other requirements widen the question and are left out, as the real one does. */
function selectorText(selector: SelectorAttributes = {}): string {
  if (selector.rawSelector) return selector.rawSelector
  const terms = (selector.requirements ?? []).flatMap(({ key, operator, values = [] }) => {
    const [value, ...more] = values
    if (value === undefined || more.length > 0) return []
    if (operator === 'In') return [`${key}=${escapeValue(value)}`]
    return operator === 'NotIn' ? [`${key}!=${escapeValue(value)}`] : []
  })
  return terms.join(',')
}

function escapeValue(value: string): string {
  return value.replace(/[\\,=]/g, '\\$&')
}
