/**
 * What ends a kubelet's start, in the real one's words and order: pkg/kubelet/apis/config/validation, cmd/kubelet/app/{server,options}.
 * Of fields that have no effect here too: a file that the real one refuses is refused.
 */
import { parseDurationMs } from '../../lib/settings/duration.ts'

/** The end of a start, in the real kubelet's words (`command failed`, exit 1). */
export class SettingsError extends Error {}

/** Go's panic: exit 2, and no `command failed`. */
export class SettingsPanic extends Error {}

export type Members = Record<string, unknown>

const MOST_PORT = 65_535
const QUANTITY = /^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$/
const QUANTITY_TEXT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
const EVICTION_SIGNALS = [
  'memory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'containerfs.available',
  'containerfs.inodesFree',
  'pid.available',
  'allocatableMemory.available',
]
const CPU_POLICIES = ['', 'none', 'static']
const TOPOLOGY_POLICIES = ['none', 'best-effort', 'restricted', 'single-numa-node']
const LOG_FORMATS = ['', 'text', 'json']
/** pkg/kubelet/apis/well_known_labels.go. */
const OWN_LABELS = new Set([
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'beta.kubernetes.io/os',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'kubernetes.io/arch',
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'node.kubernetes.io/instance-type',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
])
const LOCKED_SINCE = 36

/** @throws SettingsError */
export function validateLabels(labels: ReadonlyMap<string, string>): void {
  const unknown = [...labels.keys()].filter((label) => {
    const namespace = label.includes('/') ? label.slice(0, label.indexOf('/')) : ''
    const isOurs = /(^|\.)(kubernetes|k8s)\.io$/.test(namespace)
    return isOurs && !OWN_LABELS.has(label) && !/(^|\.)(kubelet|node)\.kubernetes\.io$/.test(namespace)
  })
  if (unknown.length === 0) return
  const allowed = [...OWN_LABELS].toSorted().join(', ')
  throw new SettingsError(
    `failed to validate kubelet flags: unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: [${unknown.toSorted().join(' ')}]\n--node-labels in the 'kubernetes.io' namespace must begin with an allowed prefix (kubelet.kubernetes.io, node.kubernetes.io) or be in the specifically allowed set (${allowed})`,
  )
}

/** Of the file alone, before anything is put together. @throws SettingsError, SettingsPanic */
export function validateFile(file: Members, minorVersion: number): void {
  const gates = at(file, 'featureGates')
  if (gates?.['KubeletFineGrainedAuthz'] === false && minorVersion >= LOCKED_SINCE) {
    throw new SettingsPanic(
      'failed to merge global and in-flight KubeletConfiguration while setting defaults, error: cannot set feature gate KubeletFineGrainedAuthz to false, feature is locked to true',
    )
  }
  const format = at(file, 'logging')?.['format']
  if (typeof format === 'string' && !LOG_FORMATS.includes(format)) {
    throw new SettingsError(
      `initialize logging: logging.format: Invalid value: ${JSON.stringify(format)}: Unsupported log format`,
    )
  }
  const { maxPods, registryPullQPS, nodeLeaseDurationSeconds, topologyManagerPolicy } = file
  if (isBelow(maxPods, 0)) invalid(`maxPods (--max-pods) ${Number(maxPods)} must not be a negative number`)
  if (isBelow(registryPullQPS, 0)) {
    invalid(`registryPullQPS (--registry-qps) ${Number(registryPullQPS)} must not be a negative number`)
  }
  if (isBelow(nodeLeaseDurationSeconds, 0)) invalid('nodeLeaseDurationSeconds must be greater than 0')
  const { imageGCHighThresholdPercent: high = 85, imageGCLowThresholdPercent: low = 80 } = file
  if (Number(low) >= Number(high)) {
    invalid(
      `imageGCLowThresholdPercent (--image-gc-low-threshold) ${Number(low)} must be less than imageGCHighThresholdPercent (--image-gc-high-threshold) ${Number(high)}`,
    )
  }
  if (typeof topologyManagerPolicy === 'string' && topologyManagerPolicy !== '') {
    if (!TOPOLOGY_POLICIES.includes(topologyManagerPolicy)) {
      const list = TOPOLOGY_POLICIES.map((each) => JSON.stringify(each)).join(' ')
      const named = JSON.stringify(topologyManagerPolicy)
      invalid(`topologyManagerPolicy (--topology-manager-policy) ${named} must be one of: [${list}]`)
    }
  }
  if (file['serverTLSBootstrap'] === true && gates?.['RotateKubeletServerCertificate'] === false) {
    invalid('serverTLSBootstrap true requires feature gate RotateKubeletServerCertificate')
  }
}

/** What is found only while the kubelet is put together. @throws SettingsError */
export function validateParts(file: Members): void {
  const run = (text: string): never => {
    throw new SettingsError(`failed to run Kubelet: ${text}`)
  }
  for (const [resource, value] of Object.entries(at(file, 'systemReserved') ?? {})) {
    if (QUANTITY.test(String(value))) continue
    const why = `failed to parse quantity ${JSON.stringify(value)} for ${JSON.stringify(resource)} resource: ${QUANTITY_TEXT}`
    run(`--system-reserved value failed to parse: ${why}`)
  }
  for (const [signal, value] of Object.entries(at(file, 'evictionHard') ?? {})) {
    if (!EVICTION_SIGNALS.includes(signal)) run(`unsupported eviction signal ${signal}`)
    if (!/^[\d.]+%$/.test(String(value)) && !QUANTITY.test(String(value))) run(QUANTITY_TEXT)
  }
  const policy = file['cpuManagerPolicy']
  if (typeof policy === 'string' && !CPU_POLICIES.includes(policy)) run(`unknown policy: ${JSON.stringify(policy)}`)
  const curves = file['tlsCurvePreferences']
  if (!Array.isArray(curves)) return
  const twice = curves.find((curve, index) => curves.indexOf(curve) !== index) as unknown
  if (twice === undefined) return
  throw new SettingsError(`failed to construct kubelet dependencies: duplicate curve preference ${String(twice)}`)
}

export function validatePorts(ports: { healthzPort: number; port: number; readOnlyPort: number }): void {
  const { healthzPort, port, readOnlyPort } = ports
  if (healthzPort < 0 || healthzPort > MOST_PORT) {
    invalid(`healthzPort (--healthz-port) ${healthzPort} must be between 1 and 65535, inclusive`)
  }
  if (port < 1 || port > MOST_PORT) invalid(`port (--port) ${port} must be between 1 and 65535, inclusive`)
  if (readOnlyPort < 0 || readOnlyPort > MOST_PORT) {
    invalid(`readOnlyPort (--read-only-port) ${readOnlyPort} must be between 0 and 65535, inclusive`)
  }
}

/** The first duration of a file that is none, in Go's words. */
export function badDuration(members: Members): string | undefined {
  for (const [name, value] of Object.entries(members)) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const below = badDuration(value as Members)
      if (below !== undefined) return below
    }
    if (typeof value !== 'string' || !/(TTL|Timeout|Frequency|Period)$/.test(name)) continue
    try {
      parseDurationMs(value)
    } catch (error) {
      return (error as Error).message
    }
  }
  return undefined
}

function invalid(text: string): never {
  throw new SettingsError(
    `failed to validate kubelet configuration, error: invalid configuration: ${text}, path: &TypeMeta{Kind:,APIVersion:,}`,
  )
}

function isBelow(value: unknown, least: number): boolean {
  return typeof value === 'number' && value < least
}

function at(members: Members, name: string): Members | undefined {
  const value = members[name]
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : undefined
}
