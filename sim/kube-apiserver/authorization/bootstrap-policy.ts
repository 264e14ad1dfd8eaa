/**
 * The RBAC objects that kube-apiserver writes into a new cluster, from the tables beside this file.
 *
 * A table is one line per role, `[namespace/]name`, then its rules, each indented and made of words:
 * `verbs groups resources [names]`, or `verbs url paths`; lists are comma-separated, `-` is the core group.
 * `+label` after a name puts it into an aggregated role, `<label` makes it one.
 * A binding is `[namespace/]name role subject...`.
 */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { BOOTSTRAP_CLUSTER_ROLE_BINDINGS, BOOTSTRAP_ROLE_BINDINGS, BOOTSTRAP_ROLES } from './bootstrap-bindings.ts'
import { BOOTSTRAP_CLUSTER_ROLES } from './bootstrap-cluster-roles.ts'
import { BOOTSTRAP_CONTROLLER_ROLES } from './bootstrap-controller-roles.ts'
import type { PolicyRule } from './policy-rule.ts'

const GROUP = 'rbac.authorization.k8s.io'
const CONTROLLER_PREFIX = 'system:controller:'

/** Every bootstrap object, roles before the bindings that name them. Values are fresh: a caller may change them. */
export function bootstrapPolicy(): KubeObject[] {
  const controllerRoles = roles('ClusterRole', BOOTSTRAP_CONTROLLER_ROLES)
  return [
    ...roles('ClusterRole', BOOTSTRAP_CLUSTER_ROLES),
    ...controllerRoles,
    ...bindings('ClusterRole', BOOTSTRAP_CLUSTER_ROLE_BINDINGS),
    ...bindings('ClusterRole', controllerRoles.map((role) => controllerBinding(role.metadata.name ?? '')).join('\n')),
    ...roles('Role', BOOTSTRAP_ROLES),
    ...bindings('Role', BOOTSTRAP_ROLE_BINDINGS),
  ]
}

/** The rules of one bootstrap ClusterRole; the node authorizer uses those of system:node. */
export function bootstrapRules(clusterRole: string): PolicyRule[] {
  const found = roles('ClusterRole', BOOTSTRAP_CLUSTER_ROLES).find((role) => role.metadata.name === clusterRole)
  return (found?.['rules'] as PolicyRule[] | null | undefined) ?? []
}

function controllerBinding(role: string): string {
  return `${role} ${role} ServiceAccount:kube-system/${role.slice(CONTROLLER_PREFIX.length)}`
}

function roles(kind: 'Role' | 'ClusterRole', table: string): KubeObject[] {
  const found: KubeObject[] = []
  for (const line of lines(table)) {
    if (line.startsWith('  ')) {
      const role = found.at(-1)
      if (role) role['rules'] = [...((role['rules'] as PolicyRule[] | null) ?? []), rule(line.trim())]
      continue
    }
    const [name = '', ...marks] = line.split(' ')
    const role = object(kind, name)
    for (const mark of marks) {
      if (mark.startsWith('+'))
        role.metadata.labels = { ...role.metadata.labels, [`${GROUP}/${mark.slice(1)}`]: 'true' }
      else
        role['aggregationRule'] = { clusterRoleSelectors: [{ matchLabels: { [`${GROUP}/${mark.slice(1)}`]: 'true' } }] }
    }
    role['rules'] = null
    found.push(role)
  }
  return found
}

function rule(line: string): PolicyRule {
  const [verbs = '', groups = '', resources = '', names] = line.split(' ')
  if (groups === 'url') return { verbs: verbs.split(','), nonResourceURLs: resources.split(',') }
  const apiGroups = groups.split(',').map((group) => (group === '-' ? '' : group))
  const made: PolicyRule = { verbs: verbs.split(','), apiGroups, resources: resources.split(',') }
  if (names !== undefined) made.resourceNames = names.split(',')
  return made
}

function bindings(roleKind: 'Role' | 'ClusterRole', table: string): KubeObject[] {
  return lines(table).map((line) => {
    const [name = '', role = '', ...subjects] = line.split(' ')
    const binding = object(`${roleKind}Binding`, name)
    if (subjects.length > 0) binding['subjects'] = subjects.map(subject)
    binding['roleRef'] = { apiGroup: GROUP, kind: roleKind, name: role }
    return binding
  })
}

function subject(text: string): object {
  const colon = text.indexOf(':')
  const kind = text.slice(0, colon)
  const name = text.slice(colon + 1)
  if (kind !== 'ServiceAccount') return { kind, apiGroup: GROUP, name }
  const slash = name.indexOf('/')
  return { kind, name: name.slice(slash + 1), namespace: name.slice(0, slash) }
}

function object(kind: string, path: string): KubeObject {
  const slash = path.indexOf('/')
  const namespace = slash < 0 ? {} : { namespace: path.slice(0, slash) }
  return {
    kind,
    apiVersion: `${GROUP}/v1`,
    metadata: {
      name: path.slice(slash + 1),
      ...namespace,
      labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
      annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
    },
  }
}

function lines(table: string): string[] {
  return table.split('\n').filter((line) => line !== '')
}
