/** A build robot: code in the goal's Pod, whose account may create Pods in a namespace of its own. */
import type { Operator } from '../cluster/operator.ts'

export const ROBOTS_NAMESPACE = 'team'

const ROLE = 'builder'
const RBAC = '/apis/rbac.authorization.k8s.io/v1'

/** A namespace where the robot's account may create Pods and run commands in them; it may nothing else anywhere. */
export async function letRobotBuild(operator: Operator, robotNamespace: string): Promise<void> {
  const metadata = { name: ROLE, namespace: ROBOTS_NAMESPACE }
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  const ofNamespace = `${RBAC}/namespaces/${ROBOTS_NAMESPACE}`
  await operator.ensure('/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: ROBOTS_NAMESPACE },
  })
  await operator.ensure(`${ofNamespace}/roles`, {
    apiVersion,
    kind: 'Role',
    metadata,
    rules: [
      { apiGroups: [''], resources: ['pods'], verbs: ['create', 'delete'] },
      { apiGroups: [''], resources: ['pods/exec'], verbs: ['create', 'get'] },
    ],
  })
  await operator.ensure(`${ofNamespace}/rolebindings`, {
    apiVersion,
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: ROLE },
    subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: robotNamespace }],
  })
  await operator.waitFor(`/api/v1/namespaces/${ROBOTS_NAMESPACE}/serviceaccounts/default`)
}
