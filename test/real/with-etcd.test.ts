/** `--with etcd=PATH`: a real etcd behind the simulated apiserver, attacked, and gone with its range. */
import t from 'tap'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { onPath } from '../../lib/cli/machine-checks.ts'
import { nodeCommand } from '../../lib/cluster/node-command.ts'
import type { Row } from '../../lib/scenario/row.ts'

t.setTimeout(300_000)

const MAIN = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url))
const ETCD = onPath('etcd')
const ENV = { PATH: process.env['PATH'] }

const needed = { skip: ETCD === undefined ? 'SKIPPED: no etcd on PATH (Debian: etcd-server)' : false }
if (ETCD === undefined) process.stderr.write(`${needed.skip}\n`)

t.test('attacks on it have the outcomes that the simulated one has', needed, async (t) => {
  const [program, ...args] = nodeCommand([MAIN, 'attack'])
  args.push('etcd-no-client-auth:read', 'kubelet-cert-to-etcd:stock', 'snapshot-theft', 'scheduler-cert:a')
  args.push('--posture', 'kubeadm', '--json', '--with', `etcd=${ETCD}`)
  const { stdout, stderr } = spawnSync(program!, args, { encoding: 'utf8', env: ENV })
  t.match(stderr, /^etcd \d+\.\d+\.\d+ \(\S+\) in the place of the simulated one/)
  if (stdout === '') throw new Error(stderr)
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row)
  const of = (id: string): Row | undefined => rows.find(({ scenario, variant }) => `${scenario}:${variant}` === id)
  // Which alert a client certificate gets depends on the Go that it was built with.
  t.match(of('store/etcd-no-client-auth:read'), {
    attack: { kind: 'stopped', by: 'etcd', layer: 'tls-alert' },
    verdict: 'held',
  })
  t.match(of('overreach/kubelet-cert-to-etcd:stock'), {
    attack: { kind: 'stopped', by: 'etcd', layer: 'tls-alert' },
    verdict: 'held',
  })
  t.match(of('store/snapshot-theft:a'), { attack: { kind: 'through' }, verdict: 'broken' }, 'its own file is read')
  t.match(of('steal/scheduler-cert:a'), { attack: { layer: '403-rbac' }, verdict: 'held' })
})

t.test('kill -9 of the range leaves no etcd', needed, async (t) => {
  const [program, ...args] = nodeCommand([MAIN, 'up', '--with', `etcd=${ETCD}`])
  const child = spawn(program!, args, { env: ENV })
  let text = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
      if (text.includes('/version')) resolve()
    })
    child.once('exit', () => reject(new Error(`up ended early: ${text}`)))
  })
  const folder = /--kubeconfig (\S+?)\/hosts\//.exec(text)![1]!
  t.match(processes(folder).join('\n'), `${ETCD} --`)
  child.kill('SIGKILL')
  for (let tries = 0; tries < 400 && (existsSync(folder) || processes(folder).length > 0); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  t.strictSame(processes(folder), [])
  t.notOk(existsSync(folder))
})

/** Command lines that name the run's folder. */
function processes(folder: string): string[] {
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
