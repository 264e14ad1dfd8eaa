/** Groups and resources that the simulation does not serve, and so does not list: what of a recorded discovery is left. */

const GROUPS = new Set([
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apiregistration.k8s.io',
  'apps',
  'autoscaling',
  'batch',
  'flowcontrol.apiserver.k8s.io',
  'networking.k8s.io',
  'resource.k8s.io',
])
const RESOURCES = new Set([
  'componentstatuses',
  'csistoragecapacities',
  'limitranges',
  'podtemplates',
  'replicationcontrollers',
  'resourcequotas',
  'volumeattributesclasses',
])
/** Subresources of what is served. */
const SUBRESOURCES = new Set(['pods/ephemeralcontainers', 'pods/proxy', 'pods/resize', 'services/proxy'])

interface Listed {
  name?: string
  resource?: string
  metadata?: { name?: string }
  subresources?: { subresource: string }[]
}

/** The same document without them, at any depth. */
export function withoutUnserved<Value>(value: Value): Value {
  if (Array.isArray(value)) {
    const kept = value.filter((item: unknown) => !isUnserved(item as Listed))
    return kept.map((item: unknown) => withoutUnserved(item)) as Value
  }
  if (typeof value !== 'object' || value === null) return value
  const { resource } = value as Listed
  const entries = Object.entries(value).map(([key, item]) => {
    if (key !== 'subresources' || resource === undefined) return [key, withoutUnserved(item as unknown)]
    const known = item as { subresource: string }[]
    return [key, known.filter(({ subresource }) => !SUBRESOURCES.has(`${resource}/${subresource}`))]
  })
  return Object.fromEntries(entries) as Value
}

function isUnserved(item: Listed): boolean {
  if (typeof item !== 'object' || item === null) return false
  const group = item.metadata?.name ?? item.name ?? ''
  const resource = item.resource ?? item.name ?? ''
  return GROUPS.has(group) || RESOURCES.has(resource.split('/')[0] ?? '') || SUBRESOURCES.has(resource)
}
