/**
 * Kubernetes' own merge: lists of named things are merged by their key. apimachinery/pkg/util/strategicpatch/patch.go; the
 * keys are the patchMergeKey tags of k8s.io/api.
 */
import { isDeepStrictEqual } from 'node:util'
import { isMap } from './merge-patch.ts'

type Members = Record<string, unknown>

/** Merge keys by the list's name; a second one where the name stands for two kinds of list. */
const MERGE_KEYS: Readonly<Record<string, readonly string[]>> = {
  addresses: ['type'],
  conditions: ['type'],
  containers: ['name'],
  initContainers: ['name'],
  ephemeralContainers: ['name'],
  env: ['name'],
  hostAliases: ['ip'],
  hostIPs: ['ip'],
  imagePullSecrets: ['name'],
  ownerReferences: ['uid'],
  podIPs: ['ip'],
  ports: ['containerPort', 'port'],
  resourceClaims: ['name'],
  secrets: ['name'],
  topologySpreadConstraints: ['topologyKey'],
  volumeDevices: ['devicePath'],
  volumeMounts: ['mountPath'],
  volumes: ['name'],
}

/** Lists of plain values that are merged as sets. */
const MERGED_SETS = new Set(['finalizers', 'podCIDRs'])
const DIRECTIVE = '$patch'
const DELETE_FROM = '$deleteFromPrimitiveList/'
const ORDER_OF = '$setElementOrder/'
const RETAIN_KEYS = '$retainKeys'

export function strategicMerge(target: Members, patch: Members): Members {
  if (patch[DIRECTIVE] === 'replace') return withoutDirectives(patch)
  if (patch[DIRECTIVE] === 'delete') return {}
  const retained = patch[RETAIN_KEYS] as string[] | undefined
  const merged: Members = retained
    ? Object.fromEntries(Object.entries(target).filter(([member]) => retained.includes(member)))
    : { ...target }
  for (const [member, value] of Object.entries(patch)) {
    if (member.startsWith(DELETE_FROM)) {
      const list = member.slice(DELETE_FROM.length)
      merged[list] = listOf(merged[list]).filter((each) => !listOf(value).includes(each))
    }
    if (member.startsWith('$')) continue
    if (value === null) delete merged[member]
    else merged[member] = mergedValue(member, merged[member], value)
  }
  for (const [member, order] of Object.entries(patch)) {
    if (!member.startsWith(ORDER_OF)) continue
    const list = member.slice(ORDER_OF.length)
    if (Array.isArray(merged[list])) merged[list] = inOrder(list, listOf(merged[list]), listOf(order))
  }
  return merged
}

function mergedValue(member: string, old: unknown, value: unknown): unknown {
  if (isMap(value)) return strategicMerge(isMap(old) ? old : {}, value)
  if (!Array.isArray(value)) return value
  if (MERGED_SETS.has(member)) return [...new Set([...listOf(old), ...(value as unknown[])])]
  const key = mergeKey(member, value)
  return key === undefined ? withoutDirectiveItems(value) : mergedList(key, listOf(old), value as Members[])
}

function mergeKey(member: string, list: readonly unknown[]): string | undefined {
  return MERGE_KEYS[member]?.find((key) => list.every((item) => isMap(item) && (key in item || DIRECTIVE in item)))
}

function mergedList(key: string, old: readonly unknown[], patch: readonly Members[]): unknown[] {
  if (patch.some((item) => item[DIRECTIVE] === 'replace' && !(key in item))) {
    return patch.filter((item) => !(DIRECTIVE in item))
  }
  const merged = old.filter(isMap)
  for (const item of patch) {
    const at = merged.findIndex((each) => isDeepStrictEqual(each[key], item[key]))
    const before = merged[at]
    if (item[DIRECTIVE] === 'delete') {
      if (before) merged.splice(at, 1)
    } else if (before) merged[at] = strategicMerge(before, item)
    else merged.push(withoutDirectives(strategicMerge({}, item)))
  }
  return merged
}

function inOrder(member: string, list: readonly unknown[], order: readonly unknown[]): unknown[] {
  const key = MERGE_KEYS[member]?.find((each) => list.every((item) => isMap(item) && each in item))
  const identity = (item: unknown): unknown => (key !== undefined && isMap(item) ? item[key] : item)
  const ranks = order.map(identity)
  const rank = (item: unknown): number => {
    const at = ranks.findIndex((each) => isDeepStrictEqual(each, identity(item)))
    return at < 0 ? ranks.length : at
  }
  return list.toSorted((a, b) => rank(a) - rank(b))
}

function withoutDirectives(members: Members): Members {
  return Object.fromEntries(Object.entries(members).filter(([member]) => !member.startsWith('$')))
}

function withoutDirectiveItems(list: readonly unknown[]): unknown[] {
  return list.filter((item) => !isMap(item) || !(DIRECTIVE in item))
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : []
}
