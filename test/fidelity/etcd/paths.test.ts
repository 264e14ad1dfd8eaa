/** Every recorded HTTP request to the ports of a single member: status, headers and body. */
import t from 'tap'
import { holdRows } from '../hold-rows.ts'
import { EXCEPTIONS } from './paths-exceptions.ts'
import { PathsReplay, type PathRow } from './paths-replay.ts'
import { recorded } from './recorded-pki.ts'

t.test('paths.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = new PathsReplay()
  t.teardown(() => replay.end())
  await holdRows(t, {
    rows: recorded<PathRow>('paths.json'),
    count: 186,
    exceptions: EXCEPTIONS,
    replay: (row) => replay.replay(row),
  })
})
