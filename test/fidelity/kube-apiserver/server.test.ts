/** Recorded answers about objects and discovery, put to a running kube-apiserver in their order. */
import t from 'tap'
import { recorded } from './recorded-world.ts'
import { EXCEPTIONS } from './server-exceptions.ts'
import { ServerReplay } from './server-replay.ts'
import type { ServerRow } from './server-replay.ts'

t.test('objects.json and discovery.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = await ServerReplay.start()
  t.teardown(() => replay.end())
  let agree = 0
  let exceptions = 0
  const rows = [...recorded<ServerRow>('discovery.json'), ...recorded<ServerRow>('objects.json')]
  for (const row of rows) {
    const reason = EXCEPTIONS[row.id]
    const difference = await replay.replay(row)
    if (reason === undefined && difference) t.equal(difference.got, difference.expected, row.id)
    else if (reason === undefined) agree++
    if (reason === undefined) continue
    exceptions++
    if (!difference) t.fail(`${row.id} agrees now: strike it from the exceptions`)
  }
  t.comment(`agree ${agree}, exceptions ${exceptions}`)
  t.equal(rows.length, 257, 'no row was left out')
})
