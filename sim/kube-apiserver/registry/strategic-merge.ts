/**
 * Kubernetes' own merge: lists of named things are merged by their key. apimachinery/pkg/util/strategicpatch/patch.go; the
 * keys are the patchMergeKey tags of k8s.io/api, which schema/ holds.
 */
import { isDeepStrictEqual } from 'node:util'
import { isMessage, message } from '../schema/message-fields.ts'
import type { Field, Message } from '../schema/message-fields.ts'
import { isMap } from './merge-patch.ts'

type Members = Record<string, unknown>

const DIRECTIVE = '$patch'
const DELETE_FROM = '$deleteFromPrimitiveList/'
const ORDER_OF = '$setElementOrder/'
const RETAIN_KEYS = '$retainKeys'

/** Without a message, as for what nobody describes, lists are replaced. */
export function strategicMerge(target: Members, patch: Members, of: Message | undefined): Members {
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
    else merged[member] = mergedValue(of?.byName.get(member), merged[member], value)
  }
  for (const [member, order] of Object.entries(patch)) {
    if (!member.startsWith(ORDER_OF)) continue
    const list = member.slice(ORDER_OF.length)
    if (Array.isArray(merged[list])) merged[list] = inOrder(of?.byName.get(list), listOf(merged[list]), listOf(order))
  }
  return merged
}

function mergedValue(field: Field | undefined, old: unknown, value: unknown): unknown {
  const inner = field && isMessage(field.type) ? message(field.type) : undefined
  if (isMap(value)) {
    return strategicMerge(isMap(old) ? old : {}, value, field?.shape === 'one' ? inner : undefined)
  }
  if (!Array.isArray(value)) return value
  const key = field?.mergeKey
  if (key === '') return [...new Set([...listOf(old), ...(value as unknown[])])]
  return key === undefined ? withoutDirectiveItems(value) : mergedList(key, listOf(old), value as Members[], inner)
}

function mergedList(
  key: string,
  old: readonly unknown[],
  patch: readonly Members[],
  of: Message | undefined,
): unknown[] {
  if (patch.some((item) => item[DIRECTIVE] === 'replace' && !(key in item))) {
    return patch.filter((item) => !(DIRECTIVE in item))
  }
  const merged = old.filter(isMap)
  for (const item of patch) {
    const at = merged.findIndex((each) => isDeepStrictEqual(each[key], item[key]))
    const before = merged[at]
    if (item[DIRECTIVE] === 'delete') {
      if (before) merged.splice(at, 1)
    } else if (before) merged[at] = strategicMerge(before, item, of)
    else merged.push(withoutDirectives(strategicMerge({}, item, of)))
  }
  return merged
}

function inOrder(field: Field | undefined, list: readonly unknown[], order: readonly unknown[]): unknown[] {
  const key = field?.mergeKey ?? ''
  const identity = (item: unknown): unknown => (key !== '' && isMap(item) ? item[key] : item)
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
