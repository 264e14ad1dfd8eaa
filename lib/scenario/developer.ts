/** An ordinary user with a Secret of his own, which is all that the API shows him. */
import type { Foothold } from '../attacker/foothold.ts'
import type { Loot, World } from '../attacker/world.ts'
import type { Operator } from '../cluster/operator.ts'
import { stolenPair } from './footholds.ts'

const DEVELOPER = 'developer'
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
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  const api = { apiVersion: 'rbac.authorization.k8s.io/v1' }
  const metadata = { name: OWN_SECRET, namespace: DEVELOPER_NAMESPACE }
  await operator.ensure('/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: DEVELOPER_NAMESPACE },
  })
  await operator.ensure(`/api/v1/namespaces/${DEVELOPER_NAMESPACE}/secrets`, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata,
  })
  await operator.ensure(`${rbac}/namespaces/${DEVELOPER_NAMESPACE}/roles`, {
    ...api,
    kind: 'Role',
    metadata,
    rules: [{ apiGroups: [''], resources: ['secrets'], resourceNames: [OWN_SECRET], verbs: ['get'] }],
  })
  await operator.ensure(`${rbac}/namespaces/${DEVELOPER_NAMESPACE}/rolebindings`, {
    ...api,
    kind: 'RoleBinding',
    metadata,
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: DEVELOPER }],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: OWN_SECRET },
  })
}

/** GET of the developer's own Secret. */
export async function ownSecretByApi(world: World): Promise<Loot> {
  return [(await world.api({ path: `/api/v1/namespaces/${DEVELOPER_NAMESPACE}/secrets/${OWN_SECRET}` })).body]
}
