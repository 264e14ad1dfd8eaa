/**
 * What the messages of Kubernetes' API are made of, by name: one description for JSON, protobuf, strategic merge and OpenAPI.
 *
 * The tables hold `Message: field, field, …` with a field as `name number[flags] [type]`. The number is protobuf's, the order
 * is that of the Go struct and so of its JSON. Flags: `*` a pointer (nothing is said by leaving it out), `!` shown also when
 * empty (no omitempty), `?` left out when zero (omitzero), `~` inlined in JSON. A type is text where absent; `[]` before it
 * makes a list, `{}` a map from text; `@key` behind a list is its patchMergeKey, `@` alone a merged set.
 */
import { API_GROUPS } from './api-groups.ts'
import { CORE_V1 } from './core-v1.ts'
import { META_V1 } from './meta-v1.ts'
import { POD_V1 } from './pod-v1.ts'

export interface Field {
  name: string
  /** Its place among the message's fields. */
  index: number
  number: number
  /** `string`, `int`, `long`, `double`, `bool`, `bytes`, `Time`, `MicroTime`, `Quantity`, `IntOrString`, … or a message. */
  type: string
  shape: 'one' | 'list' | 'map'
  isPointer: boolean
  /** Shown in JSON also when empty. */
  isAlways: boolean
  isOmittedWhenZero: boolean
  isInline: boolean
  /** Of a list: the member its items are merged by; empty for a set of plain values, absent where a patch replaces it. */
  mergeKey?: string
}

export interface Message {
  name: string
  /** As the Go struct has them. */
  fields: readonly Field[]
  /** Descending, as an encoder that writes backwards wants them. */
  descending: readonly Field[]
  byNumber: ReadonlyMap<number, Field>
  /** Those of inlined messages included. */
  byName: ReadonlyMap<string, Field>
}

/** Kinds whose message is not simply called as they are. */
const RENAMED: Readonly<Record<string, string>> = {
  'events.k8s.io/v1 Event': 'Event.events',
  'authentication.k8s.io/v1 TokenRequest': 'TokenRequest.authentication',
}
const SCALARS = new Set(['string', 'int', 'long', 'double', 'bool', 'bytes', 'Time', 'MicroTime', 'Quantity'])
const OPAQUE = new Set(['IntOrString', 'RawExtension', 'FieldsV1', 'ExtraValue', 'Duration'])

const messages = new Map<string, Message>()
let bodies: ReadonlyMap<string, string> | undefined

export function isMessage(type: string): boolean {
  return !SCALARS.has(type) && !OPAQUE.has(type)
}

/** Undefined where a kind is not described. */
export function messageOfKind(apiVersion: string, kind: string): Message | undefined {
  const name = RENAMED[`${apiVersion} ${kind}`] ?? kind
  if (bodyOf(name) !== undefined) return message(name)
  const item = kind.endsWith('List') ? messageOfKind(apiVersion, kind.slice(0, -'List'.length)) : undefined
  return item && listMessage(item)
}

/** Throws for a name that no table holds. */
export function message(name: string): Message {
  const known = messages.get(name)
  if (known) return known
  const body = bodyOf(name)
  if (body === undefined) throw new Error(`[message_unknown] ${name}: in no table`)
  return remember(
    name,
    body.split(',').map((each, index) => parseField(each.trim(), index)),
  )
}

/** Which package a message is of: meta/v1, core/v1, or the group that uses it. */
export function homeOf(name: string): 'meta' | 'core' | 'group' {
  const holds = (table: string): boolean => table.includes(`\n${name}: `)
  if (holds(META_V1)) return 'meta'
  return holds(CORE_V1) || holds(POD_V1) ? 'core' : 'group'
}

function listMessage(item: Message): Message {
  const name = `${item.name}List`
  return (
    messages.get(name) ??
    remember(
      name,
      [`metadata 1 ListMeta`, `items 2! []${item.name}`].map((each, index) => parseField(each, index)),
    )
  )
}

function remember(name: string, fields: readonly Field[]): Message {
  const inlined = fields.filter(({ isInline }) => isInline).flatMap(({ type }) => [...message(type).byName])
  const own = fields.filter(({ isInline }) => !isInline).map((field) => [field.name, field] as const)
  const made: Message = {
    name,
    fields,
    descending: fields.toSorted((a, b) => b.number - a.number),
    byNumber: new Map(fields.map((field) => [field.number, field])),
    byName: new Map([...inlined, ...own]),
  }
  messages.set(name, made)
  return made
}

function bodyOf(name: string): string | undefined {
  bodies ??= new Map(
    [META_V1, CORE_V1, POD_V1, API_GROUPS].flatMap((table) =>
      table
        .trim()
        .split(/\n(?! )/)
        .map((line) => {
          const at = line.indexOf(':')
          return [line.slice(0, at), line.slice(at + 1)] as const
        }),
    ),
  )
  return bodies.get(name)
}

function parseField(text: string, index: number): Field {
  const [name = '', numbered = '', said = ''] = text.split(/\s+/)
  const flags = numbered.replace(/^\d+/, '')
  const [whole = '', mergeKey] = said.split('@')
  const shape = whole.startsWith('[]') ? 'list' : whole.startsWith('{}') ? 'map' : 'one'
  return {
    name,
    index,
    number: Number.parseInt(numbered, 10),
    type: (shape === 'one' ? whole : whole.slice(2)) || 'string',
    shape,
    isPointer: flags.includes('*'),
    isAlways: flags.includes('!'),
    isOmittedWhenZero: flags.includes('?'),
    isInline: flags.includes('~'),
    ...(mergeKey !== undefined && { mergeKey }),
  }
}
