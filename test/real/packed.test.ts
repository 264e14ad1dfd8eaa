/** The package as npm lays it down: below a node_modules folder, beside what it depends on. */
import t from 'tap'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, renameSync, utimesSync } from 'node:fs'
import { join, relative } from 'node:path'
import { nodeCommand } from '../../lib/cluster/node-command.ts'
import type { Row } from '../../lib/scenario/row.ts'
import { packageRoot } from '../../lib/settings/package-root.ts'

t.setTimeout(120_000)

const linux = { skip: process.platform !== 'linux' }

t.test('an attack and its twin run from an installed package', linux, async (t) => {
  const root = packageRoot()
  const installed = join(t.testdir(), 'node_modules')
  mkdirSync(installed)
  const run = (program: string, ...args: string[]): string =>
    execFileSync(program, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  // What would build it anew would take the tests away that run now.
  const tarball = run('npm', 'pack', '--ignore-scripts', '--silent', '--pack-destination', installed).trim()
  run('tar', '-xzf', join(installed, tarball), '-C', installed)
  renameSync(join(installed, 'package'), join(installed, 'mtls-range'))
  const needed = run('npm', 'ls', '--omit=dev', '--all', '--parseable').trim().split('\n').slice(1)
  for (const folder of needed) {
    cpSync(folder, join(installed, relative(join(root, 'node_modules'), folder)), { recursive: true })
  }
  // npm gives files the time at which it wrote each.
  utimesSync(join(installed, 'mtls-range/dist/lib/attacker/main.js'), new Date(), new Date())
  const main = join(installed, 'mtls-range/dist/lib/cli/main.js')
  const args = ['attack', 'anon-apiserver', '--posture', 'kubeadm', '--etcd-members', '1', '--json']
  const [program, ...rest] = nodeCommand([main, ...args])
  const { stdout, stderr } = spawnSync(program!, rest, { encoding: 'utf8', env: { PATH: process.env['PATH'] } })
  if (stdout === '') throw new Error(stderr)
  // The twin holds a kubeconfig: the attacker's process needs a YAML parser.
  t.match(JSON.parse(stdout) as Row, { attack: { kind: 'stopped' }, twin: { kind: 'through' }, verdict: 'held' })
})
