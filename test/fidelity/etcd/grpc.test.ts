/** Every recorded gRPC call to a single member. */
import t from 'tap'
import { holdRows } from '../hold-rows.ts'
import { recorded } from './recorded-pki.ts'
import { EXCEPTIONS } from './grpc-exceptions.ts'
import type { GrpcRow } from './grpc-replay.ts'
import { GrpcReplay } from './grpc-replay.ts'

t.test('grpc.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = new GrpcReplay()
  t.teardown(() => replay.end())
  await holdRows(t, {
    rows: recorded<GrpcRow>('grpc.json'),
    count: 199,
    exceptions: EXCEPTIONS,
    replay: (row) => replay.replay(row),
  })
})
