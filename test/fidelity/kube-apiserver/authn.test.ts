/** Every recorded answer of authn.json that authentication, impersonation and authorization decide. */
import t from 'tap'
import { EXCEPTIONS } from './authn-exceptions.ts'
import { AuthnReplay } from './authn-replay.ts'
import type { AuthnRow } from './authn-replay.ts'
import { recorded } from './recorded-world.ts'

t.test('authn.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = new AuthnReplay()
  const rows = recorded<AuthnRow>('authn.json')
  let exceptions = 0
  for (const row of rows) {
    const difference = replay.replay(row)
    const reason = EXCEPTIONS[row.id]
    if (reason === undefined && difference) t.equal(difference.got, difference.expected, row.id)
    if (reason === undefined) continue
    exceptions++
    if (!difference) t.fail(`${row.id} agrees now: strike it from the exceptions`)
  }
  t.comment(`agree ${rows.length - exceptions}, exceptions ${exceptions}`)
  t.equal(rows.length, 1641, 'no row was left out')
})
