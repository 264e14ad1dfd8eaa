/** Every recorded answer of endpoints.json and authn.json. */
import t from 'tap'
import { answerException } from './answer-exceptions.ts'
import { AnswerReplay, comparable, recordedAnswers } from './answer-replay.ts'

for (const name of ['endpoints', 'authn'] as const) {
  t.test(`${name}.json: every row agrees or is an exception with its reason`, async (t) => {
    const replay = await new AnswerReplay(name === 'endpoints').start()
    t.teardown(() => replay.stop())
    const exceptions = new Map<string, number>()
    let agreed = 0
    const rows = recordedAnswers(name)
    for (const config of new Set(rows.map((row) => row.config))) {
      for (const row of rows.filter((each) => each.config === config)) {
        const reason = answerException(row)
        if (reason !== undefined) {
          exceptions.set(reason, (exceptions.get(reason) ?? 0) + 1)
          continue
        }
        t.strictSame(comparable(await replay.replay(row)), comparable(row), row.id)
        agreed++
      }
      await replay.forget(config)
    }
    t.comment(`agree ${agreed}, exceptions ${rows.length - agreed}`)
    t.equal(rows.length, name === 'endpoints' ? 1088 : 244, 'no row was left out')
    for (const [reason, count] of exceptions) t.comment(`${count}: ${reason}`)
  })
}
