/** Every recorded answer about Secrets that lie encrypted, or wrong, in etcd. */
import t from 'tap'
import { EncryptionReplay } from './encryption-replay.ts'
import type { EncryptionRow } from './encryption-replay.ts'
import { expected } from './expected.ts'
import { recorded } from './recorded-world.ts'

const SERVER = 'it takes a running server, and here is only its storage'
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'encryption-key-prefixes': 'of a new cluster of the simulation other things lie there',
  'encryption-raw-garbage': 'the bytes are not among the recordings',
  'encryption-watch-with-bad': SERVER,
  'encryption-update-bad': SERVER,
}
/** Which complaint a broken last block brings depends on random bytes. */
const PADDING = /invalid padding on input|invalid PKCS7 data \(empty or not padded\)/g
const BROKEN_BLOCK = /^encryption-(flip|truncated-block|read-enc-same-name-other-key)-?.*aescbc/

t.test('encryption.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = await EncryptionReplay.create()
  const rows = recorded<EncryptionRow>('encryption.json')
  let exceptions = 0
  for (const row of rows) {
    if (EXCEPTIONS[row.id] !== undefined) {
      exceptions++
      continue
    }
    const { id, setup: _, path: __, ...wanted } = row
    const { method: ___, etcdKey: ____, headers: _____, ...told } = wanted as Record<string, unknown>
    const alike = (value: unknown): unknown =>
      BROKEN_BLOCK.test(id) ? (JSON.parse(JSON.stringify(value).replace(PADDING, 'broken padding')) as unknown) : value
    const difference = expected(alike(told), alike(await replay.answer(row)))
    if (difference) t.equal(difference.got, difference.expected, id)
  }
  t.comment(`agree ${rows.length - exceptions}, exceptions ${exceptions}`)
  t.equal(rows.length, 51, 'no row was left out')
})
