/**
 * Objects as protobuf, byte for byte as Go's generated code writes them: every field that is no pointer, also when it says
 * nothing; fields by their number, maps by their key. Written from the end to the front, so that lengths are known.
 */
import { message } from './message-fields.ts'
import type { Field, Message } from './message-fields.ts'

type Members = Readonly<Record<string, unknown>>

const FIRST_BYTES = 1024
const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const MICROSECOND_NANOS = 1000

export function encodeMessage(members: Members, { descending }: Message): Buffer {
  const writer = new BackwardWriter()
  writeMessage(writer, members, descending)
  return writer.bytes()
}

class BackwardWriter {
  #buffer = Buffer.allocUnsafe(FIRST_BYTES)
  #at = FIRST_BYTES

  /** How many bytes are written. */
  get length(): number {
    return this.#buffer.length - this.#at
  }

  bytes(): Buffer {
    return this.#buffer.subarray(this.#at)
  }

  raw(bytes: Buffer): void {
    this.#room(bytes.length)
    this.#at -= bytes.length
    bytes.copy(this.#buffer, this.#at)
  }

  text(text: string): void {
    const length = Buffer.byteLength(text)
    this.#room(length)
    this.#at -= length
    this.#buffer.write(text, this.#at)
  }

  varint(value: number): void {
    if (value < 0) return this.raw(negativeVarint(value))
    // nearly all: tags, and lengths of short texts
    if (value < 0x80) {
      this.#room(1)
      this.#buffer[--this.#at] = value
      return undefined
    }
    const bytes: number[] = []
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
    bytes.push(rest)
    this.#room(bytes.length)
    this.#at -= bytes.length
    for (const [index, byte] of bytes.entries()) this.#buffer[this.#at + index] = byte
  }

  tag(number: number, wire: number): void {
    this.varint(number * 8 + wire)
  }

  /** Closes a length-delimited field whose content began when `length` was `before`. */
  delimited(number: number, before: number): void {
    this.varint(this.length - before)
    this.tag(number, LENGTH)
  }

  #room(bytes: number): void {
    if (this.#at >= bytes) return
    const written = this.bytes()
    const size = Math.max(this.#buffer.length * 2, written.length + bytes)
    const larger = Buffer.allocUnsafe(size)
    this.#at = size - written.length
    written.copy(larger, this.#at)
    this.#buffer = larger
  }
}

/** Go widens a negative int32 to 64 bits: ten bytes. */
function negativeVarint(value: number): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

function writeMessage(writer: BackwardWriter, members: Members, fields: readonly Field[]): void {
  for (const field of fields) {
    const value = field.isInline ? members : members[field.name]
    if (field.shape === 'list') {
      if (Array.isArray(value)) for (const item of value.toReversed()) writeField(writer, field, item as unknown)
    } else if (field.shape === 'map') writeMap(writer, field, (value ?? {}) as Members)
    else if (value !== undefined && value !== null) writeField(writer, field, value)
    else if (!field.isPointer) writeZero(writer, field)
  }
}

function writeMap(writer: BackwardWriter, field: Field, entries: Members): void {
  const keys = Object.keys(entries).sort().toReversed()
  for (const key of keys) {
    const before = writer.length
    writeField(writer, { ...field, number: 2 }, entries[key] ?? '')
    const start = writer.length
    writer.text(key)
    writer.delimited(1, start)
    writer.delimited(field.number, before)
  }
}

function writeZero(writer: BackwardWriter, field: Field): void {
  const { type, number } = field
  switch (type) {
    case 'int':
    case 'long':
    case 'bool':
      writer.varint(0)
      return writer.tag(number, VARINT)
    case 'bytes':
      // a slice of bytes is nil where it says nothing
      return undefined
    case 'string':
    case 'Time':
    case 'MicroTime':
      return writer.delimited(number, writer.length)
    default:
      return writeField(writer, field, {})
  }
}

function writeField(writer: BackwardWriter, { type, number }: Field, value: unknown): void {
  if (type === 'int' || type === 'long' || type === 'bool') {
    writer.varint(Number(value))
    return writer.tag(number, VARINT)
  }
  if (type === 'double') {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleLE(Number(value))
    writer.raw(bytes)
    return writer.tag(number, FIXED64)
  }
  const before = writer.length
  writeContent(writer, type, value)
  writer.delimited(number, before)
}

function writeContent(writer: BackwardWriter, type: string, value: unknown): void {
  switch (type) {
    case 'string':
      return writer.text(String(value))
    case 'bytes':
      return writer.raw(Buffer.from(String(value), 'base64'))
    case 'Time':
    case 'MicroTime':
      return writeTime(writer, String(value), type)
    case 'Quantity':
      return writeField(writer, TEXT_ITEMS, typeof value === 'object' ? '0' : value)
    case 'IntOrString':
      return writeIntOrString(writer, value)
    case 'Duration':
      writer.varint(0)
      return writer.tag(1, VARINT)
    case 'ExtraValue':
      for (const item of (value as string[]).toReversed()) writeField(writer, TEXT_ITEMS, item)
      return undefined
    case 'RawExtension':
    case 'FieldsV1': {
      const before = writer.length
      if (value instanceof Buffer) writer.raw(value)
      else writer.text(JSON.stringify(value))
      return writer.delimited(1, before)
    }
    default:
      return writeMessage(writer, value as Members, message(type).descending)
  }
}

const TEXT_ITEMS: Field = {
  name: 'items',
  index: 0,
  number: 1,
  type: 'string',
  shape: 'list',
  isPointer: false,
  isAlways: false,
  isOmittedWhenZero: false,
  isInline: false,
}

/** A Timestamp: seconds, and nanoseconds that only a MicroTime has. */
function writeTime(writer: BackwardWriter, text: string, type: string): void {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) return
  const micros = type === 'MicroTime' ? Number((/\.(\d{1,6})/.exec(text)?.[1] ?? '0').padEnd(6, '0')) : 0
  writer.varint(micros * MICROSECOND_NANOS)
  writer.tag(2, VARINT)
  writer.varint(Math.floor(ms / 1000))
  writer.tag(1, VARINT)
}

function writeIntOrString(writer: BackwardWriter, value: unknown): void {
  const isText = typeof value === 'string'
  const before = writer.length
  if (isText) writer.text(value)
  writer.delimited(3, before)
  writer.varint(typeof value === 'number' ? value : 0)
  writer.tag(2, VARINT)
  writer.varint(isText ? 1 : 0)
  writer.tag(1, VARINT)
}
