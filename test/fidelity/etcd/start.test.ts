/** Every recorded start of a single member: whether it serves, its exit code and its decisive line. */
import t from 'tap'
import { recorded } from './recorded-pki.ts'
import { EXCEPTIONS } from './start-exceptions.ts'
import { replayStart, type StartRow } from './start-replay.ts'

t.test('start.json: every row agrees or is an exception with its reason', async (t) => {
  const rows = recorded<StartRow>('start.json')
  let exceptions = 0
  for (const row of rows) {
    const difference = await replayStart(row)
    const reason = EXCEPTIONS[row.id]
    if (reason === undefined && difference) t.equal(difference.got, difference.expected, row.id)
    if (reason === undefined) continue
    exceptions++
    if (!difference) t.fail(`${row.id} agrees now: strike it from the exceptions`)
  }
  t.comment(`agree ${rows.length - exceptions}, exceptions ${exceptions}`)
  t.equal(rows.length, 59, 'no row was left out')
})
