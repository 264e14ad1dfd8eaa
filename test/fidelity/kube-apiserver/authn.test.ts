/** Every recorded answer of authn.json that authentication, impersonation and authorization decide. */
import t from 'tap'
import { holdRows } from '../hold-rows.ts'
import { EXCEPTIONS } from './authn-exceptions.ts'
import { AuthnReplay } from './authn-replay.ts'
import type { AuthnRow } from './authn-replay.ts'
import { recorded } from './recorded-world.ts'

t.test('authn.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = new AuthnReplay()
  await holdRows(t, {
    rows: recorded<AuthnRow>('authn.json'),
    count: 1641,
    exceptions: EXCEPTIONS,
    replay: (row) => replay.replay(row),
  })
})
