/**
 * Header blocks of SPDY/3: pairs of length-prefixed names and values, one zlib stream per direction, with a dictionary. SPDY
 * Protocol, Draft 3, section 2.6.10.
 */
import { constants, inflateRawSync } from 'node:zlib'
import { SPDY_DICTIONARY } from './spdy-dictionary.ts'

export type SpdyHeaders = ReadonlyMap<string, string>

/** zlib's header: deflate, and a dictionary that is named by its Adler-32. */
const ZLIB_HEADER = Buffer.from('78bbe3c6a7c2', 'hex')
/** An empty stored block. Go's reader hands out what it has when it meets one, and wants more bytes before it does. */
const FLUSH = Buffer.from('000000ffff', 'hex')
const WINDOW = 32 * 1024
/** Of one block, expanded: nobody has more to say of a stream. */
const MOST_BYTES = 64 * 1024
const MOST_STORED = 0xffff

/** Writes a direction's blocks, as deflate's stored blocks: headers are few, and nothing has to be kept between them. */
export class HeaderWriter {
  #isFirst = true

  write(headers: SpdyHeaders): Buffer {
    const parts = [uint32(headers.size)]
    for (const [name, value] of headers) {
      for (const text of [name.toLowerCase(), value]) parts.push(uint32(Buffer.byteLength(text)), Buffer.from(text))
    }
    const plain = Buffer.concat(parts)
    if (plain.length > MOST_STORED) throw new Error(`[spdy_headers] block: at most 65535 bytes, got ${plain.length}`)
    const stored = Buffer.alloc(5)
    stored.writeUInt16LE(plain.length, 1)
    stored.writeUInt16LE(plain.length ^ MOST_STORED, 3)
    const block = Buffer.concat([...(this.#isFirst ? [ZLIB_HEADER] : []), stored, plain, FLUSH])
    this.#isFirst = false
    return block
  }
}

/** Reads a direction's blocks, each of which has to be read once and in order. */
export class HeaderReader {
  /** What came before: all that deflate remembers between two blocks that were flushed. */
  #window: Buffer = SPDY_DICTIONARY
  #isFirst = true

  /** @throws Error where the bytes are no block. */
  read(block: Buffer): SpdyHeaders {
    const compressed = this.#isFirst ? block.subarray(ZLIB_HEADER.length) : block
    this.#isFirst = false
    const plain = inflateRawSync(compressed, {
      dictionary: this.#window,
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: MOST_BYTES,
    })
    this.#window = Buffer.concat([this.#window, plain]).subarray(-WINDOW)
    let at = 4
    const text = (): string => {
      const start = at + 4
      at = start + plain.readUInt32BE(at)
      return plain.toString('utf8', start, at)
    }
    const headers = new Map<string, string>()
    for (let left = plain.readUInt32BE(0); left > 0; left--) headers.set(text(), text())
    return headers
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
