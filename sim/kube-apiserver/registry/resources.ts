/** Every resource that is served: a new one is one entry here, and a strategy where something about it is particular. */
import { bindingStrategy, clusterRoleStrategy, roleStrategy } from './access-control.ts'
import { certificateRequestStrategy } from './certificate-requests.ts'
import { nodeStrategy } from './nodes.ts'
import { podStrategy } from './pods.ts'
import type { Resource, Strategy, Subresource } from './resource.ts'
import { configMapStrategy, secretStrategy } from './secrets.ts'
import {
  claimStrategy,
  csiNodeStrategy,
  disruptionBudgetStrategy,
  endpointSliceStrategy,
  endpointsStrategy,
  eventStrategy,
  leaseStrategy,
  namespaceStrategy,
  persistentVolumeStrategy,
  plainStrategy,
  serviceAccountStrategy,
  serviceStrategy,
  statusStrategy,
} from './small-kinds.ts'

const ALL_VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const STATUS_VERBS = ['get', 'patch', 'update']
const PROXY_VERBS = ['create', 'delete', 'get', 'patch', 'update']
const CREATE = ['create']

interface Entry {
  kind: string
  /** The plural; the kind in lower case with an `s` where it is absent. */
  resource?: string
  clusterScoped?: true
  storagePath?: string
  shortNames?: readonly string[]
  categories?: readonly string[]
  verbs?: readonly string[]
  subresources?: Record<string, Subresource>
  strategy?: Strategy
}

/** Kinds by group and version; within a group in the order of discovery, which is that of their names. */
const TABLE: Readonly<Record<string, readonly Entry[]>> = {
  v1: [
    { kind: 'Binding', verbs: CREATE },
    { kind: 'ConfigMap', shortNames: ['cm'], strategy: configMapStrategy },
    {
      kind: 'Endpoints',
      resource: 'endpoints',
      storagePath: 'services/endpoints',
      shortNames: ['ep'],
      strategy: endpointsStrategy,
    },
    { kind: 'Event', shortNames: ['ev'], strategy: eventStrategy },
    {
      kind: 'Namespace',
      clusterScoped: true,
      shortNames: ['ns'],
      verbs: ALL_VERBS.filter((verb) => verb !== 'deletecollection'),
      subresources: {
        finalize: { kind: 'Namespace', verbs: ['update'] },
        status: { kind: 'Namespace', verbs: STATUS_VERBS },
      },
      strategy: namespaceStrategy,
    },
    {
      kind: 'Node',
      clusterScoped: true,
      storagePath: 'minions',
      shortNames: ['no'],
      subresources: {
        proxy: { kind: 'NodeProxyOptions', verbs: PROXY_VERBS },
        status: { kind: 'Node', verbs: STATUS_VERBS },
      },
      strategy: nodeStrategy,
    },
    {
      kind: 'PersistentVolumeClaim',
      shortNames: ['pvc'],
      subresources: { status: { kind: 'PersistentVolumeClaim', verbs: STATUS_VERBS } },
      strategy: claimStrategy,
    },
    {
      kind: 'PersistentVolume',
      clusterScoped: true,
      shortNames: ['pv'],
      subresources: { status: { kind: 'PersistentVolume', verbs: STATUS_VERBS } },
      strategy: persistentVolumeStrategy,
    },
    {
      kind: 'Pod',
      shortNames: ['po'],
      categories: ['all'],
      subresources: {
        attach: { kind: 'PodAttachOptions', verbs: ['create', 'get'] },
        binding: { kind: 'Binding', verbs: CREATE },
        eviction: { kind: 'Eviction', group: 'policy', version: 'v1', verbs: CREATE },
        exec: { kind: 'PodExecOptions', verbs: ['create', 'get'] },
        log: { kind: 'Pod', verbs: ['get'] },
        portforward: { kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
        status: { kind: 'Pod', verbs: STATUS_VERBS },
      },
      strategy: podStrategy,
    },
    { kind: 'Secret', strategy: secretStrategy },
    {
      kind: 'ServiceAccount',
      shortNames: ['sa'],
      subresources: { token: { kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1', verbs: CREATE } },
      strategy: serviceAccountStrategy,
    },
    {
      kind: 'Service',
      storagePath: 'services/specs',
      shortNames: ['svc'],
      categories: ['all'],
      subresources: { status: { kind: 'Service', verbs: STATUS_VERBS } },
      strategy: serviceStrategy,
    },
  ],
  'authentication.k8s.io/v1': [
    { kind: 'SelfSubjectReview', clusterScoped: true, verbs: CREATE },
    { kind: 'TokenReview', clusterScoped: true, verbs: CREATE },
  ],
  'authorization.k8s.io/v1': [
    { kind: 'LocalSubjectAccessReview', verbs: CREATE },
    { kind: 'SelfSubjectAccessReview', clusterScoped: true, verbs: CREATE },
    { kind: 'SelfSubjectRulesReview', clusterScoped: true, verbs: CREATE },
    { kind: 'SubjectAccessReview', clusterScoped: true, verbs: CREATE },
  ],
  'certificates.k8s.io/v1': [
    {
      kind: 'CertificateSigningRequest',
      clusterScoped: true,
      shortNames: ['csr'],
      subresources: {
        approval: { kind: 'CertificateSigningRequest', verbs: STATUS_VERBS },
        status: { kind: 'CertificateSigningRequest', verbs: STATUS_VERBS },
      },
      strategy: certificateRequestStrategy,
    },
  ],
  'policy/v1': [
    {
      kind: 'PodDisruptionBudget',
      shortNames: ['pdb'],
      subresources: { status: { kind: 'PodDisruptionBudget', verbs: STATUS_VERBS } },
      strategy: disruptionBudgetStrategy,
    },
  ],
  'rbac.authorization.k8s.io/v1': [
    { kind: 'ClusterRoleBinding', clusterScoped: true, strategy: bindingStrategy },
    { kind: 'ClusterRole', clusterScoped: true, strategy: clusterRoleStrategy },
    { kind: 'RoleBinding', strategy: bindingStrategy },
    { kind: 'Role', strategy: roleStrategy },
  ],
  'storage.k8s.io/v1': [
    { kind: 'CSIDriver', clusterScoped: true },
    { kind: 'CSINode', clusterScoped: true, strategy: csiNodeStrategy },
    {
      kind: 'StorageClass',
      resource: 'storageclasses',
      clusterScoped: true,
      shortNames: ['sc'],
      strategy: { returnsDeleted: true },
    },
    {
      kind: 'VolumeAttachment',
      clusterScoped: true,
      subresources: { status: { kind: 'VolumeAttachment', verbs: STATUS_VERBS } },
      strategy: { ...statusStrategy, returnsDeleted: true },
    },
  ],
  'scheduling.k8s.io/v1': [
    { kind: 'PriorityClass', resource: 'priorityclasses', clusterScoped: true, shortNames: ['pc'] },
  ],
  'coordination.k8s.io/v1': [{ kind: 'Lease', strategy: leaseStrategy }],
  'discovery.k8s.io/v1': [{ kind: 'EndpointSlice', strategy: endpointSliceStrategy }],
  'node.k8s.io/v1': [{ kind: 'RuntimeClass', resource: 'runtimeclasses', clusterScoped: true }],
}

/** All resources, the groups in the order of discovery. */
export const RESOURCES: readonly Resource[] = Object.entries(TABLE).flatMap(([apiVersion, entries]) =>
  entries.map((entry) => resourceOf(apiVersion, entry)),
)

/** Those that are kept; the others only answer. */
export const STORED_RESOURCES = RESOURCES.filter(({ verbs }) => verbs.includes('get'))

function resourceOf(apiVersion: string, entry: Entry): Resource {
  const {
    kind,
    clusterScoped,
    shortNames,
    categories,
    verbs = ALL_VERBS,
    subresources = {},
    strategy = plainStrategy,
  } = entry
  const [version = '', group = ''] = apiVersion.split('/').toReversed()
  const resource = entry.resource ?? `${kind.toLowerCase()}s`
  return {
    group,
    version,
    resource,
    singular: kind.toLowerCase(),
    kind,
    namespaced: !clusterScoped,
    storagePath: entry.storagePath ?? resource,
    verbs,
    ...(shortNames && { shortNames }),
    ...(categories && { categories }),
    subresources,
    strategy,
  }
}

const BY_PATH = new Map(RESOURCES.map((each) => [`${each.group}/${each.version}/${each.resource}`, each]))

export function findResource(group: string, version: string, resource: string): Resource | undefined {
  return BY_PATH.get(`${group}/${version}/${resource}`)
}
