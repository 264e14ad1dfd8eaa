/** Every recorded connection to the client port of a single member: the client's outcome and the member's log line. */
import t from 'tap'
import { recorded } from './recorded-pki.ts'
import { EXCEPTIONS } from './tls-exceptions.ts'
import type { TlsRow } from './tls-probe.ts'
import { TlsReplay } from './tls-replay.ts'

// A machine that others use takes its time.
t.setTimeout(180_000)

t.test('tls.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = new TlsReplay()
  t.teardown(() => replay.end())
  const rows = recorded<TlsRow>('tls.json')
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
  t.equal(rows.length, 251, 'no row was left out')
})
