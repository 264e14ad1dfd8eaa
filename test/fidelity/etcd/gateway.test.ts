/** Every recorded request to the JSON gateway of a single member: status, headers and body. */
import t from 'tap'
import { holdRows } from '../hold-rows.ts'
import { EXCEPTIONS } from './gateway-exceptions.ts'
import { GatewayReplay, type GatewayRow } from './gateway-replay.ts'
import { recorded } from './recorded-pki.ts'

t.test('gateway.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = new GatewayReplay()
  t.teardown(() => replay.end())
  await holdRows(t, {
    rows: recorded<GatewayRow>('gateway.json'),
    count: 123,
    exceptions: EXCEPTIONS,
    replay: (row) => replay.replay(row),
  })
})
