/** The cells of kubectl's tables, by resource: pkg/printers/internalversion/printers.go. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { age, humanDuration } from './human-duration.ts'
import { podRow } from './pod-row.ts'

export type Cell = string | number | boolean
export type Row = (object: KubeObject, now: Date) => Cell[]

type Members = Record<string, unknown>

const NONE = '<none>'
const UNKNOWN = '<unknown>'

function part(object: KubeObject, member: string): Members {
  return (object[member] as Members | undefined) ?? {}
}

function name(object: KubeObject): string {
  return object.metadata.name ?? ''
}

function created(object: KubeObject, now: Date): string {
  return age(object.metadata.creationTimestamp, now)
}

function count(value: unknown): number {
  return value ? Object.keys(value).length : 0
}

export const TABLE_ROWS: Readonly<Record<string, Row>> = {
  pods: podRow,
  nodes: nodeRow,
  namespaces: (namespace, now) => [
    name(namespace),
    String(part(namespace, 'status')['phase'] ?? ''),
    created(namespace, now),
  ],
  secrets: (secret, now) => [name(secret), String(secret['type'] ?? ''), count(secret['data']), created(secret, now)],
  configmaps: (map, now) => [name(map), count(map['data']) + count(map['binaryData']), created(map, now)],
  serviceaccounts: (account, now) => [name(account), created(account, now)],
  leases: (lease, now) => [name(lease), String(part(lease, 'spec')['holderIdentity'] ?? ''), created(lease, now)],
  rolebindings: bindingRow,
  clusterrolebindings: bindingRow,
  services: serviceRow,
  endpoints: (endpoints, now) => [name(endpoints), endpointsText(endpoints), created(endpoints, now)],
  endpointslices: sliceRow,
  events: eventRow,
  certificatesigningrequests: signingRequestRow,
  csinodes: (node, now) => [name(node), count(part(node, 'spec')['drivers']), created(node, now)],
  persistentvolumes: volumeRow,
  persistentvolumeclaims: claimRow,
}

interface NodeCondition {
  type?: string
  status?: string
}

function nodeRow(node: KubeObject, now: Date): Cell[] {
  const spec = part(node, 'spec')
  const {
    conditions = [],
    addresses = [],
    nodeInfo = {},
  } = part(node, 'status') as {
    conditions?: NodeCondition[]
    addresses?: { type?: string; address?: string }[]
    nodeInfo?: Record<string, string>
  }
  const ready = conditions.find(({ type }) => type === 'Ready')
  const status = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown'
  const address = (type: string): string => addresses.find((each) => each.type === type)?.address ?? NONE
  return [
    name(node),
    spec['unschedulable'] === true ? `${status},SchedulingDisabled` : status,
    nodeRoles(node).join(',') || NONE,
    created(node, now),
    nodeInfo['kubeletVersion'] ?? '',
    address('InternalIP'),
    address('ExternalIP'),
    nodeInfo['osImage'] || UNKNOWN,
    nodeInfo['kernelVersion'] || UNKNOWN,
    nodeInfo['containerRuntimeVersion'] || UNKNOWN,
  ]
}

const ROLE_PREFIX = 'node-role.kubernetes.io/'

function nodeRoles({ metadata: { labels = {} } }: KubeObject): string[] {
  const roles = Object.entries(labels).flatMap(([key, value]) => {
    if (key.startsWith(ROLE_PREFIX)) return key.slice(ROLE_PREFIX.length) || []
    return key === 'kubernetes.io/role' && value !== '' ? value : []
  })
  return roles.toSorted()
}

interface Subject {
  kind?: string
  name?: string
  namespace?: string
}

function bindingRow(binding: KubeObject, now: Date): Cell[] {
  const { kind = '', name: role = '' } = part(binding, 'roleRef') as { kind?: string; name?: string }
  const subjects = (binding['subjects'] as Subject[] | undefined) ?? []
  const named = (wanted: string): string =>
    subjects
      .filter((subject) => subject.kind === wanted)
      .map((subject) =>
        wanted === 'ServiceAccount' ? `${subject.namespace ?? ''}/${subject.name}` : (subject.name ?? ''),
      )
      .join(', ')
  return [
    name(binding),
    `${kind}/${role}`,
    created(binding, now),
    named('User'),
    named('Group'),
    named('ServiceAccount'),
  ]
}

function serviceRow(service: KubeObject, now: Date): Cell[] {
  const spec = part(service, 'spec') as {
    type?: string
    clusterIP?: string
    externalIPs?: string[]
    ports?: { port?: number; nodePort?: number; protocol?: string }[]
    selector?: Record<string, string>
  }
  const ports = (spec.ports ?? []).map(({ port, nodePort, protocol }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  )
  return [
    name(service),
    spec.type ?? '',
    spec.clusterIP || NONE,
    spec.externalIPs?.join(',') || NONE,
    ports.join(',') || NONE,
    created(service, now),
    labelsText(spec.selector),
  ]
}

function labelsText(labels: Record<string, string> = {}): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  return pairs.toSorted().join(',') || NONE
}

function endpointsText(endpoints: KubeObject): string {
  const subsets =
    (endpoints['subsets'] as { addresses?: { ip: string }[]; ports?: { port: number }[] }[] | undefined) ?? []
  const all = subsets.flatMap(({ addresses = [], ports = [] }) => {
    if (ports.length === 0) return addresses.map(({ ip }) => ip)
    return ports.flatMap(({ port }) => addresses.map(({ ip }) => `${ip}:${port}`))
  })
  return firstThree(all) || NONE
}

function sliceRow(slice: KubeObject, now: Date): Cell[] {
  const ports = (slice['ports'] as { port?: number }[] | undefined) ?? []
  const endpoints = (slice['endpoints'] as { addresses?: string[] }[] | null | undefined) ?? []
  return [
    name(slice),
    String(slice['addressType'] ?? ''),
    firstThree(ports.map(({ port }) => String(port ?? '*'))) || '<unset>',
    firstThree(endpoints.flatMap(({ addresses = [] }) => addresses)) || '<unset>',
    created(slice, now),
  ]
}

function firstThree(all: readonly string[]): string {
  const shown = all.slice(0, 3).join(',')
  return all.length > 3 ? `${shown} + ${all.length - 3} more...` : shown
}

function eventRow(event: KubeObject, now: Date): Cell[] {
  const { kind = '', name: of = '', fieldPath = '' } = part(event, 'involvedObject') as Record<string, string>
  const { component = '', host = '' } = part(event, 'source') as Record<string, string>
  const time = (member: string): string =>
    age((event[member] ?? event['eventTime'] ?? event.metadata.creationTimestamp) as string | undefined, now)
  return [
    time('lastTimestamp'),
    String(event['type'] ?? ''),
    String(event['reason'] ?? ''),
    `${kind.toLowerCase()}/${of}`,
    fieldPath,
    [component || String(event['reportingComponent'] ?? ''), host].filter(Boolean).join(', '),
    String(event['message'] ?? '').trim(),
    time('firstTimestamp'),
    (event['count'] as number | undefined) ?? 1,
    name(event),
  ]
}

function signingRequestRow(csr: KubeObject, now: Date): Cell[] {
  const {
    signerName = '',
    username = '',
    expirationSeconds,
  } = part(csr, 'spec') as {
    signerName?: string
    username?: string
    expirationSeconds?: number
  }
  const { conditions = [], certificate } = part(csr, 'status') as { conditions?: NodeCondition[]; certificate?: string }
  const types = conditions.map(({ type }) => type)
  const decided = types.includes('Denied') ? 'Denied' : types.includes('Approved') ? 'Approved' : 'Pending'
  const words = [decided, ...(types.includes('Failed') ? ['Failed'] : []), ...(certificate ? ['Issued'] : [])]
  const duration = expirationSeconds === undefined ? NONE : humanDuration(expirationSeconds * 1000)
  return [name(csr), created(csr, now), signerName || NONE, username, duration, words.join(',')]
}

const MODES: Record<string, string> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
}

function modesText(modes: unknown): string {
  return ((modes as string[] | undefined) ?? []).map((mode) => MODES[mode] ?? mode).join(',')
}

function volumeRow(volume: KubeObject, now: Date): Cell[] {
  const spec = part(volume, 'spec')
  const status = part(volume, 'status')
  const claim = spec['claimRef'] as { namespace?: string; name?: string } | undefined
  return [
    name(volume),
    (spec['capacity'] as { storage?: string } | undefined)?.storage ?? '',
    modesText(spec['accessModes']),
    String(spec['persistentVolumeReclaimPolicy'] ?? ''),
    String(status['phase'] ?? ''),
    claim ? `${claim.namespace}/${claim.name}` : '',
    String(spec['storageClassName'] ?? ''),
    String(spec['volumeAttributesClassName'] ?? '<unset>'),
    String(status['reason'] ?? ''),
    created(volume, now),
    String(spec['volumeMode'] ?? '<unset>'),
  ]
}

function claimRow(claim: KubeObject, now: Date): Cell[] {
  const spec = part(claim, 'spec')
  const status = part(claim, 'status')
  const volume = String(spec['volumeName'] ?? '')
  const bound = volume !== ''
  return [
    name(claim),
    claim.metadata.deletionTimestamp ? 'Terminating' : String(status['phase'] ?? ''),
    volume,
    bound ? ((status['capacity'] as { storage?: string } | undefined)?.storage ?? '0') : '',
    bound ? modesText(status['accessModes']) : '',
    String(spec['storageClassName'] ?? ''),
    String(spec['volumeAttributesClassName'] ?? '<unset>'),
    created(claim, now),
    String(spec['volumeMode'] ?? '<unset>'),
  ]
}
