/** Values of flags by pflag's types, with Go's words for what does not parse (strconv, net, time). */
import { isIP } from 'node:net'
import { parseDurationMs } from './duration.ts'

export type FlagValue = string | boolean | number | readonly string[] | ReadonlyMap<string, string>

const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])

export function parseBool(text: string): boolean {
  if (!TRUE.has(text) && !FALSE.has(text))
    throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`)
  return TRUE.has(text)
}

const BITS: Readonly<Record<string, readonly [name: string, min: bigint, max: bigint]>> = {
  int: ['ParseInt', -(2n ** 63n), 2n ** 63n - 1n],
  int32: ['ParseInt', -(2n ** 31n), 2n ** 31n - 1n],
  int64: ['ParseInt', -(2n ** 63n), 2n ** 63n - 1n],
  uint: ['ParseUint', 0n, 2n ** 64n - 1n],
  uint16: ['ParseUint', 0n, 2n ** 16n - 1n],
  uint32: ['ParseUint', 0n, 2n ** 32n - 1n],
  uint64: ['ParseUint', 0n, 2n ** 64n - 1n],
  Level: ['ParseUint', 0n, 2n ** 31n - 1n],
}

export function parseInteger(text: string, type: string): number {
  const [name, min, max] = BITS[type] ?? BITS['int']!
  const invalid = (why: string): Error => new Error(`strconv.${name}: parsing ${JSON.stringify(text)}: ${why}`)
  if (!/^[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|\d+)$/.test(text)) throw invalid('invalid syntax')
  const digits = text.replace(/^[-+]/, '').replace(/^0(?=[0-7]+$)/, '0o')
  const value = text.startsWith('-') ? -BigInt(digits) : BigInt(digits)
  if (name === 'ParseUint' && text.startsWith('-')) throw invalid('invalid syntax')
  if (value < min || value > max) throw invalid('value out of range')
  return Number(value)
}

function parseFloatText(text: string): number {
  if (text.trim() === '' || Number.isNaN(Number(text))) {
    throw new Error(`strconv.ParseFloat: parsing ${JSON.stringify(text)}: invalid syntax`)
  }
  return Number(text)
}

function parseIp(text: string): string {
  if (isIP(text.trim()) === 0) throw new Error(`failed to parse IP: ${JSON.stringify(text)}`)
  return text.trim()
}

function parseMap(text: string): ReadonlyMap<string, string> {
  const entries = text === '' ? [] : text.split(',')
  return new Map(
    entries.map((entry): [string, string] => {
      const at = entry.indexOf('=')
      if (at === -1) throw new Error(`${entry} must be formatted as key=value`)
      return [entry.slice(0, at), entry.slice(at + 1)]
    }),
  )
}

/** One value by its type. Repeating a list or map flag adds to it; `before` is what earlier uses gave. */
export function parseFlagValue(type: string, text: string, before?: FlagValue): FlagValue {
  switch (type) {
    case 'bool':
    case 'OptionalBool':
      return parseBool(text)
    case 'duration':
      return parseDurationMs(text)
    case 'ip':
      return parseIp(text)
    case 'float32':
    case 'float64':
      return parseFloatText(text)
    case 'stringSlice':
    case 'strings':
      return [...listOf(before), ...(text === '' ? [] : text.split(','))]
    case 'int32Slice':
      return [...listOf(before), ...text.split(',').map((each) => String(parseInteger(each, 'int32')))]
    case 'stringArray':
      return [...listOf(before), text]
    case 'namedCertKey':
      return text === '[]' ? listOf(before) : [...listOf(before), namedCertKey(text)]
    case 'stringToString':
    case 'mapStringString':
    case 'mapStringBool':
      return new Map([...mapOf(before), ...parseMap(text)])
    default:
      return type in BITS ? parseInteger(text, type) : text
  }
}

/** `cert,key` or `cert,key:name,*.name` (component-base/cli/flag/namedcertkey_flag.go). */
function namedCertKey(text: string): string {
  const [files = ''] = text.split(':')
  if (files.split(',').length === 2) return text
  throw new Error('expected comma separated certificate and key file paths')
}

function listOf(value: FlagValue | undefined): readonly string[] {
  return Array.isArray(value) ? (value as readonly string[]) : []
}

function mapOf(value: FlagValue | undefined): ReadonlyMap<string, string> {
  return value instanceof Map ? (value as ReadonlyMap<string, string>) : new Map()
}
