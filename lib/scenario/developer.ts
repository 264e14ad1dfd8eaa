/** An ordinary user with a Secret of his own, which is all that the API shows him. */
import type { Foothold } from '../attacker/foothold.ts'
import type { Loot, World } from '../attacker/world.ts'
import type { Operator } from '../cluster/operator.ts'
import { stolenPair } from './footholds.ts'

export const DEVELOPER = 'developer'
export const DEVELOPER_NAMESPACE = 'dev'
const OWN_SECRET = 'mine'

/** Holds the stolen pair as `etcd`, and the certificate of a user who may read one Secret of his own. */
export const DEVELOPER_WITH_ETCD: Foothold = {
  name: "a developer with the API's etcd key",
  stands: { on: 'net' },
  holds: {
    ...stolenPair('apiserver-etcd-client', 'etcd'),
    credential: { minted: { signedBy: 'ca', commonName: DEVELOPER, usages: ['clientAuth'] } },
  },
}

/** Where etcd keeps the developer's Secret. */
export const OWN_SECRET_KEY = `/registry/secrets/${DEVELOPER_NAMESPACE}/${OWN_SECRET}`

/** An administrator gives the developer a Secret of his own, and the right to read that one. */
export async function settleDeveloper(operator: Operator): Promise<void> {
  const right = { name: OWN_SECRET, resources: ['secrets'], resourceNames: [OWN_SECRET], verbs: ['get'] }
  await allowDeveloper(operator, right)
  const metadata = { name: OWN_SECRET, namespace: DEVELOPER_NAMESPACE }
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata }
  await operator.ensure(`/api/v1/namespaces/${DEVELOPER_NAMESPACE}/secrets`, secret)
}

/** A Role of that name in the developer's namespace, and its binding. */
export async function allowDeveloper(
  operator: Operator,
  { name, ...rule }: { name: string; resources: string[]; resourceNames?: string[]; verbs: string[] },
): Promise<void> {
  const namespace = DEVELOPER_NAMESPACE
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`
  const api = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name, namespace } }
  await operator.ensure('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  await operator.ensure(`${rbac}/roles`, { ...api, kind: 'Role', rules: [{ apiGroups: [''], ...rule }] })
  await operator.ensure(`${rbac}/rolebindings`, {
    ...api,
    kind: 'RoleBinding',
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: DEVELOPER }],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
  })
}

/** GET of the developer's own Secret. */
export async function ownSecretByApi(world: World): Promise<Loot> {
  return [(await world.api({ path: `/api/v1/namespaces/${DEVELOPER_NAMESPACE}/secrets/${OWN_SECRET}` })).body]
}
