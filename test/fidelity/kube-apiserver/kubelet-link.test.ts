/** Every recorded answer of kubelet-link.json. */
import t from 'tap'
import { linkException } from './link-exceptions.ts'
import { comparable, LinkReplay } from './link-replay.ts'
import type { LinkRow } from './link-replay.ts'
import { recorded } from './recorded-world.ts'

t.test('kubelet-link.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = await LinkReplay.create()
  const exceptions = new Map<string, number>()
  const rows = recorded<LinkRow>('kubelet-link.json')
  for (const row of rows) {
    const reason = linkException(row)
    if (reason === undefined) t.strictSame(comparable(await replay.replay(row)), comparable(row.answer), row.id)
    else exceptions.set(reason, (exceptions.get(reason) ?? 0) + 1)
  }
  const listed = [...exceptions.values()].reduce((sum, count) => sum + count, 0)
  t.comment(`agree ${rows.length - listed}, exceptions ${listed}`)
  t.equal(rows.length, 134, 'no row was left out')
  for (const [reason, count] of exceptions) t.comment(`${count}: ${reason}`)
})
