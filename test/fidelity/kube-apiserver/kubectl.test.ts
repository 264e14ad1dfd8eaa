/** What the recorded kubectl asks, prints and ends with, of our kube-apiserver. */
import t from 'tap'
import { holdRows } from '../hold-rows.ts'
import { EXCEPTIONS } from './kubectl-exceptions.ts'
import { KubectlReplay, type KubectlRow } from './kubectl-replay.ts'
import { recorded } from './recorded-world.ts'

const program = KubectlReplay.program()
if (!program) process.stderr.write('SKIPPED: no kubectl 1.32 is installed, no recorded command was said by it\n')

t.test('kubectl.json: every row agrees or is an exception with its reason', { skip: !program }, async (t) => {
  const replay = await KubectlReplay.start(program!)
  t.teardown(() => replay.end())
  await holdRows(t, {
    rows: recorded<KubectlRow>('kubectl.json'),
    count: 75,
    exceptions: EXCEPTIONS,
    replay: (row) => replay.replay(row),
  })
})
