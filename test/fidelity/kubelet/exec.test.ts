/** Recorded streams of exec.json: those that went straight to the kubelet, and through kube-apiserver where all was well. */
import t from 'tap'
import { execException } from './exec-exceptions.ts'
import { comparable, ExecReplay, recordedExecs } from './exec-replay.ts'

t.test('exec.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = await new ExecReplay().start()
  t.teardown(() => replay.stop())
  const exceptions = new Map<string, number>()
  const rows = recordedExecs()
  for (const row of rows) {
    const reason = execException(row)
    if (reason === undefined) t.strictSame(comparable(await replay.replay(row)), comparable(row), row.id)
    else exceptions.set(reason, (exceptions.get(reason) ?? 0) + 1)
  }
  const listed = [...exceptions.values()].reduce((sum, count) => sum + count, 0)
  t.comment(`agree ${rows.length - listed}, exceptions ${listed}`)
  t.equal(rows.length, 144, 'no row was left out')
  for (const [reason, count] of exceptions) t.comment(`${count}: ${reason}`)
})
