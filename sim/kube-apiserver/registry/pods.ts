/** What is particular about Pods: pkg/apis/core/v1/defaults.go, pkg/registry/core/pod/strategy.go, pkg/apis/core/validation. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { FieldError } from '../../../lib/kube/status.ts'
import { duplicate, forbidden, invalidValue, missing, notSupported, required } from './field-errors.ts'
import { labelErrors } from './names.ts'
import { qosClass } from './pod-qos.ts'
import { containerDefaults, volumeDefaults } from './pod-defaults.ts'
import type { Strategy } from './resource.ts'

export interface Container {
  name?: string
  image?: string
  imagePullPolicy?: string
  ports?: { name?: string; containerPort?: number; hostPort?: number; protocol?: string }[]
  volumeMounts?: { name?: string; mountPath?: string }[]
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> }
  [member: string]: unknown
}

export interface PodSpec {
  containers?: Container[]
  initContainers?: Container[]
  volumes?: { name?: string; [source: string]: unknown }[]
  nodeName?: string
  restartPolicy?: string
  dnsPolicy?: string
  serviceAccountName?: string
  serviceAccount?: string
  hostNetwork?: boolean
  schedulerName?: string
  terminationGracePeriodSeconds?: number
  tolerations?: unknown[]
  activeDeadlineSeconds?: number
  securityContext?: object
  enableServiceLinks?: boolean
  [member: string]: unknown
}

interface PodStatus {
  phase?: string
  qosClass?: string
  podIP?: string
  [member: string]: unknown
}

const MIRROR = 'kubernetes.io/config.mirror'
const RESTART_POLICIES = ['Always', 'OnFailure', 'Never']
const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const MUTABLE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,' +
  '`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

export function podSpecOf(pod: KubeObject): PodSpec {
  return (pod['spec'] as PodSpec | undefined) ?? {}
}

export function podStatusOf(pod: KubeObject): PodStatus {
  return (pod['status'] as PodStatus | undefined) ?? {}
}

export const podStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  returnsDeleted: true,
  defaults: (pod) => (pod['spec'] = specWithDefaults(podSpecOf(pod))),
  prepareCreate: (pod) => (pod['status'] = { phase: 'Pending', qosClass: qosClass(podSpecOf(pod)) }),
  prepareStatusUpdate(pod, old) {
    pod['spec'] = old['spec']
    pod.metadata.ownerReferences = old.metadata.ownerReferences ?? []
    const status = podStatusOf(pod)
    pod['status'] = { ...status, qosClass: podStatusOf(old).qosClass ?? qosClass(podSpecOf(old)) }
  },
  validate: (pod) => [...mirrorErrors(pod), ...specErrors(podSpecOf(pod))],
  validateUpdate(pod, old) {
    const allowed = { ...podSpecOf(old) }
    const spec = podSpecOf(pod)
    const same: PodSpec = {
      ...spec,
      ...(allowed.containers && { containers: withImages(spec.containers, allowed.containers) }),
      ...(allowed.initContainers && { initContainers: withImages(spec.initContainers, allowed.initContainers) }),
    }
    for (const member of ['activeDeadlineSeconds', 'tolerations', 'terminationGracePeriodSeconds'] as const) {
      if (allowed[member] === undefined) delete same[member]
      else same[member] = allowed[member] as never
    }
    return isDeepStrictEqual(same, allowed) ? [] : [forbidden('spec', `${MUTABLE}\n`)]
  },
  gracePeriodSeconds(pod, asked) {
    const spec = podSpecOf(pod)
    const { phase } = podStatusOf(pod)
    if (!spec.nodeName || phase === 'Succeeded' || phase === 'Failed') return 0
    return asked ?? spec.terminationGracePeriodSeconds ?? 30
  },
  selectableFields: {
    'spec.nodeName': (pod) => podSpecOf(pod).nodeName ?? '',
    'spec.restartPolicy': (pod) => podSpecOf(pod).restartPolicy ?? '',
    'spec.schedulerName': (pod) => podSpecOf(pod).schedulerName ?? '',
    'spec.serviceAccountName': (pod) => podSpecOf(pod).serviceAccountName ?? '',
    'spec.hostNetwork': (pod) => String(podSpecOf(pod).hostNetwork ?? false),
    'status.phase': (pod) => podStatusOf(pod).phase ?? '',
    'status.podIP': (pod) => podStatusOf(pod).podIP ?? '',
    'status.nominatedNodeName': (pod) => String(podStatusOf(pod)['nominatedNodeName'] ?? ''),
  },
}

function specWithDefaults(spec: PodSpec): PodSpec {
  const { volumes, initContainers, containers, ...rest } = spec
  return {
    ...(volumes && { volumes: volumes.map(volumeDefaults) }),
    ...(initContainers && { initContainers: initContainers.map(containerDefaults) }),
    ...(containers && { containers: containers.map(containerDefaults) }),
    ...rest,
    restartPolicy: spec.restartPolicy ?? 'Always',
    terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds ?? 30,
    dnsPolicy: spec.dnsPolicy ?? 'ClusterFirst',
    ...accountNames(spec),
    securityContext: spec.securityContext ?? {},
    schedulerName: spec.schedulerName ?? 'default-scheduler',
    enableServiceLinks: spec.enableServiceLinks ?? true,
  }
}

// the old name of the field is filled from the new one and the other way round
function accountNames({ serviceAccountName, serviceAccount }: PodSpec): Partial<PodSpec> {
  const name = serviceAccountName || serviceAccount
  return name ? { serviceAccountName: name, serviceAccount: name } : {}
}

function withImages(containers: readonly Container[] | undefined, old: readonly Container[]): Container[] {
  return (containers ?? []).map((container, index) => ({
    ...container,
    ...(old[index]?.image !== undefined && { image: old[index].image }),
  }))
}

function mirrorErrors(pod: KubeObject): FieldError[] {
  const mirror = pod.metadata.annotations?.[MIRROR]
  if (mirror === undefined) return []
  const spec = podSpecOf(pod)
  const field = `metadata.annotations[${MIRROR}]`
  const errors: FieldError[] = []
  if (!spec.nodeName) errors.push(invalidValue(field, mirror, 'must set spec.nodeName if mirror pod annotation is set'))
  if ('resourceClaims' in spec) errors.push(forbidden('[]', 'static pods do not support resource claims'))
  return errors
}

function specErrors(spec: PodSpec): FieldError[] {
  const errors: FieldError[] = []
  const volumes = new Set<string>()
  for (const [index, { name = '' }] of (spec.volumes ?? []).entries()) {
    const path = `spec.volumes[${index}].name`
    if (name === '') errors.push(required(path))
    else if (volumes.has(name)) errors.push(duplicate(path, name))
    else errors.push(...labelErrors(name).map((why) => invalidValue(path, name, why)))
    volumes.add(name)
  }
  if (!spec.containers || spec.containers.length === 0) errors.push(required('spec.containers'))
  errors.push(...containerErrors(spec.containers ?? [], 'spec.containers', volumes))
  errors.push(...containerErrors(spec.initContainers ?? [], 'spec.initContainers', volumes))
  if (!RESTART_POLICIES.includes(spec.restartPolicy ?? '')) {
    errors.push(notSupported('spec.restartPolicy', spec.restartPolicy, RESTART_POLICIES))
  }
  if (!DNS_POLICIES.includes(spec.dnsPolicy ?? ''))
    errors.push(notSupported('spec.dnsPolicy', spec.dnsPolicy, DNS_POLICIES))
  return errors
}

function containerErrors(containers: readonly Container[], path: string, volumes: ReadonlySet<string>): FieldError[] {
  const names = new Set<string>()
  return containers.flatMap((container, index) => {
    const at = `${path}[${index}]`
    const { name = '', image = '', ports = [], volumeMounts = [] } = container
    const errors: FieldError[] = []
    if (name === '') errors.push(required(`${at}.name`))
    else errors.push(...labelErrors(name).map((why) => invalidValue(`${at}.name`, name, why)))
    if (name !== '' && names.has(name)) errors.push(duplicate(`${at}.name`, name))
    names.add(name)
    if (image === '') errors.push(required(`${at}.image`))
    else if (image !== image.trim())
      errors.push(invalidValue(`${at}.image`, image, 'must not have leading or trailing whitespace'))
    for (const [number, port] of ports.entries()) {
      const { containerPort, protocol = '' } = port
      if (!containerPort) errors.push(required(`${at}.ports[${number}].containerPort`))
      else if (containerPort < 1 || containerPort > 65_535) {
        errors.push(
          invalidValue(`${at}.ports[${number}].containerPort`, containerPort, 'must be between 1 and 65535, inclusive'),
        )
      }
      if (!PROTOCOLS.includes(protocol))
        errors.push(notSupported(`${at}.ports[${number}].protocol`, protocol, PROTOCOLS))
    }
    for (const [number, mount] of volumeMounts.entries()) {
      const mounted = mount.name ?? ''
      if (mounted === '') errors.push(required(`${at}.volumeMounts[${number}].name`))
      else if (!volumes.has(mounted)) errors.push(missing(`${at}.volumeMounts[${number}].name`, mounted))
      if (!mount.mountPath) errors.push(required(`${at}.volumeMounts[${number}].mountPath`))
    }
    return errors
  })
}
