/** `mtls-range run`: a component as its real binary's user meets it. */
import t from 'tap'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createServer, connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { nodeCommand } from '../../../lib/cluster/node-command.ts'

t.setTimeout(120_000)

const MAIN = fileURLToPath(new URL('../../../lib/cli/main.js', import.meta.url))
const ENV = { PATH: process.env['PATH'] }

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const [program, ...rest] = nodeCommand([MAIN, 'run', ...args])
  return spawnSync(program!, rest, { encoding: 'utf8', env: ENV })
}

async function freePort(address: string): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Whether somebody accepts connections there. */
function answers(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

interface Running {
  child: ChildProcess
  stderr: () => string
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

async function etcd(folder: string, clientUrl: string, peerPort: number, prefix: string[] = []): Promise<Running> {
  const peer = `http://127.0.0.9:${peerPort}`
  const flags = [`--listen-client-urls=${clientUrl}`, `--advertise-client-urls=${clientUrl}`]
  flags.push(`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=m0=${peer}`)
  const [program, ...rest] = [...prefix, ...nodeCommand([MAIN, 'run', 'etcd', '--name', 'm0', ...flags])]
  const child = spawn(program!, rest, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], env: ENV })
  let text = ''
  const ended = new Promise<Awaited<Running['ended']>>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  )
  await new Promise<void>((resolve, reject) => {
    child.stderr!.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
      if (text.includes('"ready to serve client requests"')) resolve()
    })
    child.once('exit', () => reject(new Error(`etcd ended early: ${text}`)))
  })
  return { child, stderr: () => text, ended }
}

t.test('nothing after the name of a component is ours', async (t) => {
  t.match(run('etcd', '--version'), { status: 0, stdout: /^etcd Version: 3\.6\.\d+\n/, stderr: '' })
  t.match(run('kubelet', '--version'), { status: 0, stdout: /^Kubernetes v1\.36\.\d+\n$/ })
  t.match(run('etcd', '--help'), { status: 0, stdout: /^Usage:\n\n {2}etcd \[flags\]/ })
  t.match(run('kube-scheduler', '--help'), { status: 0, stdout: /kube-scheduler \[flags\]/ })
})

t.test('it ends as the real binary ends', async (t) => {
  t.match(run('etcd', '--nonsense'), { status: 2, stdout: '', stderr: /^flag provided but not defined: -nonsense\n/ })
  t.match(run('kubelet', 'nonsense'), {
    status: 1,
    stderr: /run\.go:72\] "command failed" err="unknown command nonsense"/,
  })
  t.match(run('kube-apiserver', '--nonsense'), { status: 1, stderr: /^Error: unknown flag: --nonsense\n/ })
})

t.test('a name that is no component is a usage fault', async (t) => {
  const text = '[component_unknown] no component is called "etdc" (did you mean etcd?)\n'
  const { status, stdout, stderr } = run('etdc', '--version')
  t.strictSame({ status, stdout, stderr }, { status: 2, stdout: '', stderr: text })
  t.match(run(), { status: 2, stderr: /Components: kube-apiserver, kubelet, etcd/ })
})

t.test('signals reach it, and it does not outlive us', { skip: process.platform !== 'linux' }, async (t) => {
  const [client, peer] = [await freePort('127.0.0.9'), await freePort('127.0.0.9')]
  const folder = t.testdir()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const member = await etcd(folder, `http://127.0.0.9:${client}`, peer)
    t.ok(await answers('127.0.0.9', client))
    member.child.kill(signal)
    t.strictSame(await member.ended, { code: null, signal }, 'etcd ends by the signal itself')
    t.notOk(await answers('127.0.0.9', client))
  }
  const member = await etcd(folder, `http://127.0.0.9:${client}`, peer)
  member.child.kill('SIGKILL')
  let open = true
  for (let tries = 0; open && tries < 200; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 25))
    open = await answers('127.0.0.9', client)
  }
  t.notOk(open, 'kill -9 of us ends it too')
})

t.test('a wildcard is 127.0.0.1, and that is said', { skip: process.platform !== 'linux' }, async (t) => {
  const [client, peer] = [await freePort('127.0.0.1'), await freePort('127.0.0.9')]
  const confined = /^\[wildcard_confined\] 0\.0\.0\.0: only addresses of the loopback interface are used/m
  const member = await etcd(t.testdir(), `http://0.0.0.0:${client}`, peer)
  t.match(member.stderr(), confined)
  t.ok(await answers('127.0.0.1', client))
  t.notOk(await answers('127.0.0.2', client))
  member.child.kill('SIGTERM')
  await member.ended
})

const ALONE = ['unshare', '--map-root-user', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', '-']
const canUnshare = spawnSync(ALONE[0]!, [...ALONE.slice(1), 'true']).status === 0

t.test(
  'a wildcard is itself where there is no interface but lo',
  { skip: canUnshare ? false : 'no network namespace of one’s own here' },
  async (t) => {
    const member = await etcd(t.testdir(), 'http://0.0.0.0:2379', 2380, ALONE)
    t.notMatch(member.stderr(), /wildcard_confined/)
    member.child.kill('SIGTERM')
    await member.ended
  },
)
