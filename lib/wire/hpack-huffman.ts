/**
 * HPACK's Huffman code (RFC 7541 appendix B). It is canonical: codes of one length follow each other in the order of
 * their symbols, so the lengths say all. A letter for each of 0 to 255 and for the end of the string: `a` is 5 bits.
 */
const LENGTHS =
  'isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxxbffhibdgffdgdbbbaaabbbbbbbcdkbhfibcccccccccccccccccccc' +
  'ccdcdioijbkabababbbaccbbbabcbaabccccckgjixprpprrrsrssssststtrstssssqrsrsstrqprrssqsrrt' +
  'qrssqqrqsrssprrrsrrsvvporsruvvvwwvtuoqvwwvwtqqvvxwwwptpqrqqsrruuttvsvwvvwwwwwxwwwwwvz'

const SHORTEST = 5
const END_OF_STRING = 256

/** `length code` -> symbol. */
const SYMBOLS = canonicalCodes()

function canonicalCodes(): ReadonlyMap<number, number> {
  const symbols = new Map<number, number>()
  let code = 0
  for (let length = SHORTEST; length <= 30; length += 1) {
    for (let symbol = 0; symbol < LENGTHS.length; symbol += 1) {
      if (LENGTHS.charCodeAt(symbol) - 97 + SHORTEST === length) symbols.set(keyOf(length, code++), symbol)
    }
    code *= 2
  }
  return symbols
}

function keyOf(length: number, code: number): number {
  return length * 2 ** 31 + code
}

/** Undefined for what is no code, holds the end's own, or is padded with other than ones (section 5.2). */
export function huffmanText(bytes: Buffer): string | undefined {
  const decoded: number[] = []
  let code = 0
  let length = 0
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      code = code * 2 + ((byte >> bit) & 1)
      length += 1
      const symbol = SYMBOLS.get(keyOf(length, code))
      if (symbol === END_OF_STRING || length > 30) return undefined
      if (symbol === undefined) continue
      decoded.push(symbol)
      code = 0
      length = 0
    }
  }
  return length < 8 && code === 2 ** length - 1 ? Buffer.from(decoded).toString('latin1') : undefined
}
