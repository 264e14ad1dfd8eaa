import { goQuoteBytes } from './go-quote.ts'

/** An address as Go's netip.ParseAddr reads it. `bytes` has 4 or 16 octets. */
export interface ParsedIp {
  bytes: Buffer
  zone: string
}

const V4_IN_V6_PREFIX = Buffer.from('00000000000000000000ffff', 'hex')

/** Go's net.ParseIP: no zone, no leading zeros. 4 octets for dotted decimal, 16 otherwise. */
export function parseIp(text: string): Buffer | undefined {
  // Most hosts are names, and a text of an error that nobody reads costs more than all else here.
  if (!/^[0-9a-fA-F:.]+$/.test(text)) return undefined
  const parsed = parseAddr(text)
  return typeof parsed === 'string' || parsed.zone !== '' ? undefined : parsed.bytes
}

/** The 4 octets of an IPv4 or IPv4-mapped address (Go's To4). */
export function to4(ip: Buffer): Buffer | undefined {
  if (ip.length === 4) return ip
  return ip.length === 16 && ip.subarray(0, 12).equals(V4_IN_V6_PREFIX) ? ip.subarray(12) : undefined
}

/** Go's IP.Equal: an IPv4 address equals its IPv4-mapped form. */
export function sameIp(a: Buffer, b: Buffer): boolean {
  return (to4(a) ?? a).equals(to4(b) ?? b)
}

/** Go's IP.String() of 4 or 16 octets: RFC 5952, IPv4-mapped ones in dotted decimal. */
export function ipToString(ip: Buffer): string {
  const four = to4(ip)
  if (four !== undefined) return four.join('.')
  const words = Array.from({ length: 8 }, (_, i) => ip.readUInt16BE(i * 2).toString(16))
  const { start, length } = longestZeros(words)
  if (length < 2) return words.join(':')
  return `${words.slice(0, start).join(':')}::${words.slice(start + length).join(':')}`
}

function longestZeros(words: string[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 }
  for (let start = 0; start < words.length; start++) {
    let end = start
    while (words[end] === '0') end++
    if (end - start > longest.length) longest = { start, length: end - start }
  }
  return longest
}

/** Go's netip.ParseAddr; a string is the text of its error. `text` holds one byte in each character. */
export function parseAddr(text: string): ParsedIp | string {
  const kind = /[.:%]/.exec(text)?.[0]
  try {
    if (kind === '.') return { bytes: Buffer.from(v4Fields(text, text)), zone: '' }
    if (kind === ':') return parseV6(text)
    return unparsable(text, kind === '%' ? 'missing IPv6 address' : 'unable to parse IP')
  } catch (error) {
    if (error instanceof UnparsableAddress) return error.message
    throw error
  }
}

class UnparsableAddress extends Error {}

function unparsable(whole: string, what: string, at = ''): never {
  const where = at === '' ? '' : ` (at ${goQuoteBytes(at)})`
  throw new UnparsableAddress(`ParseAddr(${goQuoteBytes(whole)}): ${what}${where}`)
}

function v4Fields(whole: string, text: string): number[] {
  const fields: number[] = []
  let value = 0
  let digits = 0
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i)
    if (character >= '0' && character <= '9') {
      if (digits === 1 && value === 0) unparsable(whole, 'IPv4 field has octet with leading zero')
      value = value * 10 + Number(character)
      digits++
      if (value > 255) unparsable(whole, 'IPv4 field has value >255')
    } else if (character === '.') {
      if (digits === 0 || i === text.length - 1) {
        unparsable(whole, 'IPv4 field must have at least one digit', text.slice(i))
      }
      if (fields.length === 3) unparsable(whole, 'IPv4 address too long')
      fields.push(value)
      value = 0
      digits = 0
    } else unparsable(whole, 'unexpected character', text.slice(i))
  }
  if (fields.length < 3) unparsable(whole, 'IPv4 address too short')
  return [...fields, value]
}

function parseV6(whole: string): ParsedIp {
  const percent = whole.indexOf('%')
  const zone = percent === -1 ? '' : whole.slice(percent + 1)
  if (percent !== -1 && zone === '') unparsable(whole, 'zone must be a non-empty string')
  let rest = percent === -1 ? whole : whole.slice(0, percent)
  const octets: number[] = []
  let ellipsis = -1
  if (rest.startsWith('::')) {
    ellipsis = 0
    rest = rest.slice(2)
    if (rest === '') return { bytes: Buffer.alloc(16), zone }
  }
  while (octets.length < 16) {
    const group = hexGroup(whole, rest)
    if (rest[group.length] === '.') {
      if (ellipsis < 0 && octets.length !== 12) {
        unparsable(whole, 'embedded IPv4 address must replace the final 2 fields of the address', rest)
      }
      if (octets.length > 12) {
        unparsable(whole, 'too many hex fields to fit an embedded IPv4 at the end of the address', rest)
      }
      octets.push(...v4Fields(whole, rest))
      rest = ''
      break
    }
    const value = Number.parseInt(group, 16)
    octets.push(value >> 8, value & 0xff)
    rest = rest.slice(group.length)
    if (rest === '') break
    if (!rest.startsWith(':')) unparsable(whole, 'unexpected character, want colon', rest)
    if (rest.length === 1) unparsable(whole, 'colon must be followed by more characters', rest)
    rest = rest.slice(1)
    if (rest.startsWith(':')) {
      if (ellipsis >= 0) unparsable(whole, 'multiple :: in address', rest)
      ellipsis = octets.length
      rest = rest.slice(1)
      if (rest === '') break
    }
  }
  if (rest !== '') unparsable(whole, 'trailing garbage after address', rest)
  if (octets.length < 16) {
    if (ellipsis < 0) unparsable(whole, 'address string too short')
    octets.splice(ellipsis, 0, ...Array.from({ length: 16 - octets.length }, () => 0))
  } else if (ellipsis >= 0) unparsable(whole, 'the :: must expand to at least one field of zeros')
  return { bytes: Buffer.from(octets), zone }
}

function hexGroup(whole: string, rest: string): string {
  const group = /^[0-9a-fA-F]*/.exec(rest)?.[0] ?? ''
  if (group.length > 4) unparsable(whole, 'each group must have 4 or less digits', rest)
  if (group === '') unparsable(whole, 'each colon-separated field must have at least one digit', rest)
  return group
}
