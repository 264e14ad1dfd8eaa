/** Protobuf as the objects that their JSON would be: what says nothing is left out as Go's encoding/json leaves it out. */
import { message } from './message-fields.ts'
import type { Field, Message } from './message-fields.ts'
import { zeroInJson } from './zero-values.ts'

type Members = Record<string, unknown>

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2

/** Throws the texts of the generated decoders for what is no such message. */
export function decodeMessage(bytes: Buffer, { fields, byNumber }: Message): Members {
  const found = new Map<Field, unknown>()
  for (const { number, value } of wireFields(bytes)) {
    const field = byNumber.get(number)
    if (!field) continue
    if (field.shape === 'map') {
      const [key, entry] = entryOf(bytesOf(value), field.type)
      const entries = (found.get(field) ?? {}) as Members
      entries[key] = entry
      found.set(field, entries)
    } else if (field.shape === 'list') {
      const list = (found.get(field) ?? []) as unknown[]
      list.push(valueOf(value, field.type))
      found.set(field, list)
    } else found.set(field, valueOf(value, field.type))
  }
  return shown(fields, found)
}

/** In the order of the Go struct. */
function shown(fields: readonly Field[], found: ReadonlyMap<Field, unknown>): Members {
  const members: Members = {}
  for (const field of fields) {
    const value = found.get(field)
    if (field.isInline) Object.assign(members, value)
    else if (value !== undefined && (field.isPointer || !isZero(value))) members[field.name] = value
    else {
      const zero = zeroInJson(field)
      if (zero !== undefined) members[field.name] = zero
    }
  }
  return members
}

function isZero(value: unknown): boolean {
  return value === '' || value === 0 || value === false || value === null
}

function entryOf(bytes: Buffer, type: string): [key: string, value: unknown] {
  let key = ''
  let value: unknown
  for (const part of wireFields(bytes)) {
    if (part.number === 1) key = bytesOf(part.value).toString()
    if (part.number === 2) value = valueOf(part.value, type)
  }
  return [key, value ?? valueOf(Buffer.alloc(0), type)]
}

function valueOf(value: Wire, type: string): unknown {
  switch (type) {
    case 'int':
    case 'long':
    case 'double':
      return value
    case 'bool':
      return value !== 0
    case 'string':
      return bytesOf(value).toString()
    case 'bytes':
      return bytesOf(value).toString('base64')
    case 'Time':
    case 'MicroTime':
      return timeOf(bytesOf(value), type)
    case 'Quantity':
      return textOf(bytesOf(value), 1)
    case 'IntOrString':
      return intOrString(bytesOf(value))
    case 'Duration':
      return '0s'
    case 'ExtraValue':
      return wireFields(bytesOf(value)).map((item) => bytesOf(item.value).toString())
    case 'RawExtension':
    case 'FieldsV1':
      return rawOf(bytesOf(value))
    default:
      return decodeMessage(bytesOf(value), message(type))
  }
}

function textOf(bytes: Buffer, number: number): string {
  const found = wireFields(bytes).find((field) => field.number === number)
  return found ? bytesOf(found.value).toString() : ''
}

function timeOf(bytes: Buffer, type: string): string | null {
  const fields = wireFields(bytes)
  const seconds = fields.find(({ number }) => number === 1)?.value
  if (typeof seconds !== 'number') return null
  const whole = new Date(seconds * 1000).toISOString().slice(0, -'.000Z'.length)
  if (type === 'Time') return `${whole}Z`
  const nanos = Number(fields.find(({ number }) => number === 2)?.value ?? 0)
  return `${whole}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`
}

function intOrString(bytes: Buffer): number | string {
  const fields = wireFields(bytes)
  const isText = fields.some(({ number, value }) => number === 1 && value === 1)
  if (isText) return textOf(bytes, 3)
  return Number(fields.find(({ number }) => number === 2)?.value ?? 0)
}

function rawOf(bytes: Buffer): unknown {
  const text = textOf(bytes, 1)
  return text === '' ? {} : (JSON.parse(text) as unknown)
}

export type Wire = number | Buffer

export interface WireField {
  number: number
  value: Wire
}

/** The fields of a message as they lie there. */
export function wireFields(bytes: Buffer): WireField[] {
  const fields: WireField[] = []
  for (let at = 0; at < bytes.length;) {
    const [tag, start] = varint(bytes, at)
    const wire = tag % 8
    const number = Math.floor(tag / 8)
    if (wire === FIXED64) {
      if (start + 8 > bytes.length) throw new Error('unexpected EOF')
      fields.push({ number, value: bytes.readDoubleLE(start) })
      at = start + 8
      continue
    }
    if (wire !== VARINT && wire !== LENGTH) throw new Error(`proto: illegal wireType ${wire}`)
    const [first, next] = varint(bytes, start)
    const end = wire === LENGTH ? next + first : next
    if (end > bytes.length) throw new Error('unexpected EOF')
    fields.push({ number, value: wire === LENGTH ? bytes.subarray(next, end) : first })
    at = end
  }
  return fields
}

export function bytesOf(value: Wire): Buffer {
  if (typeof value === 'number') throw new Error('proto: wrong wireType = 0')
  return value
}

const SAFE_BYTES = 7

function varint(bytes: Buffer, start: number): [value: number, next: number] {
  let value = 0
  let scale = 1
  for (let at = start; at < start + SAFE_BYTES; at++) {
    const byte = bytes[at]
    if (byte === undefined) throw new Error('unexpected EOF')
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return [value, at + 1]
    scale *= 128
  }
  return longVarint(bytes, start)
}

/** Up to ten bytes: a negative number, or one beyond 2^49. */
function longVarint(bytes: Buffer, start: number): [value: number, next: number] {
  let value = 0n
  for (let at = start, shift = 0n; shift < 70n; at++, shift += 7n) {
    const byte = bytes[at]
    if (byte === undefined) throw new Error('unexpected EOF')
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return [Number(BigInt.asIntN(64, value)), at + 1]
  }
  throw new Error('proto: integer overflow')
}
