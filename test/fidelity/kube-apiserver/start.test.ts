/** Every recorded start: whether the server serves, its exit code and its decisive lines. */
import t from 'tap'
import { recorded } from './recorded-world.ts'
import { EXCEPTIONS } from './start-exceptions.ts'
import { StartReplay } from './start-replay.ts'
import type { StartRow } from './start-replay.ts'

/** Processes at a time. */
const AT_ONCE = 3

t.test('start.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = await StartReplay.create()
  t.teardown(() => replay.end())
  const rows = recorded<StartRow>('start.json')
  const waiting = [...rows]
  let exceptions = 0
  const work = async (): Promise<void> => {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      const reason = EXCEPTIONS[row.id]
      if (reason !== undefined) {
        exceptions++
        continue
      }
      const difference = await replay.replay(row)
      if (difference) t.equal(difference.got, difference.expected, row.id)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  t.comment(`agree ${rows.length - exceptions}, exceptions ${exceptions}`)
  t.equal(rows.length, 119, 'no row was left out')
})
