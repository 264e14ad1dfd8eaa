/** Every recorded call to three members and to what was left of them without a quorum: rows of grpc.json and gateway.json. */
import t from 'tap'
import { holdRows } from '../hold-rows.ts'
import { EXCEPTIONS } from './cluster-exceptions.ts'
import { ClusterReplay, type ClusterRow } from './cluster-replay.ts'
import { recorded } from './recorded-pki.ts'

t.setTimeout(300_000)

t.test('cluster.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = new ClusterReplay()
  t.teardown(() => replay.end())
  await holdRows(t, {
    rows: recorded<ClusterRow>('cluster.json'),
    count: 31,
    exceptions: EXCEPTIONS,
    replay: (row) => replay.replay(row),
  })
})
