/** `mtls-range doctor`: each check tries what it speaks of. */
import t from 'tap'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeCommand } from '../../../lib/cluster/node-command.ts'
import type { Check } from '../../../lib/cli/machine-checks.ts'

const MAIN = fileURLToPath(new URL('../../../lib/cli/main.js', import.meta.url))

function doctor(env: Record<string, string>, before: string[] = [], ...args: string[]) {
  const [program, ...rest] = [...before, ...nodeCommand([MAIN, 'doctor', ...args])]
  const { status, stdout, stderr } = spawnSync(program!, rest, { encoding: 'utf8', env })
  const lines = args.includes('--json') ? stdout.trim().split('\n') : []
  const checks = lines.map((line) => JSON.parse(line) as Check)
  return { status, stdout, stderr, of: (name: string) => checks.find((check) => check.name === name) }
}

const linux = { skip: process.platform !== 'linux' }

t.test('a machine that can run a range, and its tools', linux, async (t) => {
  const bin = t.testdir()
  writeFileSync(join(bin, 'etcd'), '#!/bin/sh\necho "etcd Version: 3.9.8"\n')
  chmodSync(join(bin, 'etcd'), 0o755)
  const seen = doctor({ PATH: bin }, [], '--json')
  t.equal(seen.status, 0, seen.stderr)
  for (const name of ['Node', 'addresses of 127/8', 'permission model']) t.match(seen.of(name), { state: 'ok' }, name)
  t.match(seen.of('etcd'), { state: 'ok', found: `3.9.8, ${join(bin, 'etcd')}` })
  t.match(seen.of('kubectl'), { state: 'lacking', found: 'not on PATH', weakens: /tests with it are skipped/ })
  t.match(seen.of('network namespace'), { state: 'lacking', found: 'unshare(1) not found' })
  const text = doctor({ PATH: bin, NO_COLOR: '1' })
  t.match(text.stdout, /^ok {7}etcd {18}3\.9\.8/m)
  t.match(text.stdout, /^lacking {2}kubectl {15}not on PATH\n {9}the commands that/m)
  t.match(text.stdout, /^the range runs here, \d+ lacking\n$/m)
})

t.test('a machine that cannot', linux, async (t) => {
  const noFolder = doctor({ PATH: '/usr/bin:/bin', TMPDIR: '/nonexistent' })
  t.equal(noFolder.status, 2)
  t.match(noFolder.stdout, /^broken {3}temporary folder {6}ENOENT: .*\n {9}.*set TMPDIR/m)
  t.match(noFolder.stdout, /^the range cannot run here: 1 broken\n$/m)
})

const ip = ['/usr/sbin/ip', '/sbin/ip'].find(existsSync) ?? ''
const NAMESPACE = ['unshare', '--map-root-user', '--net']
const hasNamespace = ip !== '' && spawnSync(NAMESPACE[0]!, [...NAMESPACE.slice(1), 'true']).status === 0

t.test(
  'a loopback interface of one address, as on macOS, and what makes it one of many',
  { skip: hasNamespace ? false : 'needs unshare(1) and ip(8)' },
  async (t) => {
    const script = [
      `${ip} link set lo up; ${ip} addr del 127.0.0.1/8 dev lo; ${ip} addr add 127.0.0.1/32 dev lo`,
      'alias() { for address; do "$IP" addr add "$address"/32 dev lo; done; }',
      '"$@" doctor',
      'alias 127.16.0.1; for h in $(seq 8); do alias 127.16.$h.1 127.16.$h.2 127.16.$h.3; done',
      '"$@" doctor && "$@" attack anon-apiserver --posture kubeadm --etcd-members 1 --clusters 1',
    ].join('\n')
    const args = [...NAMESPACE.slice(1), '/bin/sh', '-c', script, '-', ...nodeCommand([MAIN])]
    const env = { PATH: '/usr/bin:/bin', IP: ip, XDG_STATE_HOME: t.testdir() }
    const { status, stdout, stderr } = spawnSync(NAMESPACE[0]!, args, { encoding: 'utf8', env })
    t.equal(status, 0, stderr)
    t.match(stdout, /^broken {3}addresses of 127\/8 .*\[address_unavailable\].* sudo ifconfig lo0 alias 127\.\$o\.\$h/m)
    t.match(stdout, /^lacking {2}a second uid {10}uid 64002 cannot be taken$/m)
    t.match(stdout, /^ok {7}addresses of 127\/8/m)
    t.match(stdout, /^impersonate\/anon-apiserver:a .* held$/m)
  },
)

t.test('limits of the process', linux, async (t) => {
  const few = doctor({ PATH: '/usr/bin:/bin' }, ['/bin/sh', '-c', 'ulimit -n 200; exec "$@"', '-'], '--json')
  t.match(few.of('open files'), { state: 'lacking', found: '200', weakens: /ulimit -n 1024/ })
})

t.test(
  'an ordinary user',
  { skip: process.getuid?.() === 0 && process.platform === 'linux' ? false : 'needs a second uid' },
  async (t) => {
    const unprivileged = ['setpriv', '--reuid=64002', '--regid=64002', '--clear-groups']
    if (
      spawnSync('setpriv', [
        ...unprivileged.slice(1),
        process.execPath,
        '-e',
        `require('fs').readFileSync(${JSON.stringify(MAIN)})`,
      ]).status !== 0
    )
      return t.pass('that user cannot read this folder')
    const seen = doctor({ PATH: '/usr/bin:/bin' }, unprivileged, '--json')
    t.match(seen.of('a second uid'), { state: 'lacking', found: 'not root', weakens: /skipped\(needs_second_uid\)/ })
    return undefined
  },
)
