/** Every recorded request to the JSON gateway of a single member: status, headers and body. */
import t from 'tap'
import { EXCEPTIONS } from './gateway-exceptions.ts'
import { GatewayReplay, type GatewayRow } from './gateway-replay.ts'
import { recorded } from './recorded-pki.ts'

t.test('gateway.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = new GatewayReplay()
  t.teardown(() => replay.end())
  const rows = recorded<GatewayRow>('gateway.json')
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
  t.equal(rows.length, 123, 'no row was left out')
})
