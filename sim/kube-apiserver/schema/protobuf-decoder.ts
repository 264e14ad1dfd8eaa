/** Protobuf as the objects that their JSON would be: what says nothing is left out as Go's encoding/json leaves it out. */
import { message } from './message-fields.ts'
import type { Field, Message } from './message-fields.ts'
import { zeroInJson } from './zero-values.ts'

type Members = Record<string, unknown>

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
/** Of a number that counts without BigInt. */
const SAFE_BYTES = 7

/** Throws the texts of the generated decoders for what is no such message. */
export function decodeMessage(bytes: Buffer, { fields, byNumber }: Message): Members {
  const found: unknown[] = []
  const reader = new WireReader(bytes)
  while (reader.next()) {
    const field = byNumber.get(reader.number)
    if (!field) continue
    const { value } = reader
    const { index, type } = field
    if (field.shape === 'map') {
      const [key, entry] = entryOf(bytesOf(value), type)
      const entries = (found[index] ??= {}) as Members
      entries[key] = entry
    } else if (field.shape === 'list') {
      const list = (found[index] ??= []) as unknown[]
      list.push(valueOf(value, type))
    } else found[index] = valueOf(value, type)
  }
  return shown(fields, found)
}

/** In the order of the Go struct. */
function shown(fields: readonly Field[], found: readonly unknown[]): Members {
  const members: Members = {}
  for (const field of fields) {
    const value = found[field.index]
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
  const reader = new WireReader(bytes)
  while (reader.next()) fields.push({ number: reader.number, value: reader.value })
  return fields
}

/** Goes from field to field without making an object for each. */
class WireReader {
  readonly #bytes: Buffer
  #at = 0
  number = 0
  value: Wire = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** False behind the last field. */
  next(): boolean {
    const bytes = this.#bytes
    if (this.#at >= bytes.length) return false
    const tag = this.#varint()
    const wire = tag % 8
    this.number = Math.floor(tag / 8)
    if (wire === VARINT) {
      this.value = this.#varint()
      return true
    }
    if (wire !== LENGTH && wire !== FIXED64) throw new Error(`proto: illegal wireType ${wire}`)
    const length = wire === FIXED64 ? 8 : this.#varint()
    const start = this.#at
    const end = start + length
    if (end > bytes.length) throw new Error('unexpected EOF')
    this.value = wire === FIXED64 ? bytes.readDoubleLE(start) : bytes.subarray(start, end)
    this.#at = end
    return true
  }

  #varint(): number {
    const bytes = this.#bytes
    const start = this.#at
    let value = 0
    let scale = 1
    for (let at = start; at < start + SAFE_BYTES; at++) {
      const byte = bytes[at]
      if (byte === undefined) throw new Error('unexpected EOF')
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        this.#at = at + 1
        return value
      }
      scale *= 128
    }
    return this.#longVarint(start)
  }

  /** Up to ten bytes: a negative number, or one beyond 2^49. */
  #longVarint(start: number): number {
    let value = 0n
    for (let at = start, shift = 0n; shift < 70n; at++, shift += 7n) {
      const byte = this.#bytes[at]
      if (byte === undefined) throw new Error('unexpected EOF')
      value |= BigInt(byte & 0x7f) << shift
      if (byte >= 0x80) continue
      this.#at = at + 1
      return Number(BigInt.asIntN(64, value))
    }
    throw new Error('proto: integer overflow')
  }
}

export function bytesOf(value: Wire): Buffer {
  if (typeof value === 'number') throw new Error('proto: wrong wireType = 0')
  return value
}
