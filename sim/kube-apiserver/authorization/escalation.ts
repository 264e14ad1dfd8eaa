/**
 * Nobody grants what he does not hold: pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased,
 * component-helpers/auth/rbac/validation.
 */
import { isDeepStrictEqual } from 'node:util'
import { goQuote, goQuoteAll } from '../../../lib/kube/go-quote.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { failure, notFound } from '../../../lib/kube/status.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { AdmissionContext, AdmissionRefusal, AdmissionRequest } from '../admission/plugin.ts'
import { forbid } from '../admission/plugin.ts'
import type { ObjectCache, RequestInfo } from '../contract.ts'
import type { PolicyRule } from './policy-rule.ts'
import { aggregate } from './rbac-authorizer.ts'
import { grantsFor, RoleLookupError, roleRules } from './rule-resolver.ts'
import type { RoleRef } from './rule-resolver.ts'

const GROUP = 'rbac.authorization.k8s.io'
const NAME = 'RBAC'

/** system:masters passes as everybody does who may `escalate` or `bind`. */
export function refuseEscalation(admission: AdmissionRequest, context: AdmissionContext): AdmissionRefusal | undefined {
  const { operation, request, object } = admission
  if (request.apiGroup !== GROUP || !object || (operation !== 'CREATE' && operation !== 'UPDATE')) return undefined
  const said = request.resource.endsWith('bindings')
    ? refuseBinding(admission, context)
    : refuseRole(admission, context)
  return said && { ...said, layer: '403-rbac' }
}

function refuseRole(
  admission: AdmissionRequest,
  { objects, authorize }: AdmissionContext,
): AdmissionRefusal | undefined {
  const { request, user, object, oldObject } = admission
  const rules = rulesOf(object)
  const aggregation = object?.['aggregationRule']
  if (
    oldObject &&
    isDeepStrictEqual(rules, rulesOf(oldObject)) &&
    isDeepStrictEqual(aggregation, oldObject['aggregationRule'])
  ) {
    return undefined
  }
  const asked = { ...request, verb: 'escalate', subresource: '', name: request.name || (object?.metadata.name ?? '') }
  if (authorize(user, asked).decision === 'allow') return undefined
  const held = heldRules(objects, user, request.namespace)
  if (aggregation && covers(held.rules, EVERYTHING).length > 0) {
    return forbid(NAME, admission, 'must have cluster-admin privileges to use the aggregationRule')
  }
  return refuseUncovered(admission, held, rules)
}

const EVERYTHING: PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
]

function refuseBinding(
  admission: AdmissionRequest,
  { objects, authorize }: AdmissionContext,
): AdmissionRefusal | undefined {
  const { request, user, object, oldObject } = admission
  const roleRef = object?.['roleRef'] as RoleRef
  if (
    oldObject &&
    isDeepStrictEqual(oldObject['roleRef'], roleRef) &&
    isDeepStrictEqual(oldObject['subjects'], object?.['subjects'])
  ) {
    return undefined
  }
  const resource = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles'
  const asked: RequestInfo = { ...request, verb: 'bind', resource, subresource: '', name: roleRef.name }
  if (authorize(user, asked).decision === 'allow') return undefined
  let rules: PolicyRule[]
  try {
    rules = roleRules(objects, roleRef, request.namespace)
  } catch (error) {
    if (!(error instanceof RoleLookupError)) throw error
    return unresolvedRole(admission, roleRef, error)
  }
  return refuseUncovered(admission, heldRules(objects, user, request.namespace), rules)
}

// the answer names the binding's resource and the role's name
function unresolvedRole({ request }: AdmissionRequest, roleRef: RoleRef, error: RoleLookupError): AdmissionRefusal {
  const what = { group: request.apiGroup, resource: request.resource }
  const status = error.code === 500 ? failure(500, '', error.message) : notFound(what, roleRef.name).status
  return { plugin: NAME, layer: '403-rbac', status }
}

interface HeldRules {
  rules: PolicyRule[]
  errors: string[]
}

function heldRules(objects: ObjectCache, user: User, namespace: string): HeldRules {
  const held: HeldRules = { rules: [], errors: [] }
  for (const grant of grantsFor(objects, user, namespace)) {
    if ('error' in grant) held.errors.push(grant.error)
    else held.rules.push(grant.rule)
  }
  return held
}

function refuseUncovered(
  admission: AdmissionRequest,
  held: HeldRules,
  wanted: readonly PolicyRule[],
): AdmissionRefusal | undefined {
  const missing = covers(held.rules, wanted)
  if (missing.length === 0) return undefined
  const { username, groups } = admission.user
  const lines = [...new Set(compact(missing).map(describe))].toSorted()
  const who = `user ${goQuote(username)} (groups=${goQuoteAll(groups)})`
  const text = `${who} is attempting to grant RBAC permissions not currently held:\n${lines.join('\n')}`
  return forbid(
    NAME,
    admission,
    held.errors.length === 0 ? text : `${text}; resolution errors: [${aggregate(held.errors)}]`,
  )
}

function rulesOf(role: KubeObject | undefined): PolicyRule[] {
  return (role?.['rules'] as PolicyRule[] | null | undefined) ?? []
}

/** The parts of `wanted`, each of one verb, resource and name, that no rule of `held` covers. */
function covers(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakDown).filter((part) => !held.some((rule) => ruleCovers(rule, part)))
}

function breakDown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = []
  for (const group of rule.apiGroups ?? []) {
    for (const resource of rule.resources ?? []) {
      for (const verb of rule.verbs) {
        const part: PolicyRule = { apiGroups: [group], resources: [resource], verbs: [verb] }
        const names = rule.resourceNames ?? []
        parts.push(...(names.length === 0 ? [part] : names.map((name) => ({ ...part, resourceNames: [name] }))))
      }
    }
  }
  for (const url of rule.nonResourceURLs ?? [])
    parts.push(...rule.verbs.map((verb) => ({ nonResourceURLs: [url], verbs: [verb] })))
  return parts
}

function ruleCovers(rule: PolicyRule, part: PolicyRule): boolean {
  const [group, resource, verb, name, url] = [
    part.apiGroups?.[0],
    part.resources?.[0],
    part.verbs[0],
    part.resourceNames?.[0],
    part.nonResourceURLs?.[0],
  ]
  if (!includes(rule.verbs, verb)) return false
  if (url !== undefined) return (rule.nonResourceURLs ?? []).some((owned) => urlCovers(owned, url))
  if (!includes(rule.apiGroups, group) || !resourceCovers(rule.resources ?? [], resource ?? '')) return false
  const names = rule.resourceNames ?? []
  return names.length === 0 || (name !== undefined && names.includes(name))
}

function includes(values: readonly string[] | undefined, value: string | undefined): boolean {
  return values !== undefined && value !== undefined && (values.includes('*') || values.includes(value))
}

function resourceCovers(owned: readonly string[], resource: string): boolean {
  if (owned.includes('*') || owned.includes(resource)) return true
  const slash = resource.indexOf('/')
  return slash >= 0 && owned.includes(`*/${resource.slice(slash + 1)}`)
}

function urlCovers(owned: string, url: string): boolean {
  return owned === url || (owned.endsWith('*') && url.startsWith(owned.replace(/\*+$/, '')))
}

/** Parts of the same group and resource, without a name, become one line with all their verbs. */
function compact(parts: readonly PolicyRule[]): PolicyRule[] {
  const simple = new Map<string, PolicyRule>()
  const others: PolicyRule[] = []
  for (const part of parts) {
    if (part.resourceNames || part.nonResourceURLs) {
      others.push(part)
      continue
    }
    const key = `${part.apiGroups?.[0]}/${part.resources?.[0]}`
    const known = simple.get(key)
    if (known) known.verbs.push(...part.verbs)
    else simple.set(key, { ...part, verbs: [...part.verbs] })
  }
  return [...others, ...simple.values()]
}

function describe({ apiGroups, resources, nonResourceURLs, resourceNames, verbs }: PolicyRule): string {
  const parts: [string, string[] | undefined][] = [
    ['APIGroups', apiGroups],
    ['Resources', resources],
    ['NonResourceURLs', nonResourceURLs],
    ['ResourceNames', resourceNames],
    ['Verbs', verbs],
  ]
  const said = parts.filter(([, values]) => values !== undefined && values.length > 0)
  return `{${said.map(([name, values]) => `${name}:${goQuoteAll(values ?? [])}`).join(', ')}}`
}
