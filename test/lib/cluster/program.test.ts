/** A program of somebody's, as the system shows it. */
import t from 'tap'
import { readFileSync, statSync } from 'node:fs'
import { startProgram } from '../../../lib/cluster/program.ts'

const ADMINISTRATOR_UID = 64003

t.test(
  'stands in the process table with its arguments, and has its environment and nothing of ours',
  { skip: process.getuid?.() === 0 ? false : 'only root starts programs of others' },
  async (t) => {
    const argv = ['kubectl', 'get', 'secret', 'a b', '--token=word'] as const
    const program = await startProgram({ argv, environment: { KUBE_TOKEN: 'word' }, uid: ADMINISTRATOR_UID })
    t.teardown(() => program.stop())
    const words = readFileSync(`/proc/${program.pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
    t.strictSame(words.slice(-argv.length), [...argv])
    t.equal(words[0], '/bin/sh', 'busybox chooses what it is by this name')
    const environment = readFileSync(`/proc/${program.pid}/environ`, 'utf8').split('\0')
    t.ok(environment.includes('KUBE_TOKEN=word'))
    t.notOk(environment.some((each) => each.startsWith('PATH=')))
    t.equal(statSync(`/proc/${program.pid}/environ`).uid, ADMINISTRATOR_UID, 'for its owner to read')
    await program.stop()
    t.throws(() => statSync(`/proc/${program.pid}`), { code: 'ENOENT' })
  },
)
