/** ASN.1 tags as single identifier octets (X.690 section 8.1.2). */
export const BOOLEAN = 0x01
export const INTEGER = 0x02
export const BIT_STRING = 0x03
export const OCTET_STRING = 0x04
export const OBJECT_IDENTIFIER = 0x06
export const ENUMERATED = 0x0a
export const UTC_TIME = 0x17
export const GENERALIZED_TIME = 0x18
export const SEQUENCE = 0x30
export const SET = 0x31

/** `[n]`, primitive. */
export const contextTag = (number: number): number => 0x80 | number
/** `[n]`, constructed. */
export const constructedTag = (number: number): number => 0xa0 | number

export interface BitString {
  bytes: Buffer
  bitLength: number
}

/**
 * A strict DER reader with the rules of golang.org/x/crypto/cryptobyte: single-octet tags, minimal lengths of at most four
 * octets, minimal integers. A read that does not succeed answers `undefined`; the reader is of no use after that.
 */
export class DerReader {
  readonly #bytes: Buffer
  #offset: number
  readonly #end: number

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#offset = start
    this.#end = end
  }

  get isEmpty(): boolean {
    return this.#offset >= this.#end
  }

  /** What is left, without a copy. */
  get rest(): Buffer {
    return this.#bytes.subarray(this.#offset, this.#end)
  }

  peek(tag: number): boolean {
    return this.#offset < this.#end && this.#bytes[this.#offset] === tag
  }

  /** The content of the next element, if it has this tag. */
  read(tag: number): DerReader | undefined {
    const header = this.#header()
    if (header === undefined || header.tag !== tag) return undefined
    this.#offset = header.end
    return new DerReader(this.#bytes, header.start, header.end)
  }

  /** The next element with its tag and length octets. */
  readElement(tag: number): Buffer | undefined {
    const start = this.#offset
    return this.read(tag) === undefined ? undefined : this.#bytes.subarray(start, this.#offset)
  }

  readAny(): { tag: number; content: Buffer; element: Buffer } | undefined {
    const header = this.#header()
    if (header === undefined) return undefined
    const element = this.#bytes.subarray(this.#offset, header.end)
    this.#offset = header.end
    return { tag: header.tag, content: this.#bytes.subarray(header.start, header.end), element }
  }

  /** `null` where another tag, or nothing, stands next. */
  readOptional(tag: number): DerReader | null | undefined {
    return this.peek(tag) ? this.read(tag) : null
  }

  readBoolean(): boolean | undefined {
    const content = this.read(BOOLEAN)?.rest
    if (content?.length !== 1) return undefined
    if (content[0] === 0xff) return true
    return content[0] === 0 ? false : undefined
  }

  /** An INTEGER of any length. */
  readInteger(): bigint | undefined {
    return signedInteger(this.#integerOctets(INTEGER))
  }

  /** An integer that fits into a signed 64-bit word; `tag` for implicitly tagged ones and ENUMERATED. */
  readInt64(tag = INTEGER): bigint | undefined {
    const octets = this.#integerOctets(tag)
    return octets !== undefined && octets.length <= 8 ? signedInteger(octets) : undefined
  }

  readUint64(): bigint | undefined {
    const octets = this.#integerOctets(INTEGER)
    if (octets === undefined || (octets[0] ?? 0) & 0x80) return undefined
    return octets.length <= 8 || (octets.length === 9 && octets[0] === 0) ? signedInteger(octets) : undefined
  }

  /** Dotted form. Each component has to be below 2^31, as in Go's asn1.ObjectIdentifier. */
  readOid(): string | undefined {
    const content = this.read(OBJECT_IDENTIFIER)?.rest
    return content === undefined ? undefined : dottedOid(content)
  }

  readBitString(): BitString | undefined {
    const content = this.read(BIT_STRING)?.rest
    const padding = content?.[0]
    if (content === undefined || padding === undefined || padding > 7) return undefined
    const last = content.length > 1 ? (content[content.length - 1] ?? 0) : 0xff
    if (last & ((1 << padding) - 1)) return undefined
    return { bytes: content.subarray(1), bitLength: (content.length - 1) * 8 - padding }
  }

  #integerOctets(tag: number): Buffer | undefined {
    const octets = this.read(tag)?.rest
    const [first, second] = octets ?? []
    if (octets === undefined || first === undefined) return undefined
    if (second !== undefined && (second & 0x80 ? first === 0xff : first === 0)) return undefined
    return octets
  }

  #header(): { tag: number; start: number; end: number } | undefined {
    const bytes = this.#bytes
    const offset = this.#offset
    if (this.#end - offset < 2) return undefined
    const tag = bytes[offset] ?? 0
    if ((tag & 0x1f) === 0x1f) return undefined
    let length = bytes[offset + 1] ?? 0
    let start = offset + 2
    if (length & 0x80) {
      const lengthOctets = length & 0x7f
      if (lengthOctets === 0 || lengthOctets > 4 || this.#end - start < lengthOctets) return undefined
      length = bytes.readUIntBE(start, lengthOctets)
      if (length < 0x80 || bytes[start] === 0) return undefined
      start += lengthOctets
    }
    const end = start + length
    return end <= this.#end ? { tag, start, end } : undefined
  }
}

function signedInteger(octets: Buffer | undefined): bigint | undefined {
  if (octets === undefined) return undefined
  const value = BigInt(`0x${octets.toString('hex')}`)
  return (octets[0] ?? 0) & 0x80 ? value - (1n << BigInt(octets.length * 8)) : value
}

function dottedOid(content: Buffer): string | undefined {
  let dotted = ''
  let value = 0
  let octets = 0
  for (const octet of content) {
    if (octets === 5 || value >= 1 << 24 || (octets === 0 && octet === 0x80)) return undefined
    value = (value << 7) | (octet & 0x7f)
    octets++
    if (octet & 0x80) continue
    if (dotted !== '') dotted += `.${value}`
    else dotted = value < 80 ? `${Math.trunc(value / 40)}.${value % 40}` : `2.${value - 80}`
    value = 0
    octets = 0
  }
  return octets === 0 && dotted !== '' ? dotted : undefined
}

/** The bits as a number's octets, shifted so that the last one is the lowest (Go's BitString.RightAlign). */
export function rightAlign({ bytes, bitLength }: BitString): Buffer {
  const shift = 8 - (bitLength % 8)
  if (shift === 8 || bytes.length === 0) return bytes
  return Buffer.from(bytes.map((octet, i) => (octet >> shift) | ((bytes[i - 1] ?? 0) << (8 - shift))))
}
