/** Every recorded connection to the ports of a single member: the client's outcome and the member's log line. */
import t from 'tap'
import { holdRows } from '../hold-rows.ts'
import { recorded } from './recorded-pki.ts'
import { EXCEPTIONS } from './tls-exceptions.ts'
import type { TlsRow } from './tls-probe.ts'
import { TlsReplay } from './tls-replay.ts'

// A machine that others use takes its time.
t.setTimeout(180_000)

t.test('tls.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = new TlsReplay()
  t.teardown(() => replay.end())
  await holdRows(t, {
    rows: recorded<TlsRow>('tls.json'),
    count: 530,
    exceptions: EXCEPTIONS,
    replay: (row) => replay.replay(row),
  })
})
