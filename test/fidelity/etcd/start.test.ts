/** Every recorded start of a single member: whether it serves, its exit code and its decisive line. */
import t from 'tap'
import { holdRows } from '../hold-rows.ts'
import { recorded } from './recorded-pki.ts'
import { EXCEPTIONS } from './start-exceptions.ts'
import { replayStart, type StartRow } from './start-replay.ts'

t.test('start.json: every row agrees or is an exception with its reason', async (t) => {
  await holdRows(t, {
    rows: recorded<StartRow>('start.json'),
    count: 59,
    exceptions: EXCEPTIONS,
    replay: (row) => replayStart(row),
  })
})
