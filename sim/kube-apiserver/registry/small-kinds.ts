/** What is particular about kinds of which little is: pkg/registry/{core,coordination,storage,policy}. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { FieldError } from '../../../lib/kube/status.ts'
import { invalidValue, notSupported, required } from './field-errors.ts'
import { label1035Errors, labelErrors } from './names.ts'
import type { Strategy } from './resource.ts'

type Members = Record<string, unknown>

function membersOf(object: KubeObject, member: string): Members {
  return (object[member] as Members | undefined) ?? {}
}

export const namespaceStrategy: Strategy = {
  hasStatus: true,
  nameErrors: labelErrors,
  defaults(namespace) {
    const { name } = namespace.metadata
    if (name) namespace.metadata.labels = { ...namespace.metadata.labels, 'kubernetes.io/metadata.name': name }
    namespace['spec'] = membersOf(namespace, 'spec')
    namespace['status'] = { phase: 'Active', ...membersOf(namespace, 'status') }
  },
  prepareCreate(namespace) {
    const finalizers = (membersOf(namespace, 'spec')['finalizers'] as string[] | undefined) ?? []
    namespace['spec'] = { finalizers: finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'] }
    namespace['status'] = { phase: 'Active' }
  },
  // spec.finalizers leave by /finalize only
  prepareUpdate: (namespace, old) => void (namespace['spec'] = old['spec']),
  prepareStatusUpdate: (namespace, old) => void (namespace['spec'] = old['spec']),
  selectableFields: { 'status.phase': (namespace) => String(membersOf(namespace, 'status')['phase'] ?? '') },
}

export const serviceAccountStrategy: Strategy = { returnsDeleted: true, conditionalUpdate: false }

export const leaseStrategy: Strategy = {
  conditionalUpdate: true,
  createsOnUpdate: true,
  validate(lease) {
    const { leaseDurationSeconds, leaseTransitions } = membersOf(lease, 'spec') as Record<string, number | undefined>
    const errors: FieldError[] = []
    if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
      errors.push(invalidValue('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0'))
    }
    if (leaseTransitions !== undefined && leaseTransitions < 0) {
      errors.push(invalidValue('spec.leaseTransitions', leaseTransitions, 'must be greater than or equal to 0'))
    }
    return errors
  },
}

const HOUR_SECONDS = 3600

/** --event-ttl's default is an hour. */
export const eventStrategy: Strategy = {
  createsOnUpdate: true,
  ttlSeconds: HOUR_SECONDS,
  nameErrors: (name) => (name === '' ? [] : []),
  defaults(event) {
    const { involvedObject, ...rest } = event
    const { eventTime, reportingComponent, reportingInstance, type, ...others } = rest as Members
    for (const member of Object.keys(event)) delete event[member]
    Object.assign(event, {
      ...others,
      involvedObject: involvedObject ?? {},
      ...(type !== undefined && { type }),
      eventTime: eventTime ?? null,
      reportingComponent: reportingComponent ?? '',
      reportingInstance: reportingInstance ?? '',
    })
  },
  validate(event) {
    const { namespace = '' } = membersOf(event, 'involvedObject') as { namespace?: string }
    if (namespace === event.metadata.namespace || (namespace === '' && event.metadata.namespace === 'default'))
      return []
    return [invalidValue('involvedObject.namespace', namespace, 'does not match event.namespace')]
  },
  selectableFields: {
    ...Object.fromEntries(
      ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map((member) => [
        `involvedObject.${member}`,
        (event: KubeObject) => String(membersOf(event, 'involvedObject')[member] ?? ''),
      ]),
    ),
    reason: (event) => String(event['reason'] ?? ''),
    reportingComponent: (event) => String(event['reportingComponent'] || membersOf(event, 'source')['component'] || ''),
    source: (event) => String(membersOf(event, 'source')['component'] || event['reportingComponent'] || ''),
    type: (event) => String(event['type'] ?? ''),
  },
}

interface ServicePort {
  name?: string
  protocol?: string
  port?: number
  targetPort?: number | string
  nodePort?: number | undefined
}

/** Addresses and ports are given on create: service-addresses.ts. */
export const serviceStrategy: Strategy = {
  hasStatus: true,
  nameErrors: label1035Errors,
  defaults(service) {
    const spec = membersOf(service, 'spec') as Members & { ports?: ServicePort[]; clusterIP?: string; type?: string }
    const { ports, selector, clusterIP, type = 'ClusterIP', ...rest } = spec
    const external = type === 'ExternalName'
    service['spec'] = {
      ...(ports && { ports: ports.map(portDefaults) }),
      ...(selector !== undefined && { selector }),
      ...(!external && clusterIP !== undefined && { clusterIP, clusterIPs: [clusterIP] }),
      type,
      sessionAffinity: 'None',
      ...(!external && { ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack', internalTrafficPolicy: 'Cluster' }),
      ...rest,
    }
    service['status'] = { loadBalancer: {}, ...membersOf(service, 'status') }
  },
  prepareCreate: (service) => void (service['status'] = { loadBalancer: {} }),
  prepareUpdate: keepAllocated,
  validateUpdate(service, old) {
    const [before, after] = [membersOf(old, 'spec'), membersOf(service, 'spec')]
    if (before['type'] === 'ExternalName' || after['type'] === 'ExternalName') return []
    if (before['clusterIP'] === after['clusterIP']) return []
    return [invalidValue('spec.clusterIPs[0]', [after['clusterIP']], 'may not change once set')]
  },
  validate(service) {
    const { ports, clusterIP, type } = membersOf(service, 'spec') as {
      ports?: ServicePort[]
      clusterIP?: string
      type?: string
    }
    const free = clusterIP === 'None' && service.metadata.annotations !== undefined
    return ports?.length || type === 'ExternalName' || free ? [] : [required('spec.ports')]
  },
  selectableFields: {
    'spec.clusterIP': (service) => String(membersOf(service, 'spec')['clusterIP'] ?? ''),
    'spec.type': (service) => String(membersOf(service, 'spec')['type'] ?? ''),
  },
}

/** What was given on create stays where an update does not say it: storage.go, patchAllocatedValues. */
function keepAllocated(service: KubeObject, old: KubeObject): void {
  const [before, after] = [membersOf(old, 'spec'), membersOf(service, 'spec')]
  if (after['type'] === 'ExternalName' || before['type'] === 'ExternalName') return
  if (!after['clusterIP']) Object.assign(after, { clusterIP: before['clusterIP'], clusterIPs: before['clusterIPs'] })
  if (after['type'] === 'ClusterIP') return
  const known = (before['ports'] as ServicePort[] | undefined) ?? []
  for (const port of (after['ports'] as ServicePort[] | undefined) ?? []) {
    const same = known.find((each) => each.port === port.port && each.protocol === port.protocol)
    port.nodePort ??= same?.nodePort
  }
}

function portDefaults({ name, protocol = 'TCP', port, targetPort, ...rest }: ServicePort): ServicePort {
  return {
    ...(name !== undefined && { name }),
    protocol,
    ...(port !== undefined && { port }),
    targetPort: targetPort || port || 0,
    ...rest,
  }
}

export const endpointsStrategy: Strategy = {
  createsOnUpdate: true,
  warning: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
}

export const endpointSliceStrategy: Strategy = {
  hasGeneration: true,
  validate(slice) {
    const type = String(slice['addressType'] ?? '')
    if (type === '') return [required('addressType')]
    return ADDRESS_TYPES.includes(type) ? [] : [notSupported('addressType', type, ADDRESS_TYPES)]
  },
}

const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6']

/** StorageObjectInUseProtection gives every claim a finalizer, and every volume. */
function volumeStrategy(finalizer: string): Strategy {
  return {
    hasStatus: true,
    returnsDeleted: true,
    defaults(object) {
      const spec = membersOf(object, 'spec')
      object['spec'] = { ...spec, volumeMode: spec['volumeMode'] ?? 'Filesystem' }
    },
    prepareCreate(object) {
      object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), finalizer])]
      object['status'] = { phase: 'Pending' }
    },
    selectableFields: {},
  }
}

export const claimStrategy = volumeStrategy('kubernetes.io/pvc-protection')
export const persistentVolumeStrategy = volumeStrategy('kubernetes.io/pv-protection')

export const csiNodeStrategy: Strategy = {
  returnsDeleted: true,
  defaults(node) {
    const { drivers, ...spec } = membersOf(node, 'spec') as { drivers?: unknown[] }
    node['spec'] = { drivers: drivers?.length ? drivers : null, ...spec }
  },
}

export const disruptionBudgetStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  prepareCreate: (budget) =>
    void (budget['status'] = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }),
}

/** Kinds of which nothing here is particular but that they have a status. */
export const statusStrategy: Strategy = { hasStatus: true, prepareCreate: (object) => void delete object['status'] }

export const plainStrategy: Strategy = {}
