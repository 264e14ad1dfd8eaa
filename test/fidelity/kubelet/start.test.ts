/** Every recorded start of start.json: what is refused with which words and exit code, and what runs. */
import t from 'tap'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { KubeletWorld, type KubeletOptions } from '../../sim/kubelet/kubelet-world.ts'

interface StartRow {
  id: string
  /** What the file changes against kubeadm's. */
  kubelet?: Record<string, unknown>
  flags?: string[]
  configText?: string
  /** 'absent', or a file. */
  kubeconfig?: string
  exit: number | null
  /** The last line of an end. */
  decisive?: string
  listening?: number[]
}

const RUNTIME = 'containers are simulated: no runtime is dialled'
const GATES = 'the range keeps no list of feature gates'
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'config-not-yaml': "a parser's words for what is no YAML",
  'config-duplicate-field': 'the recording machine had a cgroup v1',
  'field-address-nonsense': 'no name is looked up',
  'field-address-not-here': 'an address that is not of the loopback interface is refused in words of ours',
  'field-container-runtime-empty': RUNTIME,
  'field-container-runtime-no-scheme': RUNTIME,
  'field-feature-gate-unknown': GATES,
  'field-feature-gate-node-restriction-like': GATES,
  'field-port-0': 'it listens on 10250 of this machine',
  'field-server-off': 'a kubelet without a server is of no use in a range',
  'root-dir-is-a-file': 'nothing is kept below --root-dir',
  'version-raw': 'a build of its own',
}

const rows = JSON.parse(readFileSync(join(packageRoot(), 'test/fidelity/kubelet/start.json'), 'utf8')) as StartRow[]

t.test('start.json: every row agrees or is an exception with its reason', async (t) => {
  const world = await new KubeletWorld().start()
  t.teardown(() => world.stop())
  writeFileSync(join(world.folder, 'hostname'), 'no certificate\n')
  writeFileSync(join(world.folder, 'bad2.conf'), badKubeconfig())
  writeFileSync(join(world.folder, 'bad3.conf'), '')
  const taken = await listening()
  t.teardown(() => taken.close())
  const due = rows.filter(({ id }) => EXCEPTIONS[id] === undefined)
  for (const row of due) {
    const kubelet = await world.kubelet(optionsOf(row, world, taken))
    if (row.exit === null) {
      await kubelet.serving(row.listening?.length ?? 1)
      t.pass(row.id)
      kubelet.stop()
      await kubelet.exited
      continue
    }
    const code = await kubelet.exited
    const end = inRecordedWorld(kubelet.stdout + kubelet.stderr, world.folder)
    const wanted = (row.decisive ?? '').replace(/^\S+\] /, '').replace('<version>', 'v1.36.3')
    t.equal(code, row.exit, `${row.id}: exit code`)
    t.ok(end.includes(wanted), row.id, { wanted, end: end.slice(end.lastIndexOf('] ') + 2) })
  }
  t.equal(rows.length, 73, 'no row was left out')
  t.comment(`agree ${due.length}, exceptions ${rows.length - due.length}`)
})

function optionsOf(row: StartRow, world: KubeletWorld, taken: Server): KubeletOptions {
  const text = JSON.stringify(row.kubelet ?? {})
    .replaceAll('/etc/hostname', join(world.folder, 'hostname'))
    .replaceAll('/etc/kubernetes/pki/clients/nobody.crt', join(world.folder, 'ca.crt'))
  const config = JSON.parse(text) as Record<string, unknown>
  if (row.id === 'port-taken') config['port'] = (taken.address() as { port: number }).port
  const flags = (row.flags ?? []).map((flag) => flag.replace('<run>', world.folder))
  if (row.id === 'config-missing-file') flags.push('--config=/nonexistent.yaml')
  if (row.kubeconfig === 'absent') flags.push('--kubeconfig=')
  else if (row.kubeconfig) flags.push(`--kubeconfig=${row.kubeconfig.replace('<run>', world.folder)}`)
  return {
    config: { healthzPort: 1, ...config },
    flags,
    ...(row.configText === undefined ? {} : { configText: row.configText }),
  }
}

/** Our files, address and port as the recording has them, a text of several lines in one. */
function inRecordedWorld(said: string, folder: string): string {
  return said
    .replace(/\s+/g, ' ')
    .replace('err=< ', 'err=')
    .replaceAll(`${folder}/hostname`, '/etc/hostname')
    .replaceAll(`${folder}/`, '<run>/')
    .replace(/config-\d+\.yaml/g, 'start.config.json')
    .replace(/127\.0\.0\.1:\d+: bind/, '10.77.7.11:10250: bind')
}

function badKubeconfig(): string {
  const user = { 'client-certificate': '/nonexistent.pem', 'client-key': '/nonexistent.pem' }
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  })
}

function listening(): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => resolve(server))
  })
}
