/** What encoding/json says of a text that is no JSON, as far as it shows in answers; undefined for good JSON. */
export function goJsonError(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    const { message } = error as Error
    if (text.trim() === '' || /Unexpected end|Unterminated/.test(message)) return 'unexpected end of JSON input'
    const at = Number(/position (\d+)/.exec(message)?.[1] ?? Number.NaN)
    if (at >= text.trimEnd().length) return 'unexpected end of JSON input'
    const character = /Unexpected (?:token|non-whitespace character|string|number) ?'?([^'",]?)/.exec(message)?.[1]
    const found = Number.isNaN(at) ? (character ?? text.trimStart()[0]) : text[at]
    return `invalid character '${found}' ${expectationAt(text, Number.isNaN(at) ? text.indexOf(found ?? '') : at)}`
  }
}

function expectationAt(text: string, at: number): string {
  const before = text.slice(0, at).trimEnd().at(-1)
  if (before === '{') return 'looking for beginning of object key string'
  if (before === ',' && text.lastIndexOf('{', at) > text.lastIndexOf('[', at)) {
    return 'looking for beginning of object key string'
  }
  if (before === '"') return 'after object key'
  if (before !== undefined && !/[:,[]/.test(before)) return 'after top-level value'
  return 'looking for beginning of value'
}
