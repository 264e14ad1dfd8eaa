/** Role-based access: plugin/pkg/auth/authorizer/rbac/rbac.go. Rules only ever add; there is no deny. */
import type { User } from '../../../lib/kube/user.ts'
import type { ObjectCache, RequestInfo } from '../contract.ts'
import { ruleAllows } from './policy-rule.ts'
import { grantsFor } from './rule-resolver.ts'

/** Allowed with the words of the audit annotation, or refused with what went wrong on the way (missing roles), if anything. */
export function authorizeByRbac(
  objects: ObjectCache,
  user: User,
  request: RequestInfo,
): { allowed: boolean; reason: string } {
  const errors = new Set<string>()
  for (const grant of grantsFor(objects, user, request.namespace)) {
    if ('error' in grant) errors.add(grant.error)
    else if (ruleAllows(grant.rule, request)) return { allowed: true, reason: `RBAC: allowed by ${grant.source}` }
  }
  return { allowed: false, reason: errors.size === 0 ? '' : `RBAC: ${aggregate([...errors])}` }
}

/** utilerrors.NewAggregate: one message alone, several in brackets. */
export function aggregate(messages: readonly string[]): string {
  return messages.length === 1 ? (messages[0] ?? '') : `[${messages.join(', ')}]`
}
