/** The command line as a user meets it: nothing left behind however it ends, and bad input said clearly. */
import t from 'tap'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeCommand } from '../../../lib/cluster/node-command.ts'
import { shippedPostures } from '../../../lib/posture/posture.ts'
import { discoverScenarios, selectTour, TOUR_POSTURES } from '../../../lib/scenario/discover.ts'

t.setTimeout(180_000)

const MAIN = fileURLToPath(new URL('../../../lib/cli/main.js', import.meta.url))

function cli(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const [program, ...rest] = nodeCommand([MAIN, ...args])
  return spawnSync(program!, rest, { encoding: 'utf8', env: { PATH: process.env['PATH'] } })
}

interface Up {
  child: ChildProcess
  folder: string
  octet: string
}

async function up(posture: string): Promise<Up> {
  const [program, ...rest] = nodeCommand([MAIN, 'up', '--posture', posture, '--etcd-members', '1'])
  const child = spawn(program!, rest, { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env['PATH'] } })
  let text = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
      if (text.includes('/version')) resolve()
    })
    child.once('exit', () => reject(new Error(`up ended early: ${text}`)))
  })
  return {
    child,
    folder: /--kubeconfig (\S+?)\/hosts\//.exec(text)![1]!,
    octet: /127\.(\d+)\.1\.1/.exec(text)![1]!,
  }
}

/** Processes that name the run's folder or stand on its addresses. */
function leftOvers(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')
      } catch {
        return ''
      }
    })
    .filter((line) => line.includes(folder))
}

async function gone(folder: string): Promise<string[]> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (!existsSync(folder) && leftOvers(folder).length === 0) return []
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return [...leftOvers(folder), existsSync(folder) ? folder : '']
}

t.test(
  'two ranges run side by side, and each leaves nothing behind',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const [one, other] = await Promise.all([up('kubeadm'), up('kubeadm')])
    t.not(one.octet, other.octet)
    t.not(one.folder, other.folder)
    t.ok(leftOvers(one.folder).length >= 6, 'its processes are seen while it runs')
    one.child.kill('SIGKILL')
    t.strictSame(await gone(one.folder), [], 'after kill -9 of the parent')
    t.ok(existsSync(other.folder), 'the other goes on')
    const ended = new Promise((resolve) => other.child.once('exit', (code) => resolve(code)))
    other.child.kill('SIGINT')
    t.equal(await ended, 0)
    t.strictSame(await gone(other.folder), [], 'after Ctrl-C')
  },
)

t.test('bad input is a clear line and exit code 2', async (t) => {
  t.match(cli('attack', 'anon-apiserv'), {
    status: 2,
    stderr: /^\[scenario_unknown\] no scenario is called "anon-apiserv" \(did you mean anon-apiserver\?\)\n$/,
  })
  t.match(cli('attack', 'anon-apiserver:z'), {
    status: 2,
    stderr: /^\[scenario_variant_unknown\] .*has no variant "z" \(it has a\)\n$/,
  })
  t.match(cli('attack', '--posture', 'kubeadn'), { status: 2, stderr: /^\[[a-z_]+\] .*kubeadm/ })
  t.match(cli('attack', '--baseline', '/nonexistent'), { status: 2, stderr: /^\[baseline_unreadable\]/ })
  const file = join(t.testdir(), 'baseline.jsonl')
  writeFileSync(file, '{"scenario":1}\n')
  t.match(cli('attack', '--baseline', file), { status: 2, stderr: /^\[baseline_line\] .*:1: not a result row/ })
  t.match(cli('attack', '--clusters', 'two'), { status: 2, stderr: /^\[clusters_number\]/ })
  t.match(cli('atack'), { status: 2, stderr: /unknown command/ })
})

t.test('list and --json are for reading by people and by machines', async (t) => {
  const list = cli('list')
  t.equal(list.status, 0)
  t.match(list.stdout, /^impersonate\/anon-apiserver {2}Ask nicely$/m)
  for (const line of cli('list', '--json').stdout.trim().split('\n'))
    t.type((JSON.parse(line) as { id: string }).id, 'string')
  // As `npm run attack -- anon-apiserver` does.
  const ONE = ['anon-apiserver', '--posture', 'kubeadm', '--etcd-members', '1']
  const attack = cli('attack', '--tour', ...ONE, '--json')
  t.equal(attack.status, 0, attack.stderr)
  const row = JSON.parse(attack.stdout) as { verdict: string; attack: { evidence: { witness: unknown[] } } }
  t.equal(row.verdict, 'held')
  t.ok(row.attack.evidence.witness.length > 0, 'with the line of whoever refused')
  const baseline = join(t.testdir(), 'before.jsonl')
  writeFileSync(baseline, attack.stdout)
  t.equal(cli('attack', ...ONE, '--baseline', baseline).status, 0)
  writeFileSync(baseline, attack.stdout.replace('"layer":"403-rbac"', '"layer":"401"'))
  t.match(cli('attack', ...ONE, '--baseline', baseline), {
    status: 1,
    stderr: /differs from the baseline: .*was held \(stopped kube-apiserver 401/,
  })
})

t.test('the tour is short, and every variant of it plays in most of its postures', async (t) => {
  const tour = selectTour(await discoverScenarios())
  t.equal(tour.length, 15)
  const shipped = await shippedPostures()
  t.strictSame(
    TOUR_POSTURES.filter((name) => !shipped.includes(name)),
    [],
  )
  for (const { discovered, variants } of tour) {
    for (const variant of discovered.scenario.variants.filter(({ id }) => variants.includes(id))) {
      const plays = TOUR_POSTURES.filter((name) => 'kind' in (variant.expect[name] ?? {}))
      t.ok(plays.length > 1, `${discovered.id}:${variant.id}`)
    }
  }
})
