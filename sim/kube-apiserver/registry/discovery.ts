/** Which groups, versions and resources there are: apiserver/pkg/endpoints/discovery, apidiscovery.k8s.io. */
import { createHash } from 'node:crypto'
import type { AcceptedForm } from './negotiation.ts'
import { apiVersionOf } from './resource.ts'
import type { Resource, Subresource } from './resource.ts'
import { RESOURCES } from './resources.ts'

/** Aggregated discovery is v2 since 1.30; v2beta1 has gone with 1.36. */
const AGGREGATED_SINCE = 30
export const AGGREGATED_TYPE = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

export function isAggregated({ as, group, version }: AcceptedForm): boolean {
  return as === 'APIGroupDiscoveryList' && group === 'apidiscovery.k8s.io' && version === 'v2'
}

/** What /api and /apis may be answered as. */
export function takesDiscovery(minorVersion: number): (form: AcceptedForm) => boolean {
  return (form) => form.as === undefined || (minorVersion >= AGGREGATED_SINCE && isAggregated(form))
}

const GROUPS = [...new Set(RESOURCES.map(({ group }) => group))].filter((group) => group !== '')

function versionsOf(group: string): string[] {
  return [...new Set(RESOURCES.filter((each) => each.group === group).map(({ version }) => version))]
}

/** GET /api. */
export function coreVersions(serverAddress: string): object {
  const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress }]
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs }
}

/** GET /apis. */
export function groupList(): object {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: GROUPS.map(groupOf) }
}

function groupOf(name: string): object {
  const versions = versionsOf(name).map((version) => ({ groupVersion: `${name}/${version}`, version }))
  return { name, versions, preferredVersion: versions[0] }
}

/** GET /apis/<group>, or undefined where there is none. */
export function groupDocument(name: string): object | undefined {
  return GROUPS.includes(name) ? { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(name) } : undefined
}

/** GET /api/v1 and /apis/<group>/<version>. */
export function resourceList(group: string, version: string): object | undefined {
  const found = RESOURCES.filter((each) => each.group === group && each.version === version)
  if (found.length === 0) return undefined
  return {
    kind: 'APIResourceList',
    ...(group !== '' && { apiVersion: 'v1' }),
    groupVersion: group === '' ? version : `${group}/${version}`,
    resources: found.toSorted(byName).flatMap(resourceEntries),
  }
}

function byName(a: Resource, b: Resource): number {
  return a.resource < b.resource ? -1 : 1
}

function resourceEntries(resource: Resource): object[] {
  const { namespaced, kind, verbs, shortNames, categories, singular } = resource
  const own = {
    name: resource.resource,
    singularName: singular,
    namespaced,
    kind,
    verbs,
    ...(shortNames && { shortNames }),
    ...(categories && { categories }),
    ...(verbs.includes('list') && { storageVersionHash: storageVersionHash(resource) }),
  }
  const below = Object.entries(resource.subresources).map(([name, subresource]) => ({
    name: `${resource.resource}/${name}`,
    singularName: '',
    namespaced,
    ...(subresource.group !== undefined && { group: subresource.group, version: subresource.version }),
    kind: subresource.kind,
    verbs: subresource.verbs,
  }))
  return [own, ...below]
}

/** apiserver/pkg/endpoints/discovery/storageversionhash.go. */
function storageVersionHash({ group, version, kind }: Resource): string {
  return createHash('sha256').update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString('base64')
}

/** GET /api or /apis as an APIGroupDiscoveryList. */
export function aggregatedDiscovery(of: 'api' | 'apis'): object {
  const names = of === 'api' ? [''] : GROUPS
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: names.map((name) => ({
      metadata: name === '' ? {} : { name },
      versions: versionsOf(name).map((version) => ({
        version,
        resources: RESOURCES.filter((each) => each.group === name && each.version === version)
          .toSorted(byName)
          .map(aggregatedResource),
        freshness: 'Current',
      })),
    })),
  }
}

function aggregatedResource(resource: Resource): object {
  const { kind, namespaced, singular, verbs, shortNames, categories, subresources } = resource
  const below = Object.entries(subresources).map(aggregatedSubresource)
  return {
    resource: resource.resource,
    responseKind: { group: '', version: '', kind },
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs,
    ...(shortNames && { shortNames }),
    ...(categories && { categories }),
    ...(below.length > 0 && { subresources: below }),
  }
}

function aggregatedSubresource([subresource, { group = '', version = '', kind, verbs }]: [
  string,
  Subresource,
]): object {
  return { subresource, responseKind: { group, version, kind }, verbs }
}

/** GET /: every path that is served. */
export function servedPaths(more: readonly string[]): object {
  const groups = GROUPS.flatMap((group) => [
    `/apis/${group}`,
    ...versionsOf(group).map((version) => `/apis/${group}/${version}`),
  ])
  const paths = ['/api', `/api/${apiVersionOf({ group: '', version: 'v1' })}`, '/apis', '/apis/', ...groups, ...more]
  return { paths: paths.toSorted() }
}
