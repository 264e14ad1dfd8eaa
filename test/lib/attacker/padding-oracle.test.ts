/** CBC without integrity, opened by its padding errors alone. */
import t from 'tap'
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { BLOCK_BYTES, openFromTheEnd } from '../../../lib/attacker/padding-oracle.ts'

const key = createHash('sha256').update('a key that nobody tells').digest()
const iv = Buffer.alloc(BLOCK_BYTES, 7)

function seal(text: string, first = iv): Buffer {
  const cipher = createCipheriv('aes-256-cbc', key, first)
  return Buffer.concat([first, cipher.update(text, 'latin1'), cipher.final()])
}

let asked = 0

async function isPadded(before: Buffer, block: Buffer): Promise<boolean> {
  asked += 1
  const decipher = createDecipheriv('aes-256-cbc', key, before)
  try {
    decipher.update(block)
    decipher.final()
    return true
  } catch {
    return false
  }
}

t.test('every length of padding, and plaintext that looks like padding', async (t) => {
  const texts = Array.from({ length: BLOCK_BYTES }, (_, size) => 'what is sealed'.padEnd(BLOCK_BYTES + size, '.'))
  for (const text of [...texts, `${'x'.repeat(30)}\x02`, `${'y'.repeat(29)}\x03\x03`]) {
    const opened = await openFromTheEnd(seal(text), isPadded, { guesses: () => [], enough: () => false })
    t.equal(opened.subarray(0, -opened.at(-1)!).toString('latin1'), text)
  }
})

t.test('a last byte that makes 2 2 of what stands before it is not taken for 1', async (t) => {
  const text = 'nine here'
  const first = Buffer.from(iv)
  const padding = BLOCK_BYTES - text.length
  first[BLOCK_BYTES - 2] = padding ^ 2
  const opened = await openFromTheEnd(seal(text, first), isPadded, { guesses: () => [], enough: () => false })
  t.equal(opened.toString('latin1'), text.padEnd(BLOCK_BYTES, String.fromCharCode(padding)))
})

t.test('good guesses are asked first, and no more is opened than is enough', async (t) => {
  const text = 'no need to open this. PIN 4711'
  const digits = [...Buffer.from('0123456789')]
  asked = 0
  const opened = await openFromTheEnd(seal(text), isPadded, {
    guesses: (known) => (known.length < 2 ? [2] : digits),
    enough: (known) => known.length === 6,
  })
  t.equal(opened.toString('latin1'), '4711\x02\x02')
  t.ok(asked < 2 * 2 + 4 * 10 + 1, `${asked} questions`)
})

t.test('answers that tell nothing', async (t) => {
  await t.rejects(
    openFromTheEnd(seal('x'), async () => false, { guesses: () => [], enough: () => false }),
    { message: '[oracle_silent] byte 15 of the block at 16: no value of it is padded' },
  )
})
