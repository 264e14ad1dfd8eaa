/** --audit-policy-file: how much of which request is logged. apiserver/pkg/audit/policy, apis/audit/validation. */
import { readFileSync } from 'node:fs'
import { klog } from '../../../lib/kube/klog.ts'
import type { User } from '../../../lib/kube/user.ts'
import { parseDocument } from '../../../lib/settings/yaml.ts'
import type { RequestInfo } from '../contract.ts'
import { unknownMembers } from '../unknown-members.ts'

export const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'] as const
export type Level = (typeof LEVELS)[number]
export const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const
export type Stage = (typeof STAGES)[number]

interface GroupResources {
  group?: string
  resources?: string[]
  resourceNames?: string[]
}

export interface PolicyRule {
  level: Level
  users?: string[]
  userGroups?: string[]
  verbs?: string[]
  resources?: GroupResources[]
  namespaces?: string[]
  nonResourceURLs?: string[]
  omitStages?: Stage[]
}

export interface AuditPolicy {
  rules: PolicyRule[]
  omitStages: Stage[]
}

const API_VERSION = 'audit.k8s.io/v1'
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  '': ['apiVersion', 'kind', 'metadata', 'rules', 'omitStages', 'omitManagedFields'],
  'rules[]': [
    ...['level', 'users', 'userGroups', 'verbs', 'resources', 'namespaces', 'nonResourceURLs', 'omitStages'],
    'omitManagedFields',
  ],
  'rules[].resources[]': ['group', 'resources', 'resourceNames'],
}

/** Throws with the text that follows `loading audit policy file: `. */
export function readAuditPolicy(path: string): AuditPolicy {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    throw new Error(`failed to read file path ${JSON.stringify(path)}: open ${path}: no such file or directory`)
  }
  const from = (why: string): Error => new Error(`${why}: from file ${path}`)
  const document = parseDocument(text)
  if (document.errors.length > 0) throw from('failed decoding: yaml: did not find expected node content')
  const value = (document.toJS() ?? {}) as Partial<AuditPolicy> & { apiVersion?: string; kind?: string }
  if (value.apiVersion !== API_VERSION || value.kind !== 'Policy') {
    const scheme = 'in scheme "pkg/runtime/scheme.go:111"'
    const named = `no kind ${JSON.stringify(value.kind ?? '')} is registered for version ${JSON.stringify(value.apiVersion ?? '')}`
    throw from(`failed decoding: ${named} ${scheme}`)
  }
  const unknown = unknownMembers(document.contents, KNOWN)
  if (unknown.length > 0) {
    const errors = `strict decoding error: ${unknown.join(', ')}`
    klog('W', 'reader.go:83', `Audit policy contains errors, falling back to lenient decoding: ${errors}`)
  }
  const rules = value.rules ?? []
  const errors = rules.flatMap((rule, index) => ruleErrors(rule, `rules[${index}]`))
  if (errors.length > 0) throw from(errors.length === 1 ? (errors[0] ?? '') : `[${errors.join(', ')}]`)
  if (rules.length === 0) throw from('loaded illegal policy with 0 rules')
  return { rules, omitStages: value.omitStages ?? [] }
}

function ruleErrors(
  { level, nonResourceURLs = [], resources = [], namespaces = [] }: PolicyRule,
  at: string,
): string[] {
  const errors: string[] = []
  const supported = LEVELS.map((each) => `"${each}"`).join(', ')
  if (!level) errors.push(`${at}.level: Required value`)
  else if (!LEVELS.includes(level)) {
    errors.push(`${at}.level: Unsupported value: ${JSON.stringify(level)}: supported values: ${supported}`)
  }
  const urls = `${at}.nonResourceURLs`
  if (nonResourceURLs.length > 0 && resources.length + namespaces.length > 0) {
    const rule = 'rules cannot apply to both regular resources and non-resource URLs'
    errors.push(`${urls}: Invalid value: ${JSON.stringify(nonResourceURLs)}: ${rule}`)
  }
  for (const [index, url] of nonResourceURLs.entries()) {
    if (url === '*') continue
    const said = (rule: string): number =>
      errors.push(`${urls}[${index}]: Invalid value: ${JSON.stringify(url)}: ${rule}`)
    if (!url.startsWith('/')) said("non-resource URL rules must begin with a '/' character")
    if (url.slice(0, -1).includes('*')) said("non-resource URL wildcards '*' must be the final character of the rule")
  }
  return errors
}

/** The first rule that fits decides; without one nothing is logged. */
export function ruleFor({ rules }: AuditPolicy, user: User | undefined, info: RequestInfo): PolicyRule | undefined {
  return rules.find((rule) => fits(rule, user, info))
}

function fits(rule: PolicyRule, user: User | undefined, info: RequestInfo): boolean {
  const { users = [], userGroups = [], verbs = [], resources = [], namespaces = [], nonResourceURLs = [] } = rule
  if (users.length > 0 && !users.includes(user?.username ?? '')) return false
  if (userGroups.length > 0 && !user?.groups.some((group) => userGroups.includes(group))) return false
  if (verbs.length > 0 && !verbs.includes(info.verb)) return false
  if (resources.length + namespaces.length > 0) {
    if (!info.isResourceRequest) return false
    if (namespaces.length > 0 && !namespaces.includes(info.namespace)) return false
    return resources.length === 0 || resources.some((each) => fitsResource(each, info))
  }
  return (
    nonResourceURLs.length === 0 || (!info.isResourceRequest && nonResourceURLs.some((url) => fitsPath(url, info.path)))
  )
}

function fitsResource({ group = '', resources = [], resourceNames = [] }: GroupResources, info: RequestInfo): boolean {
  if (group !== info.apiGroup) return false
  if (resources.length === 0) return true
  if (resourceNames.length > 0 && !resourceNames.includes(info.name)) return false
  const { resource, subresource } = info
  const combined = subresource === '' ? resource : `${resource}/${subresource}`
  return resources.some(
    (each) =>
      each === '*' ||
      each === combined ||
      (subresource !== '' && each === `*/${subresource}`) ||
      each === `${resource}/*`,
  )
}

function fitsPath(url: string, path: string): boolean {
  if (url === '*') return true
  return url.endsWith('*') ? path.startsWith(url.slice(0, -1)) : url === path
}
