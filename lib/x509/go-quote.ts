import { SINCE_UNICODE_15 } from './unicode-since-15.ts'

const NAMED: Record<string, string> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

/** What Go's strconv.IsPrint (Unicode 15.0) does not count as printable, and the two characters that are always escaped. */
const ESCAPED = new RegExp(`[^\\p{L}\\p{M}\\p{N}\\p{P}\\p{S} ]|["\\\\${SINCE_UNICODE_15}]`, 'gu')

/** Go's strconv.Quote and %q of a text. */
export function goQuote(text: string): string {
  return `"${text.replace(ESCAPED, escape)}"`
}

/** %q of bytes (one character each), which need not be UTF-8. */
export function goQuoteBytes(bytes: string): string {
  let quoted = ''
  for (let i = 0; i < bytes.length;) {
    const length = sequenceLength(bytes.charCodeAt(i))
    const sequence = Buffer.from(bytes.slice(i, i + length), 'latin1')
    const text = sequence.toString('utf8')
    const whole = sequence.length === length && Buffer.from(text, 'utf8').equals(sequence)
    quoted += whole ? text.replace(ESCAPED, escape) : `\\x${sequence.toString('hex', 0, 1)}`
    i += whole ? length : 1
  }
  return `"${quoted}"`
}

function sequenceLength(lead: number): number {
  if (lead < 0xc0) return 1
  if (lead < 0xe0) return 2
  return lead < 0xf0 ? 3 : 4
}

function escape(character: string): string {
  const named = NAMED[character]
  if (named !== undefined) return named
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`
  return code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}
