/** Every recorded gRPC call to a single member. */
import t from 'tap'
import { recorded } from './recorded-pki.ts'
import { EXCEPTIONS } from './grpc-exceptions.ts'
import type { GrpcRow } from './grpc-replay.ts'
import { GrpcReplay } from './grpc-replay.ts'

t.test('grpc.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = new GrpcReplay()
  t.teardown(() => replay.end())
  const rows = recorded<GrpcRow>('grpc.json')
  let exceptions = 0
  for (const row of rows) {
    let difference = await replay.replay(row)
    // A new member's file grows past that quota with its first commit, a moment after its first answer.
    for (const end = performance.now() + 2000; row.id === 'quota-put' && difference && performance.now() < end;) {
      difference = await replay.replay(row)
    }
    const reason = EXCEPTIONS[row.id]
    if (reason === undefined && difference) t.equal(difference.got, difference.expected, row.id)
    if (reason === undefined) continue
    exceptions++
    if (!difference) t.fail(`${row.id} agrees now: strike it from the exceptions`)
  }
  t.comment(`agree ${rows.length - exceptions}, exceptions ${exceptions}`)
  t.equal(rows.length, 198, 'no row was left out')
})
