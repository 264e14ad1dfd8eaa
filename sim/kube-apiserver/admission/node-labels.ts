/** The labels a kubelet may give to its own Node: kubelet/pkg/apis/well_known_labels.go. */
const ALLOWED = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
])
const OPEN_PREFIXES = ['kubelet.kubernetes.io', 'node.kubernetes.io']
const RESERVED_PREFIX = 'node-restriction.kubernetes.io'

type Labels = Readonly<Record<string, string>>

/** The keys of labels that differ and are not the kubelet's to set, sorted. */
export function forbiddenNodeLabels(now: Labels = {}, before: Labels = {}): string[] {
  const keys = [...new Set([...Object.keys(now), ...Object.keys(before)])]
  return keys.filter((key) => now[key] !== before[key] && !mayNodeSet(key)).toSorted()
}

function mayNodeSet(key: string): boolean {
  const slash = key.indexOf('/')
  const prefix = slash < 0 ? '' : key.slice(0, slash)
  if (isWithin(prefix, RESERVED_PREFIX)) return false
  if (!isWithin(prefix, 'kubernetes.io') && !isWithin(prefix, 'k8s.io')) return true
  return ALLOWED.has(key) || OPEN_PREFIXES.some((open) => isWithin(prefix, open))
}

function isWithin(prefix: string, domain: string): boolean {
  return prefix === domain || prefix.endsWith(`.${domain}`)
}
