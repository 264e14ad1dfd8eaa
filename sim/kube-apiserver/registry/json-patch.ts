/** RFC 6902. Throws a JsonPatchError where the document does not fit the patch. */
import { isDeepStrictEqual } from 'node:util'
import { isMap } from './merge-patch.ts'

export interface JsonPatchOperation {
  op?: string
  path?: string
  from?: string
  value?: unknown
}

export class JsonPatchError extends Error {
  override readonly name = 'JsonPatchError'
}

export function jsonPatch(document: unknown, operations: readonly JsonPatchOperation[]): unknown {
  const root = { document: structuredClone(document) }
  for (const operation of operations) apply(root, operation)
  return root.document
}

function apply(root: { document: unknown }, { op, path = '', from = '', value }: JsonPatchOperation): void {
  switch (op) {
    case 'add':
      return add(root, path, value)
    case 'replace':
      read(root, path)
      remove(root, path)
      return add(root, path, value)
    case 'remove':
      return remove(root, path)
    case 'move': {
      const moved = read(root, from)
      remove(root, from)
      return add(root, path, moved)
    }
    case 'copy':
      return add(root, path, structuredClone(read(root, from)))
    case 'test':
      if (isDeepStrictEqual(orUndefined(root, path) ?? null, value ?? null)) return
      throw new JsonPatchError(`testing value ${path} failed: test failed`)
    default:
      throw new JsonPatchError(`Unexpected kind: ${op ?? ''}`)
  }
}

function tokensOf(path: string): string[] {
  if (path === '') return []
  if (!path.startsWith('/')) throw new JsonPatchError(`missing path: ${path}`)
  return path
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** The container of the path's last token. */
function parentOf(root: { document: unknown }, path: string): { parent: unknown; key: string } {
  const tokens = ['document', ...tokensOf(path)]
  const key = tokens.pop() ?? ''
  let parent: unknown = root
  for (const token of tokens) {
    parent = child(parent, token)
    if (parent === undefined) throw new JsonPatchError(`doc is missing path: ${path}`)
  }
  return { parent, key }
}

function child(parent: unknown, key: string): unknown {
  if (Array.isArray(parent)) return /^\d+$/.test(key) ? (parent as unknown[])[Number(key)] : undefined
  return isMap(parent) ? parent[key] : undefined
}

function orUndefined(root: { document: unknown }, path: string): unknown {
  const { parent, key } = parentOf(root, path)
  return child(parent, key)
}

function read(root: { document: unknown }, path: string): unknown {
  const value = orUndefined(root, path)
  if (value === undefined) throw new JsonPatchError(`doc is missing key: ${path}: missing value`)
  return value
}

function add(root: { document: unknown }, path: string, value: unknown): void {
  const { parent, key } = parentOf(root, path)
  if (Array.isArray(parent)) {
    const index = key === '-' ? parent.length : Number(key)
    if (!Number.isInteger(index) || index < 0 || index > parent.length) {
      throw new JsonPatchError(`Unable to access invalid index: ${key}: invalid index referenced`)
    }
    parent.splice(index, 0, value)
  } else if (isMap(parent)) parent[key] = value
  else throw new JsonPatchError(`doc is missing path: ${path}`)
}

function remove(root: { document: unknown }, path: string): void {
  read(root, path)
  const { parent, key } = parentOf(root, path)
  if (Array.isArray(parent)) parent.splice(Number(key), 1)
  else if (isMap(parent)) delete parent[key]
}
