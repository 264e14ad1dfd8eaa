/** ClusterRoles with an aggregationRule hold the rules of those that it selects: pkg/controller/clusterroleaggregation. */
import { isDeepStrictEqual } from 'node:util'
import { StatusError } from '../../lib/kube/client.ts'
import type { KubeObject } from '../../lib/kube/object.ts'
import { controllerQueue, follow, type Controller } from './controller.ts'

interface LabelSelector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

const ROLES = '/apis/rbac.authorization.k8s.io/v1/clusterroles'

export const clusterRoleAggregation: Controller = {
  name: 'clusterrole-aggregation-controller',
  serviceAccount: 'clusterrole-aggregation-controller',
  start({ informers, client }) {
    const roles = informers.of(ROLES)
    const queue = controllerQueue('clusterrole-aggregation-controller', async (name) => {
      await roles.synced
      const role = roles.get('', name)
      const selectors = role && selectorsOf(role)
      if (!role || !selectors) return
      const rules = aggregated(name, selectors, roles.list())
      if (isDeepStrictEqual(rules, role['rules'] ?? [])) return
      try {
        await client.update(`${ROLES}/${name}`, { ...role, rules })
      } catch (error) {
        if (!(error instanceof StatusError) || ![404, 409].includes(error.status)) throw error
        if (error.status === 409) queue.addAfter(name, 50)
      }
    })
    const all = (): void => {
      for (const role of roles.list()) if (selectorsOf(role)) queue.add(role.metadata.name ?? '')
    }
    follow(roles, all)
    roles.on('delete', all)
  },
}

function selectorsOf(role: KubeObject): LabelSelector[] | undefined {
  return (role['aggregationRule'] as { clusterRoleSelectors?: LabelSelector[] } | undefined)?.clusterRoleSelectors
}

/** Rules of the selected roles in the order of selectors, then names; each rule once. */
export function aggregated(name: string, selectors: readonly LabelSelector[], roles: readonly KubeObject[]): object[] {
  const rules: object[] = []
  const byName = roles.toSorted((one, other) => ((one.metadata.name ?? '') < (other.metadata.name ?? '') ? -1 : 1))
  for (const selector of selectors) {
    for (const role of byName) {
      if (role.metadata.name === name || !selects(selector, role.metadata.labels ?? {})) continue
      for (const rule of (role['rules'] ?? []) as object[]) {
        if (!rules.some((known) => isDeepStrictEqual(known, rule))) rules.push(rule)
      }
    }
  }
  return rules
}

function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Record<string, string>): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key]
      if (operator === 'Exists') return value !== undefined
      if (operator === 'DoesNotExist') return value === undefined
      if (operator === 'In') return value !== undefined && values.includes(value)
      return operator === 'NotIn' && (value === undefined || !values.includes(value))
    })
  )
}
