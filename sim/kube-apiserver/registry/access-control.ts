/** What is particular about RBAC objects: pkg/registry/rbac, pkg/apis/rbac/v1/defaults.go, pkg/apis/rbac/validation. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { FieldError } from '../../../lib/kube/status.ts'
import { invalidValue, notSupported, required } from './field-errors.ts'
import { pathSegmentErrors } from './names.ts'
import type { Strategy } from './resource.ts'

const GROUP = 'rbac.authorization.k8s.io'

interface Rule {
  verbs?: string[]
  apiGroups?: string[]
  resources?: string[]
  resourceNames?: string[]
  nonResourceURLs?: string[]
}

interface Subject {
  kind?: string
  apiGroup?: string
  name?: string
  namespace?: string
}

interface RoleRef {
  apiGroup?: string
  kind?: string
  name?: string
}

function rolesStrategy(namespaced: boolean): Strategy {
  return {
    nameErrors: pathSegmentErrors,
    createsOnUpdate: true,
    defaults(role) {
      const rules = (role['rules'] as Rule[] | null | undefined) ?? null
      const { aggregationRule, rules: _, ...rest } = role
      replaceMembers(role, {
        ...rest,
        rules: rules && rules.map(ordered),
        ...(aggregationRule !== undefined && { aggregationRule }),
      })
    },
    validate: (role) =>
      ((role['rules'] as Rule[] | null) ?? []).flatMap((rule, index) => ruleErrors(rule, index, namespaced)),
  }
}

export const roleStrategy = rolesStrategy(true)
export const clusterRoleStrategy = rolesStrategy(false)

export const bindingStrategy: Strategy = {
  nameErrors: pathSegmentErrors,
  createsOnUpdate: true,
  defaults(binding) {
    const { subjects, roleRef, ...rest } = binding as KubeObject & { subjects?: Subject[]; roleRef?: RoleRef }
    const { apiGroup = '', kind = '', name = '' } = roleRef ?? {}
    replaceMembers(binding, {
      ...rest,
      ...(subjects && subjects.length > 0 && { subjects: subjects.map(subjectDefaults) }),
      roleRef: { apiGroup: apiGroup || GROUP, kind, name },
    })
  },
  validate(binding) {
    const { kind = '', name = '' } = (binding['roleRef'] as RoleRef | undefined) ?? {}
    const kinds = binding.kind === 'RoleBinding' ? ['ClusterRole', 'Role'] : ['ClusterRole']
    const errors: FieldError[] = []
    if (!kinds.includes(kind)) errors.push(notSupported('roleRef.kind', kind, kinds))
    if (name === '') errors.push(required('roleRef.name'))
    const subjects = (binding['subjects'] as Subject[] | undefined) ?? []
    return [...errors, ...subjects.flatMap((subject, index) => subjectErrors(subject, index, binding.kind))]
  },
  validateUpdate(binding, old) {
    if (isDeepStrictEqual(binding['roleRef'], old['roleRef'])) return []
    const { apiGroup, kind, name } = binding['roleRef'] as RoleRef
    return [invalidValue('roleRef', { APIGroup: apiGroup, Kind: kind, Name: name }, 'cannot change roleRef')]
  },
}

function ordered({ verbs, apiGroups, resources, resourceNames, nonResourceURLs }: Rule): Rule {
  return {
    verbs: verbs ?? [],
    ...(apiGroups?.length && { apiGroups }),
    ...(resources?.length && { resources }),
    ...(resourceNames?.length && { resourceNames }),
    ...(nonResourceURLs?.length && { nonResourceURLs }),
  }
}

function ruleErrors(rule: Rule, index: number, namespaced: boolean): FieldError[] {
  const path = `rules[${index}]`
  const { verbs = [], apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule
  const errors: FieldError[] = []
  if (verbs.length === 0) errors.push(required(`${path}.verbs`, 'verbs must contain at least one value'))
  if (nonResourceURLs.length > 0) {
    const mixed = apiGroups.length > 0 || resources.length > 0 || resourceNames.length > 0
    const why = namespaced
      ? 'namespaced rules cannot apply to non-resource URLs'
      : 'rules cannot apply to both regular resources and non-resource URLs'
    return namespaced || mixed ? [...errors, invalidValue(`${path}.nonResourceURLs`, nonResourceURLs, why)] : errors
  }
  if (apiGroups.length === 0)
    errors.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'))
  if (resources.length === 0)
    errors.push(required(`${path}.resources`, 'resource rules must supply at least one resource'))
  return errors
}

function subjectDefaults({ kind = '', apiGroup, name = '', namespace }: Subject): Subject {
  const group = apiGroup || (kind === 'User' || kind === 'Group' ? GROUP : '')
  return { kind, ...(group && { apiGroup: group }), name, ...(namespace && { namespace }) }
}

function subjectErrors(
  { kind = '', apiGroup = '', name = '', namespace = '' }: Subject,
  index: number,
  of: string,
): FieldError[] {
  const path = `subjects[${index}]`
  const errors = name === '' ? [required(`${path}.name`)] : []
  if (kind === 'ServiceAccount') {
    if (apiGroup !== '') errors.push(notSupported(`${path}.apiGroup`, apiGroup, ['']))
    if (of === 'ClusterRoleBinding' && namespace === '') errors.push(required(`${path}.namespace`))
  } else if (kind === 'User' || kind === 'Group') {
    if (apiGroup !== GROUP) errors.push(notSupported(`${path}.apiGroup`, apiGroup, [GROUP]))
  } else errors.push(notSupported(`${path}.kind`, kind, ['ServiceAccount', 'User', 'Group']))
  return errors
}

function replaceMembers(object: KubeObject, members: Record<string, unknown>): void {
  for (const member of Object.keys(object)) delete object[member]
  Object.assign(object, members)
}
