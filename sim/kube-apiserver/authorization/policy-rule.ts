/** rbac.authorization.k8s.io/v1 PolicyRule, and what it allows: pkg/apis/rbac/v1/evaluation_helpers.go. */
import type { RequestInfo } from '../contract.ts'

export interface PolicyRule {
  verbs: string[]
  apiGroups?: string[]
  resources?: string[]
  resourceNames?: string[]
  nonResourceURLs?: string[]
}

export function ruleAllows(rule: PolicyRule, request: RequestInfo): boolean {
  if (!matches(rule.verbs, request.verb)) return false
  if (!request.isResourceRequest) return pathMatches(rule.nonResourceURLs ?? [], request.path)
  return (
    matches(rule.apiGroups ?? [], request.apiGroup) &&
    resourceMatches(rule.resources ?? [], request.resource, request.subresource) &&
    nameMatches(rule.resourceNames ?? [], request.name)
  )
}

function matches(values: readonly string[], value: string): boolean {
  return values.includes('*') || values.includes(value)
}

// `*` covers subresources, `pods` does not; `*/scale` is the scale of any resource; `pods/*` covers nothing.
function resourceMatches(resources: readonly string[], resource: string, subresource: string): boolean {
  if (matches(resources, subresource === '' ? resource : `${resource}/${subresource}`)) return true
  return subresource !== '' && resources.includes(`*/${subresource}`)
}

function nameMatches(names: readonly string[], name: string): boolean {
  return names.length === 0 || names.includes(name)
}

function pathMatches(patterns: readonly string[], path: string): boolean {
  return patterns.some((pattern) => {
    if (pattern === '*' || pattern === path) return true
    return pattern.endsWith('*') && path.startsWith(pattern.replace(/\*+$/, ''))
  })
}
