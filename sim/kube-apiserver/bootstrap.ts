/** What kube-apiserver writes into a cluster when it starts: its roles, namespaces, own Service, and the CAs of its clients. */
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import type { AuthorizationMode } from './authorization/authorizer.ts'
import type { Text } from './file-flag.ts'
import { firstServiceAddress } from './options.ts'
import { klog } from '../../lib/kube/klog.ts'
import type { KubeObject } from '../../lib/kube/object.ts'
import type { User } from '../../lib/kube/user.ts'
import { bootstrapPolicy } from './authorization/bootstrap-policy.ts'
import { newMetadata } from './registry/metadata.ts'
import type { ObjectCache } from './contract.ts'
import type { Resource } from './registry/resource.ts'
import { RESOURCES } from './registry/resources.ts'
import type { ObjectStore } from './storage/object-store.ts'

/** pkg/controlplane/controller/systemnamespaces. */
const SYSTEM_NAMESPACES = ['default', 'kube-node-lease', 'kube-public', 'kube-system']

/** The server's own identity on its loopback connection. */
const SELF: User = { username: 'system:apiserver', groups: ['system:masters'] }

/** pkg/registry/scheduling/rest: the Priority plugin looks them up, static Pods name them. */
const PRIORITIES = { 'system-cluster-critical': 2_000_000_000, 'system-node-critical': 2_000_001_000 }

interface BootstrapSettings {
  /** RBAC is among the authorization modes. */
  rbac: boolean
  /** `--advertise-address` and `--secure-port`. */
  advertised: { address: string; port: number }
  /** First address of --service-cluster-ip-range. */
  serviceAddress: string
  /** kube-system/extension-apiserver-authentication. */
  authenticationData: Readonly<Record<string, string>>
}

/** Creates what is missing and brings the rest up to date; asked again after a restart it changes nothing. */
async function writeBootstrapObjects(
  store: ObjectStore,
  known: ObjectCache,
  settings: BootstrapSettings,
): Promise<void> {
  const ensure = (wanted: KubeObject, reconcile?: Reconcile): Promise<void> =>
    ensureObject(store, known, wanted, reconcile)
  const { address, port } = settings.advertised
  const configMap = object('v1', 'ConfigMap', 'extension-apiserver-authentication', 'kube-system')
  configMap['data'] = settings.authenticationData
  // none of them needs another, and etcd makes durable at once what comes at once
  await Promise.all([
    ...SYSTEM_NAMESPACES.map((name) => ensure(object('v1', 'Namespace', name))),
    ...(settings.rbac ? bootstrapPolicy() : []).map((each) => ensure(each, reconcileRole)),
    ...Object.entries(PRIORITIES).map(([name, value]) => ensure(priorityClass(name, value))),
    ensure(kubernetesService(settings.serviceAddress, port)),
    ensure(kubernetesEndpoints(address, port), (found, wanted) => ({ ...found, subsets: wanted['subsets'] })),
    ensure(kubernetesSlice(address, port), (found, wanted) => ({ ...found, endpoints: wanted['endpoints'] })),
    ensure(configMap, (found, wanted) => ({ ...found, data: wanted['data'] })),
  ])
  if (settings.rbac) klog('I', 'storage_rbac.go:187', 'created or reconciled the bootstrap roles and bindings')
}

type Reconcile = (found: KubeObject, wanted: KubeObject) => KubeObject

async function ensureObject(
  store: ObjectStore,
  known: ObjectCache,
  wanted: KubeObject,
  reconcile?: Reconcile,
): Promise<void> {
  const resource = resourceOf(wanted)
  const { name = '', namespace = '' } = wanted.metadata
  const changed = (found: KubeObject): KubeObject | undefined => {
    const next = reconcile?.(found, wanted)
    return next && JSON.stringify(next) !== JSON.stringify(found) ? next : undefined
  }
  // The list of a moment ago tells what is missing and what is as it should be; etcd is asked about the rest.
  const listed = known.get(resource.resource, namespace, name)
  if (listed && !changed(listed)) return
  const found = listed && (await store.get(resource, namespace, name))
  if (found) {
    const next = changed(found.object)
    if (next) await store.replace(resource, { namespace, name }, next, found.revision)
    return
  }
  resource.strategy.defaults?.(wanted)
  wanted.metadata = newMetadata(wanted.metadata, namespace, resource.strategy.hasGeneration === true)
  resource.strategy.prepareCreate?.(wanted, SELF)
  // lost to somebody faster is as good as written
  await store.create(resource, wanted)
}

interface Role {
  rules?: unknown[] | null
  subjects?: unknown[]
}

const AUTO_UPDATE = 'rbac.authorization.kubernetes.io/autoupdate'

/** Rules and subjects that are missing come back, unless the object says that it is nobody's business. */
function reconcileRole(found: KubeObject, wanted: KubeObject): KubeObject {
  if (found.metadata.annotations?.[AUTO_UPDATE] === 'false') return found
  const [have, want] = [found as unknown as Role, wanted as unknown as Role]
  const rules = lacking(have.rules ?? [], 'aggregationRule' in wanted ? [] : (want.rules ?? []))
  const subjects = lacking(have.subjects ?? [], want.subjects ?? [])
  return {
    ...found,
    ...(rules.length > 0 && { rules: [...(have.rules ?? []), ...rules] }),
    ...(subjects.length > 0 && { subjects: [...(have.subjects ?? []), ...subjects] }),
  }
}

function lacking(list: readonly unknown[], wanted: readonly unknown[]): unknown[] {
  const known = new Set(list.map(canonical))
  return wanted.filter((item) => !known.has(canonical(item)))
}

function canonical(value: unknown): string {
  const members = Object.entries(value as object).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(members)
}

function resourceOf({ kind, apiVersion }: KubeObject): Resource {
  const found = RESOURCES.find((each) => each.kind === kind && apiVersion.startsWith(each.group))
  if (!found) throw new Error(`[resource_table] ${apiVersion} ${kind}: not in the table`)
  return found
}

function object(apiVersion: string, kind: string, name: string, namespace?: string): KubeObject {
  return { apiVersion, kind, metadata: { name, ...(namespace !== undefined && { namespace }) } }
}

function kubernetesService(clusterIP: string, targetPort: number): KubeObject {
  const service = object('v1', 'Service', 'kubernetes', 'default')
  service.metadata.labels = { component: 'apiserver', provider: 'kubernetes' }
  service['spec'] = {
    clusterIP,
    ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort }],
    type: 'ClusterIP',
    sessionAffinity: 'None',
  }
  return service
}

function kubernetesEndpoints(ip: string, port: number): KubeObject {
  const endpoints = object('v1', 'Endpoints', 'kubernetes', 'default')
  endpoints.metadata.labels = { 'endpointslice.kubernetes.io/skip-mirror': 'true' }
  endpoints['subsets'] = [{ addresses: [{ ip }], ports: [{ name: 'https', port, protocol: 'TCP' }] }]
  return endpoints
}

function kubernetesSlice(ip: string, port: number): KubeObject {
  const slice = object('discovery.k8s.io/v1', 'EndpointSlice', 'kubernetes', 'default')
  slice.metadata.labels = { 'kubernetes.io/service-name': 'kubernetes' }
  slice['addressType'] = 'IPv4'
  slice['endpoints'] = [{ addresses: [ip], conditions: { ready: true } }]
  slice['ports'] = [{ name: 'https', protocol: 'TCP', port }]
  return slice
}

function priorityClass(name: string, value: number): KubeObject {
  const what =
    name === 'system-node-critical'
      ? 'that should not be moved from their current node'
      : 'that must run in the cluster, but can be moved to another node if necessary'
  return {
    kind: 'PriorityClass',
    apiVersion: 'scheduling.k8s.io/v1',
    metadata: { name },
    value,
    description: `Used for system critical pods ${what}.`,
    preemptionPolicy: 'PreemptLowerPriority',
  }
}

const BOOTSTRAP_RETRY_MS = 200

interface BootstrapFacts {
  modes: readonly AuthorizationMode[]
  advertised: { address: string; port: number }
  clientCa: Text | undefined
  proxyCa: Text | undefined
}

/** Tried until it succeeds: the server serves meanwhile, and is not ready. */
export async function bootstrap(
  store: ObjectStore,
  cache: ObjectCache,
  flags: FlagSet,
  facts: BootstrapFacts,
): Promise<void> {
  const { modes, advertised, clientCa, proxyCa } = facts
  const list = (name: string): string => JSON.stringify(flags.list(name))
  const authenticationData = {
    ...(clientCa && { 'client-ca-file': clientCa() }),
    ...(proxyCa && {
      'requestheader-allowed-names': list('requestheader-allowed-names'),
      'requestheader-client-ca-file': proxyCa(),
      'requestheader-extra-headers-prefix': list('requestheader-extra-headers-prefix'),
      'requestheader-group-headers': list('requestheader-group-headers'),
      'requestheader-uid-headers': list('requestheader-uid-headers'),
      'requestheader-username-headers': list('requestheader-username-headers'),
    }),
  }
  const settings = {
    rbac: modes.includes('RBAC'),
    advertised,
    serviceAddress: firstServiceAddress(flags.string('service-cluster-ip-range')),
    authenticationData,
  }
  for (;;) {
    try {
      return await writeBootstrapObjects(store, cache, settings)
    } catch (error) {
      klog('E', 'controller.go:145', `unable to write bootstrap objects: ${(error as Error).message}`)
      await new Promise((resolve) => setTimeout(resolve, BOOTSTRAP_RETRY_MS))
    }
  }
}
