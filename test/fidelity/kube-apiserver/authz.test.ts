/** Every recorded answer of authz.json, as far as authorization and admission decide it. */
import t from 'tap'
import { AuthzReplay } from './authz-replay.ts'
import type { AuthzRow } from './authz-replay.ts'
import { EXCEPTIONS } from './authz-exceptions.ts'
import { recorded } from './recorded-world.ts'

t.test('authz.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = new AuthzReplay()
  const counts = new Map<string, number>()
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1)
  for (const row of recorded<AuthzRow>('authz.json')) {
    const outcome = replay.replay(row)
    if (typeof outcome === 'string') count(outcome)
    else if (EXCEPTIONS[row.id] !== undefined) count('exception')
    else t.equal(outcome.got, outcome.expected, row.id)
    if (typeof outcome === 'string' && EXCEPTIONS[row.id] !== undefined)
      t.fail(`${row.id} agrees now: strike it from the exceptions`)
  }
  t.comment([...counts].map(([what, rows]) => `${what} ${rows}`).join(', '))
  t.equal(
    [...counts.values()].reduce((sum, rows) => sum + rows, 0),
    3666,
    'no row was left out',
  )
})
