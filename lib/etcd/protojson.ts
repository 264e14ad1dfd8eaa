/**
 * Reads messages from JSON as Go's protojson does with DiscardUnknown: what it takes, what it ignores, and its words with
 * line and column for the rest (google.golang.org/protobuf/encoding/protojson/decode.go). 64-bit numbers may be numbers or
 * text, bytes any of the four base64s, names those of the .proto or camelCase.
 */
import {
  create,
  ScalarType,
  type DescEnum,
  type DescField,
  type DescMessage,
  type MessageShape,
} from '@bufbuild/protobuf'
import { firstJsonValue } from './go-json.ts'

/** `text` is bytes as latin1; an empty one is an empty message. @throws Error with Go's text. */
export function protojsonDecode<Desc extends DescMessage>(desc: Desc, text: string): MessageShape<Desc> {
  const value = firstJsonValue(text)
  return value === undefined ? create(desc) : (new Decoder(value).message(desc) as MessageShape<Desc>)
}

type Fields = Record<string, unknown>

/** Of a value that encoding/json found to be JSON: only what it means is left to doubt. */
class Decoder {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  message(desc: DescMessage): object {
    const message = create(desc) as unknown as Fields
    this.#expect('{')
    const seen = new Set<DescField>()
    const seenOneofs = new Set<string>()
    for (let character = this.#next(); character !== '}'; character = this.#next()) {
      if (character === ',') this.#at += 1
      const name = this.#token()
      const field = fieldsOf(desc).get(textOf(name.raw))
      this.#next()
      this.#at += 1
      if (!field) {
        this.#skip()
        continue
      }
      if (seen.has(field)) throw this.#fault(name.at, `duplicate field ${name.raw}`)
      seen.add(field)
      if (this.#next() === 'n') {
        this.#token()
        continue
      }
      if (field.oneof && seenOneofs.has(field.oneof.name)) {
        const full = `${desc.typeName}.${field.oneof.name}`
        throw this.#fault(name.at, `error parsing ${name.raw}, oneof ${full} is already set`)
      }
      if (field.oneof) seenOneofs.add(field.oneof.name)
      const value = field.fieldKind === 'list' ? this.#list(field) : this.#single(field)
      if (value === undefined) continue
      if (field.oneof) message[field.oneof.localName] = { case: field.localName, value }
      else message[field.localName] = value
    }
    this.#at += 1
    return message
  }

  #list(field: DescField): unknown[] {
    this.#expect('[')
    const items: unknown[] = []
    for (let character = this.#next(); character !== ']'; character = this.#next()) {
      if (character === ',') {
        this.#at += 1
        this.#next()
      }
      const item = this.#single(field)
      if (item !== undefined) items.push(item)
    }
    this.#at += 1
    return items
  }

  /** Undefined for an enum's name that nobody knows. */
  #single(field: DescField): unknown {
    if (field.message) return this.message(field.message)
    const token = this.#token()
    if (field.enum) {
      const known = enumNumber(field.enum, token.raw)
      if (known !== 'invalid') return known
      throw this.#invalid('enum', field, token)
    }
    const type = 'scalar' in field ? field.scalar : undefined
    const { kind, read } = SCALARS[type ?? ScalarType.STRING] ?? SCALARS[ScalarType.STRING]!
    const value = read(token.raw)
    if (value === undefined) throw this.#invalid(kind, field, token)
    return value
  }

  #invalid(kind: string, field: DescField, token: Token): Error {
    return this.#fault(token.at, `invalid value for ${kind} field ${field.jsonName}: ${token.raw}`)
  }

  /** Blanks and colons are passed; the character that comes next. */
  #next(): string {
    while (' \t\r\n'.includes(this.#text[this.#at]!)) this.#at += 1
    return this.#text[this.#at]!
  }

  #expect(opening: string): void {
    this.#next()
    const at = this.#at
    const token = this.#token()
    if (token.raw === opening) return
    const { line, column } = this.#position(at)
    throw new Error(`proto: syntax error (line ${line}:${column}): unexpected token ${token.raw}`)
  }

  #token(): Token {
    const first = this.#next()
    const at = this.#at
    const raw = '{}[]'.includes(first) ? first : firstJsonValue(this.#text.slice(at))!
    this.#at += raw.length
    return { raw: utf8(raw), at }
  }

  #skip(): void {
    this.#next()
    this.#at += firstJsonValue(this.#text.slice(this.#at))!.length
  }

  #fault(at: number, text: string): Error {
    const { line, column } = this.#position(at)
    return new Error(`proto: (line ${line}:${column}): ${text}`)
  }

  /** Both from 1; a column is a character. */
  #position(at: number): { line: number; column: number } {
    const lines = this.#text.slice(0, at).split('\n')
    return { line: lines.length, column: Array.from(utf8(lines.at(-1)!)).length + 1 }
  }
}

interface Token {
  raw: string
  at: number
}

interface Scalar {
  kind: string
  /** Undefined for a token that is no such value. */
  read: (raw: string) => unknown
}

const SCALARS: Readonly<Partial<Record<ScalarType, Scalar>>> = {
  [ScalarType.BOOL]: { kind: 'bool', read: (raw) => (raw === 'true' ? true : raw === 'false' ? false : undefined) },
  [ScalarType.STRING]: { kind: 'string', read: (raw) => (raw.startsWith('"') ? textOf(raw) : undefined) },
  [ScalarType.BYTES]: { kind: 'bytes', read: (raw) => (raw.startsWith('"') ? bytesOf(textOf(raw)) : undefined) },
  [ScalarType.INT64]: { kind: 'int64', read: (raw) => integer(raw, -(2n ** 63n), 2n ** 63n - 1n) },
  [ScalarType.UINT64]: { kind: 'uint64', read: (raw) => integer(raw, 0n, 2n ** 64n - 1n) },
  [ScalarType.UINT32]: { kind: 'uint32', read: (raw) => small(integer(raw, 0n, 2n ** 32n - 1n)) },
}

function small(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value)
}

/** Also as text, and with an exponent or a fraction as long as it is whole. */
function integer(raw: string, least: bigint, most: bigint): bigint | undefined {
  const text = raw.startsWith('"') ? textOf(raw) : raw
  const [, sign, whole, fraction = '', exponent = '0'] =
    /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/.exec(text) ?? []
  if (whole === undefined) return undefined
  const shift = Number(exponent) - fraction.length
  const digits = whole + fraction
  const cut = shift < 0 ? digits.slice(shift) : ''
  if (/[^0]/.test(cut) || shift > 40) return undefined
  const value = BigInt((sign ?? '') + (shift < 0 ? digits.slice(0, shift) || '0' : digits + '0'.repeat(shift)))
  return value < least || value > most ? undefined : value
}

function bytesOf(text: string): Uint8Array | undefined {
  const plain = text.replaceAll(/[\r\n]/g, '')
  const digits = plain.replace(/={1,2}$/, '')
  const isUrlSafe = /[-_]/.test(plain)
  if (!(isUrlSafe ? /^[A-Za-z0-9_-]*$/ : /^[A-Za-z0-9+/]*$/).test(digits) || digits.length % 4 === 1) return undefined
  // Padded or not at all: half a padding is none.
  if (plain.length !== digits.length && plain.length % 4 !== 0) return undefined
  return new Uint8Array(Buffer.from(digits, 'base64'))
}

function enumNumber(desc: DescEnum, raw: string): number | undefined | 'invalid' {
  if (raw.startsWith('"')) return desc.values.find(({ name }) => name === textOf(raw))?.number
  return small(/^[-\d]/.test(raw) ? integer(raw, -(2n ** 31n), 2n ** 31n - 1n) : undefined) ?? 'invalid'
}

const tables = new WeakMap<DescMessage, Map<string, DescField>>()

function fieldsOf(desc: DescMessage): Map<string, DescField> {
  const known = tables.get(desc)
  if (known) return known
  const table = new Map(desc.fields.flatMap((field) => [field.name, field.jsonName].map((name) => [name, field])))
  tables.set(desc, table)
  return table
}

function textOf(raw: string): string {
  return String(JSON.parse(raw))
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8')
}
