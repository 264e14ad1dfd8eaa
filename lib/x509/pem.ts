export interface PemBlock {
  label: string
  der: Buffer
  hasHeaders: boolean
}

const BEGIN = '-----BEGIN '
const END = '\n-----END '
const DASHES = '-----'
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Every block that Go's encoding/pem would find, one after the other; what is malformed is passed over as Go passes it over. */
export function pemBlocks(text: string | Buffer): PemBlock[] {
  // One character for one byte, as Go counts.
  const data = (typeof text === 'string' ? Buffer.from(text) : text).toString('latin1')
  const blocks: PemBlock[] = []
  let found = decode(data, 0)
  while (found) {
    blocks.push(found.block)
    found = decode(data, found.next)
  }
  return blocks
}

/** DER of every CERTIFICATE block, also of one with headers (as tls.X509KeyPair reads a chain). */
export function certificatesFromPem(text: string | Buffer): Buffer[] {
  return pemBlocks(text)
    .filter(({ label }) => label === 'CERTIFICATE')
    .map(({ der }) => der)
}

function decode(data: string, start: number): { block: PemBlock; next: number } | undefined {
  let rest = start
  let afterEnd = start
  for (;;) {
    if (afterEnd < rest) return undefined
    rest = afterEnd
    const end = data.indexOf(END, rest)
    if (end === -1) return undefined
    afterEnd = end + END.length
    // The last BEGIN before the END, so that a BEGIN without an END of its own is skipped.
    const offset = data.slice(rest, end).lastIndexOf(BEGIN)
    const begin = rest + offset
    if (offset === -1 || (offset > 0 && data[begin - 1] !== '\n')) continue
    const typeLine = line(data, begin + BEGIN.length)
    rest = typeLine.next
    if (!typeLine.text.endsWith(DASHES)) continue
    const label = typeLine.text.slice(0, -DASHES.length)

    let hasHeaders = false
    for (;;) {
      if (rest >= data.length) return undefined
      const header = line(data, rest)
      if (!header.text.includes(':')) break
      hasHeaders = true
      rest = header.next
    }
    if (hasHeaders && end < rest) continue
    const trailer = data.slice(afterEnd, afterEnd + label.length + DASHES.length)
    if (trailer !== label + DASHES || line(data, afterEnd + trailer.length).text !== '') continue
    const base64 = end > rest ? data.slice(rest, end).replace(/[ \t\r\n]/g, '') : ''
    if (!BASE64.test(base64)) continue
    const next = line(data, end + END.length - 1).next
    return { block: { label, der: Buffer.from(base64, 'base64'), hasHeaders }, next }
  }
}

/** Up to the newline, without it, a carriage return before it, and trailing blanks. */
function line(data: string, start: number): { text: string; next: number } {
  const newline = data.indexOf('\n', start)
  const end = newline === -1 ? data.length : newline
  const next = newline === -1 ? data.length : newline + 1
  const bare = newline > start && data[newline - 1] === '\r' ? data.slice(start, end - 1) : data.slice(start, end)
  let length = bare.length
  while (bare[length - 1] === ' ' || bare[length - 1] === '\t') length--
  return { text: bare.slice(0, length), next }
}
