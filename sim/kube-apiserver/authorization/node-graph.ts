/**
 * Which objects are tied to which node: plugin/pkg/auth/authorizer/node/graph.go and graph_populator.go. Edges lead from an
 * object towards the node that needs it. They follow the watch, so a new Pod's Secret becomes readable when the Pod's event
 * has arrived, and stays so until the Pod is gone, whatever its phase.
 */
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { ObjectCache } from '../contract.ts'
import { isMirrorPod, podReferences, podSpec } from './pod-references.ts'

export type VertexKind =
  | 'node'
  | 'pod'
  | 'secret'
  | 'configmap'
  | 'serviceaccount'
  | 'persistentvolumeclaim'
  | 'persistentvolume'
  | 'resourceclaim'
  | 'volumeattachment'
  | 'resourceslice'

type Edge = readonly [from: string, to: string]

const CLUSTER_SCOPED: ReadonlySet<VertexKind> = new Set([
  'node',
  'persistentvolume',
  'volumeattachment',
  'resourceslice',
])

function vertex(kind: VertexKind, namespace: string, name: string): string {
  return `${kind}:${CLUSTER_SCOPED.has(kind) ? '' : namespace}/${name}`
}

export class NodeGraph {
  /** Edges by the object whose spec makes them, so that an update takes the old ones out. */
  readonly #edgesOf = new Map<string, Edge[]>()
  /** from -> to -> how many objects make this edge */
  readonly #targets = new Map<string, Map<string, number>>()

  /** Fills the graph and keeps it up to date. Resources that the cache does not hold simply add nothing. */
  follow(objects: ObjectCache): this {
    for (const [resource, edges] of Object.entries(SOURCES)) {
      for (const object of objects.list(resource)) this.#replace(resource, object, edges(object))
      objects.onChange(resource, (type, object) =>
        this.#replace(resource, object, type === 'DELETED' ? [] : edges(object)),
      )
    }
    return this
  }

  /** Whether a directed path leads from the object to the node. */
  reaches(kind: VertexKind, namespace: string, name: string, node: string): boolean {
    const goal = vertex('node', '', node)
    const seen = new Set<string>()
    const open = [vertex(kind, namespace, name)]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (at === goal) return true
      if (seen.has(at)) continue
      seen.add(at)
      open.push(...(this.#targets.get(at)?.keys() ?? []))
    }
    return false
  }

  #replace(resource: string, object: KubeObject, edges: Edge[]): void {
    const owner = `${resource}:${object.metadata.namespace ?? ''}/${object.metadata.name}`
    for (const [from, to] of this.#edgesOf.get(owner) ?? []) this.#count(from, to, -1)
    for (const [from, to] of edges) this.#count(from, to, 1)
    if (edges.length > 0) this.#edgesOf.set(owner, edges)
    else this.#edgesOf.delete(owner)
  }

  #count(from: string, to: string, by: number): void {
    const targets = this.#targets.get(from) ?? new Map<string, number>()
    const count = (targets.get(to) ?? 0) + by
    if (count > 0) targets.set(to, count)
    else targets.delete(to)
    if (targets.size > 0) this.#targets.set(from, targets)
    else this.#targets.delete(from)
  }
}

const SOURCES: Record<string, (object: KubeObject) => Edge[]> = {
  pods: podEdges,
  persistentvolumes: volumeEdges,
  volumeattachments: (object) => nodeNameEdge('volumeattachment', object),
  resourceslices: (object) => nodeNameEdge('resourceslice', object),
}

function podEdges(pod: KubeObject): Edge[] {
  const { nodeName } = podSpec(pod)
  if (!nodeName) return []
  const namespace = pod.metadata.namespace ?? ''
  const self = vertex('pod', namespace, pod.metadata.name ?? '')
  const edges: Edge[] = [[self, vertex('node', '', nodeName)]]
  // a kubelet writes its mirror pods itself: they must not open Secrets to it
  if (isMirrorPod(pod)) return edges
  const references = podReferences(pod)
  const add = (kind: VertexKind, names: readonly string[]): void => {
    for (const name of names) edges.push([vertex(kind, namespace, name), self])
  }
  add('serviceaccount', references.serviceAccount === '' ? [] : [references.serviceAccount])
  add('secret', references.secrets)
  add('configmap', references.configMaps)
  add('persistentvolumeclaim', references.persistentVolumeClaims)
  add('resourceclaim', references.resourceClaims)
  return edges
}

interface SecretReference {
  name?: string
  namespace?: string
}

interface PersistentVolumeSpec {
  claimRef?: { namespace?: string; name?: string }
  azureFile?: { secretName?: string; secretNamespace?: string }
  csi?: Record<string, unknown>
}

const CSI_SECRETS = [
  'controllerPublishSecretRef',
  'nodePublishSecretRef',
  'nodeStageSecretRef',
  'nodeExpandSecretRef',
  'controllerExpandSecretRef',
]

function volumeEdges(volume: KubeObject): Edge[] {
  const spec = (volume['spec'] as (PersistentVolumeSpec & Record<string, unknown>) | undefined) ?? {}
  const claim = spec.claimRef
  if (!claim?.name) return []
  const home = claim.namespace ?? ''
  const self = vertex('persistentvolume', '', volume.metadata.name ?? '')
  const edges: Edge[] = [[self, vertex('persistentvolumeclaim', home, claim.name)]]
  const add = (secret: SecretReference | undefined): void => {
    if (secret?.name) edges.push([vertex('secret', secret.namespace || home, secret.name), self])
  }
  if (spec.azureFile?.secretName)
    add({ name: spec.azureFile.secretName, namespace: spec.azureFile.secretNamespace ?? home })
  for (const key of CSI_SECRETS) add(spec.csi?.[key] as SecretReference | undefined)
  for (const source of ['cephfs', 'cinder', 'flexVolume', 'iscsi', 'rbd', 'scaleIO', 'storageos']) {
    add((spec[source] as { secretRef?: SecretReference } | undefined)?.secretRef)
  }
  return edges
}

function nodeNameEdge(kind: VertexKind, object: KubeObject): Edge[] {
  const { nodeName } = (object['spec'] as { nodeName?: string } | undefined) ?? {}
  return nodeName ? [[vertex(kind, '', object.metadata.name ?? ''), vertex('node', '', nodeName)]] : []
}
