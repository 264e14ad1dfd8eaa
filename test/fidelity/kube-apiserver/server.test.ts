/** Recorded answers about objects and discovery, put to a running kube-apiserver in their order. */
import t from 'tap'
import { holdRows } from '../hold-rows.ts'
import { recorded } from './recorded-world.ts'
import { EXCEPTIONS } from './server-exceptions.ts'
import { ServerReplay } from './server-replay.ts'
import type { ServerRow } from './server-replay.ts'

t.test('objects.json and discovery.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = await ServerReplay.start()
  t.teardown(() => replay.end())
  await holdRows(t, {
    rows: [...recorded<ServerRow>('discovery.json'), ...recorded<ServerRow>('objects.json')],
    count: 257,
    exceptions: EXCEPTIONS,
    replay: (row) => replay.replay(row),
  })
})
