/** What decoding fills into containers and volumes: pkg/apis/core/v1/defaults.go. */
import type { Container } from './pods.ts'

interface Probe {
  httpGet?: { path?: string; scheme?: string }
  [member: string]: unknown
}

const MODE_0644 = 0o644
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const

export function containerDefaults(container: Container): Container {
  const { ports, env, resources, ...rest } = container
  const filled: Container = { ...rest, ...(ports && { ports: ports.map(portDefaults) }) }
  if (env) filled['env'] = (env as object[]).map(variableDefaults)
  filled.resources = resourceDefaults(resources ?? {})
  for (const probe of PROBES) if (filled[probe]) filled[probe] = probeDefaults(filled[probe] as Probe)
  filled['terminationMessagePath'] ??= '/dev/termination-log'
  filled['terminationMessagePolicy'] ??= 'File'
  filled.imagePullPolicy ??= pullPolicy(container.image ?? '')
  return filled
}

function portDefaults(port: NonNullable<Container['ports']>[number]): NonNullable<Container['ports']>[number] {
  return { ...port, protocol: port.protocol ?? 'TCP' }
}

// a limit without a request is also the request
function resourceDefaults(resources: NonNullable<Container['resources']>): NonNullable<Container['resources']> {
  const { limits } = resources
  if (!limits) return resources
  return { ...resources, requests: { ...limits, ...resources.requests } }
}

function pullPolicy(image: string): string {
  const name = image.slice(image.lastIndexOf('/') + 1)
  const tag = name.includes('@') ? 'digest' : (name.split(':')[1] ?? 'latest')
  return tag === 'latest' ? 'Always' : 'IfNotPresent'
}

function variableDefaults(variable: object): object {
  const { valueFrom } = variable as { valueFrom?: { fieldRef?: { apiVersion?: string } } }
  if (!valueFrom?.fieldRef) return variable
  return { ...variable, valueFrom: { ...valueFrom, fieldRef: { apiVersion: 'v1', ...valueFrom.fieldRef } } }
}

function probeDefaults(probe: Probe): Probe {
  const { httpGet } = probe
  return {
    ...probe,
    ...(httpGet && { httpGet: { ...httpGet, path: httpGet.path || '/', scheme: httpGet.scheme || 'HTTP' } }),
    timeoutSeconds: probe['timeoutSeconds'] || 1,
    periodSeconds: probe['periodSeconds'] || 10,
    successThreshold: probe['successThreshold'] || 1,
    failureThreshold: probe['failureThreshold'] || 3,
  }
}

type Source = Record<string, unknown>

/** A volume that says no source is an emptyDir. */
export function volumeDefaults(volume: { name?: string; [source: string]: unknown }): typeof volume {
  const { name, ...sources } = volume
  const named = name === undefined ? {} : { name }
  if (Object.keys(sources).length === 0) return { ...named, emptyDir: {} }
  const filled: typeof volume = { ...named, ...sources }
  for (const kind of ['secret', 'configMap', 'downwardAPI', 'projected']) {
    const source = filled[kind] as Source | undefined
    if (source) filled[kind] = { ...source, defaultMode: source['defaultMode'] ?? MODE_0644 }
  }
  const { hostPath, projected } = filled as { hostPath?: Source; projected?: { sources?: Source[] } }
  if (hostPath) filled['hostPath'] = { ...hostPath, type: hostPath['type'] ?? '' }
  if (projected?.sources) filled['projected'] = { ...projected, sources: projected.sources.map(sourceDefaults) }
  return filled
}

function sourceDefaults(source: Source): Source {
  const token = source['serviceAccountToken'] as Source | undefined
  if (!token) return source
  return { ...source, serviceAccountToken: { ...token, expirationSeconds: token['expirationSeconds'] ?? 3600 } }
}
