/** Every recorded HTTP request to the client and metrics ports of a single member: status, headers and body. */
import t from 'tap'
import { EXCEPTIONS } from './paths-exceptions.ts'
import { PathsReplay, type PathRow } from './paths-replay.ts'
import { recorded } from './recorded-pki.ts'

t.test('paths.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = new PathsReplay()
  t.teardown(() => replay.end())
  const rows = recorded<PathRow>('paths.json')
  let exceptions = 0
  for (const row of rows) {
    const difference = await replay.replay(row)
    const reason = EXCEPTIONS[row.id]
    if (reason === undefined && difference) t.equal(difference.got, difference.expected, row.id)
    if (reason === undefined) continue
    exceptions++
    if (!difference) t.fail(`${row.id} agrees now: strike it from the exceptions`)
  }
  t.comment(`agree ${rows.length - exceptions}, exceptions ${exceptions}`)
  t.equal(rows.length, 130, 'no row was left out')
})
