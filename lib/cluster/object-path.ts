/** Where an object of a posture's cluster/*.yaml is created: the REST path of its kind. */
import type { KubeObject } from '../kube/object.ts'

/** Kinds that postures and workshops create, with their plural names; `cluster` marks what lies in no namespace. */
const KINDS: Readonly<Record<string, { plural: string; cluster?: true }>> = {
  Namespace: { plural: 'namespaces', cluster: true },
  Node: { plural: 'nodes', cluster: true },
  Pod: { plural: 'pods' },
  Secret: { plural: 'secrets' },
  ConfigMap: { plural: 'configmaps' },
  Service: { plural: 'services' },
  ServiceAccount: { plural: 'serviceaccounts' },
  Role: { plural: 'roles' },
  RoleBinding: { plural: 'rolebindings' },
  ClusterRole: { plural: 'clusterroles', cluster: true },
  ClusterRoleBinding: { plural: 'clusterrolebindings', cluster: true },
}

/** @throws Error `[object_kind]` for a kind that is not known. */
export function collectionPath(object: KubeObject): string {
  const kind = KINDS[object.kind]
  if (!kind) {
    throw new Error(
      `[object_kind] ${object.kind} ${object.metadata.name ?? ''}: not a kind that a posture can create here`,
    )
  }
  const root = object.apiVersion.includes('/') ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`
  const namespace = kind.cluster ? '' : `/namespaces/${object.metadata.namespace ?? 'default'}`
  return `${root}${namespace}/${kind.plural}`
}
