/** Reads header blocks of HTTP/2 (HPACK, RFC 7541): one reader for each direction of a connection, from its first block. */
import { huffmanText } from './hpack-huffman.ts'

export type HeaderField = readonly [name: string, value: string]

/** RFC 7541 appendix A; values where the table has them. */
const STATIC_TABLE: readonly HeaderField[] = [
  ':authority',
  ':method GET',
  ':method POST',
  ':path /',
  ':path /index.html',
  ':scheme http',
  ':scheme https',
  ':status 200',
  ':status 204',
  ':status 206',
  ':status 304',
  ':status 400',
  ':status 404',
  ':status 500',
  'accept-charset',
  'accept-encoding gzip, deflate',
  ...(
    'accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control ' +
    'content-disposition content-encoding content-language content-length content-location content-range content-type ' +
    'cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since ' +
    'last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after ' +
    'server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate'
  ).split(' '),
].map((entry) => {
  const space = entry.indexOf(' ')
  return space === -1 ? [entry, ''] : [entry.slice(0, space), entry.slice(space + 1)]
})

/** Section 4.1: what an entry costs beside its text. */
const ENTRY_BYTES = 32

/** A table may grow to what the other end's SETTINGS allow; nobody here allows more. */
const LARGEST_TABLE_BYTES = 64 * 1024
const DEFAULT_TABLE_BYTES = 4096

/** Section 5.1 allows any length; no index or string of a recording needs more. */
const LARGEST_INTEGER = 2 ** 24

class Malformed extends Error {}

export class HeaderReader {
  readonly #dynamic: HeaderField[] = []
  #bytes = 0
  #limit = DEFAULT_TABLE_BYTES
  #lost = false

  /** The fields of one block; undefined, from then on for good, where a block is malformed: the table is lost with it. */
  read(block: Buffer): HeaderField[] | undefined {
    if (this.#lost) return undefined
    try {
      return this.#fields(block)
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      this.#lost = true
      return undefined
    }
  }

  #fields(block: Buffer): HeaderField[] {
    const fields: HeaderField[] = []
    const from = { block, at: 0 }
    while (from.at < block.length) {
      const first = block[from.at] ?? 0
      if (first & 0x80) fields.push(this.#entry(integer(from, 7)))
      else if (first & 0x40) {
        const field = this.#literal(from, 6)
        this.#add(field)
        fields.push(field)
      } else if (first & 0x20) this.#resize(integer(from, 5))
      else fields.push(this.#literal(from, 4))
    }
    return fields
  }

  #literal(from: Place, prefix: number): HeaderField {
    const index = integer(from, prefix)
    const name = index === 0 ? string(from) : this.#entry(index)[0]
    return [name, string(from)]
  }

  #entry(index: number): HeaderField {
    const entry =
      index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#dynamic[index - STATIC_TABLE.length - 1]
    if (entry === undefined) throw new Malformed()
    return entry
  }

  #add(field: HeaderField): void {
    this.#dynamic.unshift(field)
    this.#bytes += sizeOf(field)
    this.#evict()
  }

  #resize(limit: number): void {
    if (limit > LARGEST_TABLE_BYTES) throw new Malformed()
    this.#limit = limit
    this.#evict()
  }

  #evict(): void {
    while (this.#bytes > this.#limit) {
      const oldest = this.#dynamic.pop()
      this.#bytes -= oldest ? sizeOf(oldest) : this.#bytes
    }
  }
}

interface Place {
  block: Buffer
  at: number
}

function sizeOf([name, value]: HeaderField): number {
  return name.length + value.length + ENTRY_BYTES
}

/** Section 5.1. */
function integer(from: Place, prefixBits: number): number {
  const most = 2 ** prefixBits - 1
  let value = next(from) & most
  if (value < most) return value
  for (let shift = 0; ; shift += 7) {
    const byte = next(from)
    value += (byte & 0x7f) * 2 ** shift
    if (value > LARGEST_INTEGER) throw new Malformed()
    if (byte < 0x80) return value
  }
}

/** Section 5.2. */
function string(from: Place): string {
  const isHuffman = ((from.block[from.at] ?? 0) & 0x80) !== 0
  const length = integer(from, 7)
  const bytes = from.block.subarray(from.at, from.at + length)
  if (bytes.length < length) throw new Malformed()
  from.at += length
  const text = isHuffman ? huffmanText(bytes) : bytes.toString('latin1')
  if (text === undefined) throw new Malformed()
  return text
}

function next(from: Place): number {
  const byte = from.block[from.at]
  if (byte === undefined) throw new Malformed()
  from.at += 1
  return byte
}
