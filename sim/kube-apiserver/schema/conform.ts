/**
 * JSON as its Go struct would hold it: members in the struct's order, what says nothing left out, what nobody knows counted.
 * sigs.k8s.io/json (types, case-sensitive names), apimachinery/pkg/runtime/serializer/json (strict decoding).
 */
import { message } from './message-fields.ts'
import type { Field, Message } from './message-fields.ts'
import { zeroInJson } from './zero-values.ts'

type Members = Record<string, unknown>

/** A value of another type than the field's; the text is encoding/json's. */
export class TypeMismatch extends Error {
  override readonly name = 'TypeMismatch'
}

export interface Conformed {
  members: Members
  /** Paths of fields that the message does not have: `spec.containers[0].nope`. */
  unknown: string[]
}

/** Members that every kind has in front of its message. */
const TYPE_META = new Set(['kind', 'apiVersion'])

/** Throws a TypeMismatch. `kind` and `apiVersion` are kept as they are. */
export function conform(value: Readonly<Record<string, unknown>>, of: Message): Conformed {
  const unknown: string[] = []
  const { kind, apiVersion } = value
  const members = messageMembers(value, of, { path: '', indexed: '', unknown })
  return {
    members: { ...(kind !== undefined && { kind }), ...(apiVersion !== undefined && { apiVersion }), ...members },
    unknown,
  }
}

interface Walk {
  /** Without indices, as encoding/json names a field. */
  path: string
  /** With indices, as a strict decoding error names it. */
  indexed: string
  unknown: string[]
}

function below({ path, indexed, unknown }: Walk, name: string): Walk {
  return {
    path: path === '' ? name : `${path}.${name}`,
    indexed: indexed === '' ? name : `${indexed}.${name}`,
    unknown,
  }
}

function messageMembers(value: Readonly<Members>, of: Message, walk: Walk): Members {
  for (const name of Object.keys(value)) {
    if (of.byName.has(name) || (walk.indexed === '' && TYPE_META.has(name))) continue
    walk.unknown.push(below(walk, name).indexed)
  }
  return knownMembers(value, of, walk)
}

function knownMembers(value: Readonly<Members>, of: Message, walk: Walk): Members {
  const members: Members = {}
  for (const field of of.fields) {
    if (field.isInline) {
      Object.assign(members, knownMembers(value, message(field.type), walk))
      continue
    }
    const said = value[field.name]
    const kept =
      said === undefined || said === null ? zeroInJson(field) : conformed(field, said, of, below(walk, field.name))
    if (kept !== undefined) members[field.name] = kept
  }
  return members
}

function conformed(field: Field, said: unknown, of: Message, walk: Walk): unknown {
  const { type, shape, isPointer, isAlways } = field
  if (shape === 'list') {
    if (!Array.isArray(said)) throw mismatch(said, `[]${goType(type)}`, of, walk)
    if (said.length === 0 && !isAlways) return undefined
    return said.map((item: unknown, index) =>
      element(type, item, of, { ...walk, indexed: `${walk.indexed}[${index}]` }),
    )
  }
  if (shape === 'map') {
    if (!isMembers(said)) throw mismatch(said, `map[string]${goType(type)}`, of, walk)
    const entries = Object.entries(said)
    if (entries.length === 0 && !isAlways) return undefined
    return Object.fromEntries(entries.map(([key, item]) => [key, element(type, item, of, below(walk, key))]))
  }
  const kept = element(type, said, of, walk)
  const isZero = kept === '' || kept === 0 || kept === false
  return isZero && !isPointer ? zeroInJson(field) : kept
}

function element(type: string, said: unknown, of: Message, walk: Walk): unknown {
  switch (type) {
    case 'string':
    case 'bytes':
      if (said === null) return ''
      if (typeof said !== 'string') throw mismatch(said, goType(type), of, walk)
      return said
    case 'bool':
      if (typeof said !== 'boolean') throw mismatch(said, 'bool', of, walk)
      return said
    case 'int':
    case 'long':
    case 'double':
      if (typeof said !== 'number' || (type !== 'double' && !Number.isInteger(said)))
        throw mismatch(said, goType(type), of, walk)
      return said
    case 'Time':
    case 'MicroTime':
      if (typeof said !== 'string') throw mismatch(said, 'string', of, walk)
      return timeText(said, type)
    case 'Quantity':
      return typeof said === 'number' ? String(said) : said
    case 'ExtraValue':
      if (!Array.isArray(said)) throw mismatch(said, 'v1.ExtraValue', of, walk)
      return said
    case 'IntOrString':
    case 'Duration':
    case 'RawExtension':
    case 'FieldsV1':
      return said
    default: {
      if (said === null) return {}
      const inner = message(type)
      if (!isMembers(said)) throw mismatch(said, goType(type), of, walk)
      return messageMembers(said, inner, walk)
    }
  }
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Go writes UTC, to the second or to the microsecond. Throws time.Parse's text. */
function timeText(said: string, type: string): string {
  const ms = Date.parse(said)
  if (Number.isNaN(ms) || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(said)) {
    const layout = type === 'Time' ? '2006-01-02T15:04:05Z07:00' : '2006-01-02T15:04:05.000000Z07:00'
    throw new TypeMismatch(
      `parsing time ${JSON.stringify(said)} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(said)} as "2006"`,
    )
  }
  const whole = new Date(ms).toISOString().slice(0, -'.000Z'.length)
  if (type === 'Time') return `${whole}Z`
  const micros = (/\.(\d{1,6})/.exec(said)?.[1] ?? '').padEnd(6, '0')
  return `${whole}.${micros}Z`
}

function mismatch(said: unknown, wanted: string, of: Message, { path }: Walk): TypeMismatch {
  const found = Array.isArray(said) ? 'array' : typeof said === 'boolean' ? 'bool' : typeof said
  const told = found === 'number' && /^u?int/.test(wanted) ? `number ${String(said)}` : found
  const struct = of.name.replace(/\..*/, '')
  return new TypeMismatch(`json: cannot unmarshal ${told} into Go struct field ${struct}.${path} of type ${wanted}`)
}

const GO_TYPES: Readonly<Record<string, string>> = {
  int: 'int32',
  long: 'int64',
  double: 'float64',
  bytes: '[]uint8',
  Quantity: 'resource.Quantity',
}

function goType(type: string): string {
  const plain = GO_TYPES[type] ?? type
  return /^[A-Z]/.test(plain) ? `v1.${plain.replace(/\..*/, '')}` : plain
}
