/** Which RBAC rules apply to a user: pkg/registry/rbac/validation/rule.go. */
import { goQuote } from '../../../lib/kube/go-quote.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { serviceAccountUsername } from '../../../lib/kube/service-account-user.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { ObjectCache } from '../contract.ts'
import type { PolicyRule } from './policy-rule.ts'

export interface RoleRef {
  apiGroup: string
  kind: string
  name: string
}

export interface Subject {
  kind: string
  name: string
  namespace?: string
  apiGroup?: string
}

/** Thrown where a role is asked for that does not exist; `code` is what a request that needs it is answered with. */
export class RoleLookupError extends Error {
  override readonly name = 'RoleLookupError'
  readonly code: 404 | 500

  constructor(code: 404 | 500, message: string) {
    super(message)
    this.code = code
  }
}

/** One rule that applies and where it comes from, or a role that a binding names and nobody made. */
export type Grant = { rule: PolicyRule; source: string } | { error: string }

/** Grants in the order RBAC tries them: cluster role bindings, then those of the namespace. */
export function* grantsFor(objects: ObjectCache, user: User, namespace: string): Generator<Grant> {
  yield* grants(objects, user, '', objects.list('clusterrolebindings'))
  if (namespace !== '') yield* grants(objects, user, namespace, objects.list('rolebindings', namespace))
}

function* grants(
  objects: ObjectCache,
  user: User,
  namespace: string,
  bindings: readonly KubeObject[],
): Generator<Grant> {
  for (const binding of bindings) {
    const subject = ((binding['subjects'] as Subject[] | undefined) ?? []).find((each) =>
      appliesTo(user, each, namespace),
    )
    if (!subject) continue
    const roleRef = binding['roleRef'] as RoleRef
    let rules: PolicyRule[]
    try {
      rules = roleRules(objects, roleRef, namespace)
    } catch (error) {
      if (!(error instanceof RoleLookupError)) throw error
      yield { error: error.message }
      continue
    }
    const source = describe(binding, roleRef, subject, namespace)
    for (const rule of rules) yield { rule, source }
  }
}

/** The rules of the role a binding in `namespace` (empty: a cluster role binding) names. Throws a RoleLookupError. */
export function roleRules(objects: ObjectCache, roleRef: RoleRef, namespace: string): PolicyRule[] {
  if (roleRef.kind !== 'Role' && roleRef.kind !== 'ClusterRole') {
    throw new RoleLookupError(500, `unsupported role reference kind: ${goQuote(roleRef.kind)}`)
  }
  const role =
    roleRef.kind === 'Role'
      ? objects.get('roles', namespace, roleRef.name)
      : objects.get('clusterroles', '', roleRef.name)
  if (!role) {
    const kind = roleRef.kind.toLowerCase()
    throw new RoleLookupError(404, `${kind}.rbac.authorization.k8s.io ${goQuote(roleRef.name)} not found`)
  }
  return (role['rules'] as PolicyRule[] | null | undefined) ?? []
}

function appliesTo(user: User, subject: Subject, namespace: string): boolean {
  if (subject.kind === 'User') return subject.name === user.username
  if (subject.kind === 'Group') return user.groups.includes(subject.name)
  if (subject.kind !== 'ServiceAccount') return false
  const home = subject.namespace || namespace
  return home !== '' && serviceAccountUsername(home, subject.name) === user.username
}

function describe(binding: KubeObject, roleRef: RoleRef, subject: Subject, namespace: string): string {
  const kind = namespace === '' ? 'ClusterRoleBinding' : 'RoleBinding'
  const name = namespace === '' ? binding.metadata.name : `${binding.metadata.name}/${namespace}`
  const who = subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace || namespace}` : subject.name
  return `${kind} ${goQuote(name ?? '')} of ${roleRef.kind} ${goQuote(roleRef.name)} to ${subject.kind} ${goQuote(who)}`
}
