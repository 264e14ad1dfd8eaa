/** The forms in which a value may cross a link and still be readable. */

export type Encoding = 'raw' | 'hex' | 'base64' | 'base64url' | 'base64 in base64'

export interface Form {
  encoding: Encoding
  bytes: Buffer
}

/**
 * Raw, hex in both cases, base64 in its three alignments and two alphabets, and base64 once more over that: a Secret's
 * JSON inside etcd's JSON gateway. Of each base64 form only the characters that the value alone decides are kept.
 */
export function formsOf(canary: string): Form[] {
  const raw = Buffer.from(canary)
  const hex = raw.toString('hex')
  const once = base64Forms(raw)
  const forms: Form[] = [
    { encoding: 'raw', bytes: raw },
    { encoding: 'hex', bytes: Buffer.from(hex) },
    { encoding: 'hex', bytes: Buffer.from(hex.toUpperCase()) },
    ...once,
    ...once.flatMap(({ bytes }) =>
      base64Forms(bytes).map((twice): Form => ({ encoding: 'base64 in base64', bytes: twice.bytes })),
    ),
  ]
  const seen = new Set<string>()
  return forms.filter(({ bytes }) => {
    const text = bytes.toString('latin1')
    return text !== '' && !seen.has(text) && seen.add(text)
  })
}

function base64Forms(value: Buffer): Form[] {
  return [0, 1, 2].flatMap((before): Form[] => {
    const text = Buffer.concat([Buffer.alloc(before), value]).toString('base64')
    const first = Math.ceil((before * 8) / 6)
    const last = Math.floor(((before + value.length) * 8) / 6)
    const own = text.slice(first, last)
    return [
      { encoding: 'base64', bytes: Buffer.from(own) },
      { encoding: 'base64url', bytes: Buffer.from(own.replaceAll('+', '-').replaceAll('/', '_')) },
    ]
  })
}
