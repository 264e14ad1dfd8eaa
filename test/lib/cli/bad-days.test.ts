/** Bad days: each ends with a code, what came, what to do, exit code 2, and nothing left behind. */
import t from 'tap'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ClockWatch } from '../../../lib/cluster/clock-watch.ts'
import { nodeCommand } from '../../../lib/cluster/node-command.ts'
import { portOwner } from '../../../lib/cluster/port-owner.ts'
import { packageRoot } from '../../../lib/settings/package-root.ts'

t.setTimeout(280_000)

const MAIN = fileURLToPath(new URL('../../../lib/cli/main.js', import.meta.url))
const linux = { skip: process.platform !== 'linux' }

interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

interface Surroundings {
  tmp: string
  /** Words before the command, such as a namespace of its own. */
  within?: readonly string[]
  nodeOptions?: readonly string[]
}

function commandOf({ within = [], nodeOptions = [] }: Surroundings, args: readonly string[]): string[] {
  return [...within, ...nodeCommand([...nodeOptions, MAIN, ...args])]
}

/** On as little of the machine as will do. */
const ATTACK = ['attack', 'scheduler-cert', '--etcd-members', '1', '--clusters', '1']

function cli(around: Surroundings, ...args: string[]): Ended {
  const [program, ...rest] = commandOf(around, args)
  const env = { PATH: process.env['PATH'], TMPDIR: around.tmp }
  return spawnSync(program!, rest, { encoding: 'utf8', env })
}

/** Runs an attack of several rows, does something after the first of them, and waits for the end. */
async function disturbed(around: Surroundings, ids: readonly string[], disturb: (pid: number) => void): Promise<Ended> {
  const args = ['attack', ...ids, '--posture', 'kubeadm', '--clusters', '1', '--etcd-members', '1']
  const [program, ...rest] = commandOf(around, args)
  const child = spawn(program!, rest, { env: { PATH: process.env['PATH'], TMPDIR: around.tmp } })
  const seen = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (seen.stdout += chunk.toString('utf8')))
  child.stderr.on('data', (chunk: Buffer) => {
    const isFirst = seen.stderr === ''
    seen.stderr += chunk.toString('utf8')
    if (isFirst) disturb(child.pid ?? 0)
  })
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, ...seen }
}

/** The process of a run below this folder whose command line holds the word. */
function processOf(word: string, tmp: string): number {
  const pid = readdirSync('/proc').find((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'latin1')
      return line.includes(word) && line.includes(tmp)
    } catch {
      return false
    }
  })
  return Number(pid ?? 0)
}

t.test('a full disk', linux, async (t) => {
  const folder = t.testdir()
  const within = ['unshare', '--map-root-user', '--mount', 'sh', '-c']
  const mounted = (size: string): string[] => [
    ...within,
    `mount -t tmpfs -o size=${size} tmpfs ${folder} && "$@"; code=$?; ls -A ${folder}; exit $code`,
    '-',
  ]
  if (spawnSync(within[0]!, [...mounted('64k').slice(1), 'true']).status !== 0) {
    return t.comment('no mount namespace of one’s own here')
  }
  // The first has no room for the files of hosts, the second none for what etcd writes.
  for (const size of ['64k', '200k']) {
    const ended = cli({ tmp: folder, within: mounted(size) }, ...ATTACK, '--posture', 'kubeadm')
    t.match(ended, { status: 2, stdout: '' }, `nothing is left behind with ${size}`)
    t.equal(
      ended.stderr,
      `[disk_full] ${folder}: has no room left for a run's files (free some, or set TMPDIR to another folder)\n`,
    )
  }
})

t.test('a temporary folder that is not there, and one that is not ours', linux, async (t) => {
  const missing = cli({ tmp: '/nonexistent' }, 'up')
  t.match(missing, {
    status: 2,
    stderr:
      /^\[run_folder\] \/nonexistent: a run's files must go there, ENOENT: .* \(set TMPDIR to a folder that can be written to\)\n$/,
  })
  const folder = t.testdir()
  chmodSync(folder, 0o755)
  const user = ['setpriv', '--reuid=64002', '--regid=64002', '--clear-groups']
  const canRead = `require('fs').readFileSync(${JSON.stringify(MAIN)}); process.exit(process.getuid() === 64002 ? 0 : 1)`
  if (spawnSync(user[0]!, [...user.slice(1), process.execPath, '-e', canRead]).status !== 0) return
  t.match(cli({ tmp: folder, within: user }, 'up'), {
    status: 2,
    stderr: /^\[run_folder\] .*EACCES: permission denied/,
  })
})

t.test('a port that somebody has', linux, async (t) => {
  const own = createServer()
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.9', resolve))
  const { port } = own.address() as { port: number }
  t.match(portOwner('127.0.0.9', port), new RegExp(`^\\S+ \\(pid ${process.pid}\\)$`))
  t.equal(portOwner('127.0.0.8', port), undefined)
  own.close()

  const within = ['unshare', '--map-root-user', '--net', 'sh', '-c']
  const taken = (port: number): string[] => {
    const script = `require('net').createServer().listen(${port}, '0.0.0.0', () => console.log('taken'))`
    // The attack begins once the port is taken; the taker ends with it.
    const both = `ip link set lo up; ${process.execPath} -e "${script}" > $TMPDIR/taken & taker=$!
      while ! grep -q taken $TMPDIR/taken 2>/dev/null; do sleep 0.02; done
      "$@"; code=$?; kill $taker; rm $TMPDIR/taken; exit $code`
    return [...within, both, '-']
  }
  if (spawnSync(within[0]!, [...within.slice(1), 'ip link set lo up']).status !== 0) {
    return t.comment('no network namespace of one’s own here')
  }
  const tmp = t.testdir()
  const cases = [
    [
      6443,
      /^\[port_taken\] 127\.\d+\.1\.2:6443: kube-apiserver on control-plane-1 must listen there, but \S+ \(pid \d+\) does already \(/,
    ],
    [
      2379,
      /^\[port_taken\] 127\.\d+\.\d\.\d:2379: etcd on etcd-\d must listen there, but \S+ \(pid \d+\) does already/,
    ],
    [16444, /^\[address_octets_taken\] .* port 16444 is taken on all of them, by \S+ \(pid \d+\)/],
  ] as const
  for (const [port, text] of cases) {
    const ended = cli({ tmp, within: taken(port) }, ...ATTACK, '--posture', 'kubeadm')
    t.match(ended, { status: 2, stderr: text }, String(port))
    t.strictSame(readdirSync(tmp), [], 'nothing is left behind')
  }
})

t.test('a posture that no cluster can have', linux, async (t) => {
  const root = t.testdir({ tmp: {} })
  const tmp = join(root, 'tmp')
  const manifest = 'hosts/control-plane/etc/kubernetes/manifests/kube-apiserver.yaml'
  const kubelet = 'hosts/worker/var/lib/kubelet/config.yaml'
  const spoilt = (file: string, edit: (text: string) => string): Ended => {
    const folder = join(root, 'mine')
    rmSync(folder, { recursive: true, force: true })
    cpSync(join(packageRoot(), 'sim/postures/kubeadm'), folder, { recursive: true })
    const text = readFileSync(join(folder, file), 'utf8')
    const edited = edit(text)
    t.not(edited, text)
    writeFileSync(join(folder, file), edited)
    return cli({ tmp }, ...ATTACK, '--posture', folder)
  }
  const cases: [file: string, edit: (text: string) => string, said: RegExp][] = [
    [
      manifest,
      (text) => text.replace('kind: Pod', 'kind: [Pod'),
      /^\[yaml_syntax\] hosts\/control-plane\/etc\S+kube-apiserver\.yaml:\d+:\d+: /,
    ],
    [
      manifest,
      (text) => text.replace('--secure-port', '--secure-prt'),
      /^\[component_died\] kube-apiserver on control-plane-1: ended with exit code 1 \(hosts\/control-plane\/etc\/kubernetes\/manifests\/kube-apiserver\.yaml:\d+:7\); its last words:\nError: unknown flag: --secure-prt\n/,
    ],
    [
      kubelet,
      (text) => text.replace('\nauthentication:\n', '\nauthentication:\n\t'),
      /^\[component_died\] kubelet on worker-\d: ended with exit code 1 \(hosts\/worker\/var\/lib\/kubelet\/config\.yaml:\d+:1\); /,
    ],
    [
      'cluster/20-shop.yaml',
      (text) => text.replace('kind: Namespace', 'kind: Namespace\n\tx: y'),
      /^\[yaml_syntax\] cluster\/20-shop\.yaml:\d+:1: /,
    ],
    [
      'cluster/20-shop.yaml',
      (text) => text.replace(/(kind: Namespace\nmetadata:\n {2}name: )\S+/, '$1No_Name'),
      /^\[object_refused\] Namespace No_Name of cluster\/: kube-apiserver says: Namespace "No_Name" is invalid/,
    ],
  ]
  for (const [file, edit, said] of cases) {
    t.match(spoilt(file, edit), { status: 2, stdout: '', stderr: said }, String(said))
    t.strictSame(readdirSync(tmp), [], 'nothing is left behind')
  }
})

t.test('a component that is killed in the middle of an attack', linux, async (t) => {
  const tmp = t.testdir()
  const ids = ['steal/kcm-cert:a', 'steal/scheduler-cert:a', 'overreach/node-foreign-secret:a']
  const ended = await disturbed({ tmp }, ids, () => process.kill(processOf('sim/etcd/', tmp), 'SIGKILL'))
  t.match(ended, { status: 1, stdout: /unclear: crash: etcd on etcd-1 ended \(SIGKILL\) in the middle of the attempt/ })
  t.match(ended.stdout, /^3 rows: .*, 1 unclear$/m, 'the others have a cluster that lives')
  t.strictSame(readdirSync(tmp), [], 'nothing is left behind')
})

t.test('a clock that is set', linux, async (t) => {
  const times = { wall: 1_000_000, steady: 5 }
  const watch = new ClockWatch(
    () => times.wall,
    () => times.steady,
  )
  times.wall += 3_605_000
  times.steady += 3_600_000
  t.doesNotThrow(() => watch.check(), 'an hour that passed, and a small correction')
  times.wall -= 7_200_000
  t.throws(() => watch.check(), {
    message:
      /^\[clock_jumped\] this machine's clock: went back by 7195 s in the middle of a run, whose certificates and leases are of the time before \(run again/,
  })

  const tmp = t.testdir()
  const script = `const now = Date.now; let by = 0; process.on('SIGUSR2', () => { by = 36e5 }); Date.now = () => now() + by`
  const nodeOptions = ['--import', `data:text/javascript,${encodeURIComponent(script)}`]
  const ended = await disturbed({ tmp, nodeOptions }, ['steal/kcm-cert:a', 'steal/scheduler-cert:a'], (pid) => {
    process.kill(pid, 'SIGUSR2')
  })
  t.match(ended, { status: 2, stdout: '', stderr: /^\[clock_jumped\] this machine's clock: went forward by 3600 s/m })
  t.strictSame(readdirSync(tmp), [], 'nothing is left behind')
})
