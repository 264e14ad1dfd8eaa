/** What JSON shows of a field that says nothing: encoding/json's omitempty, which does not reach structs. */
import { message } from './message-fields.ts'
import type { Field, Message } from './message-fields.ts'

/** Undefined where the field is left out. */
export function zeroInJson(field: Field): unknown {
  const { type, shape, isPointer, isAlways, isOmittedWhenZero } = field
  if (isOmittedWhenZero) return undefined
  if (isPointer) return isAlways ? null : undefined
  if (shape !== 'one') return isAlways ? null : undefined
  switch (type) {
    case 'string':
      return isAlways ? '' : undefined
    case 'int':
    case 'long':
    case 'double':
      return isAlways ? 0 : undefined
    case 'bool':
      return isAlways ? false : undefined
    case 'bytes':
    case 'Time':
    case 'MicroTime':
    case 'RawExtension':
    case 'FieldsV1':
      return type === 'bytes' && !isAlways ? undefined : null
    case 'Quantity':
      return '0'
    case 'IntOrString':
      return 0
    case 'Duration':
      return '0s'
    case 'ExtraValue':
      return isAlways ? null : undefined
    default:
      return zeroMessage(message(type))
  }
}

/** The JSON of a struct in which nothing is set. */
export function zeroMessage({ fields }: Message): Record<string, unknown> {
  const members: Record<string, unknown> = {}
  for (const field of fields) {
    if (field.isInline) {
      Object.assign(members, zeroMessage(message(field.type)))
      continue
    }
    const zero = zeroInJson(field)
    if (zero !== undefined) members[field.name] = zero
  }
  return members
}
