/** A real binary in a component's place: what it is asked, what it is told, and what its log says of others. */
import t from 'tap'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { etcdLogFacts } from '../../../lib/cluster/etcd-log.ts'
import { realBinary, realCommand } from '../../../lib/cluster/real-binary.ts'
import type { Launch } from '../../../lib/posture/render-host.ts'

const HOST = { name: 'etcd-1', number: 2, face: '127.20.2.1', back: '127.20.2.2', loop: '127.20.2.3' }

function program(t: { testdir: () => string }, text: string): string {
  const file = join(t.testdir(), 'etcd')
  writeFileSync(file, `#!/bin/sh\n${text}\n`)
  chmodSync(file, 0o755)
  return file
}

t.test('the binary says which flags it knows', async (t) => {
  const help = '  --name\n  --listen-client-urls\n  --experimental-watch-progress-notify-interval\n  --logger'
  const path = program(
    t,
    `[ "$1" = --version ] && printf 'etcd Version: 3.4.23\\nGo Version: go1.19.8\\n'\n[ "$1" = --help ] && printf -- '${help}\\n' >&2`,
  )
  const said: string[] = []
  const binary = await realBinary(`etcd=${path}`, (notice) => said.push(notice))
  t.match(binary, { component: 'etcd', path, version: '3.4.23', goMinor: 19 })
  const launch: Launch = {
    component: 'etcd',
    host: 'etcd-1',
    version: '3.6.8',
    args: [
      '--name=etcd-1',
      '--feature-gates=InitialCorruptCheck=true',
      '--listen-client-urls=https://127.20.2.2:2379,https://0.0.0.0:2379',
      '--watch-progress-notify-interval=5s',
    ],
    environment: {},
    source: '/etc/kubernetes/manifests/etcd.yaml',
  }
  const command = realCommand(binary, launch, HOST)
  t.strictSame(command, [
    path,
    '--name=etcd-1',
    '--listen-client-urls=https://127.20.2.2:2379,https://127.20.2.2:2379,https://127.20.2.3:2379',
    '--experimental-watch-progress-notify-interval=5s',
    '--logger=zap',
  ])
  realCommand(binary, launch, HOST)
  t.strictSame(said, [
    `etcd 3.4.23 (${path}) in the place of the simulated one; it does not know --feature-gates: left out`,
  ])
})

t.test('what cannot be put in is refused', async (t) => {
  const refused = (word: string, message: RegExp): Promise<unknown> =>
    t.rejects(
      realBinary(word, () => {}),
      { message },
    )
  await refused('etcd', /^\[with_component\] --with etcd: must be <component>=PATH/)
  await refused(
    'kubelet=/bin/true',
    /^\[with_component\] --with kubelet=\/bin\/true: .* only etcd can be put in so far$/,
  )
  await refused(
    'etcd=/nonexistent',
    /^\[with_binary\] \/nonexistent: must be etcd, but --version answers spawn .*ENOENT$/,
  )
  await refused(
    `etcd=${program(t, 'echo kine 1.0')}`,
    /^\[with_binary\] \S+: must be etcd, but --version answers "kine 1\.0"$/,
  )
})

t.test('a rejected connection in the log of etcd is a refusal', async (t) => {
  const line = (error: string, msg = 'rejected connection'): string =>
    JSON.stringify({ level: 'warn', msg, 'remote-addr': '127.20.5.1:40000', 'server-name': '', error })
  const refused = { about: 'connection', decision: 'refuse', remote: '127.20.5.1:40000', layer: 'tls-alert' }
  const unknown = `tls: failed to verify client's certificate: x509: certificate signed by unknown authority`
  t.strictSame(etcdLogFacts(line(unknown), 19), { ...refused, code: 'bad_certificate', text: unknown })
  const at36 = line(unknown, 'rejected connection on client endpoint')
  t.strictSame(etcdLogFacts(at36, 26), { ...refused, code: 'unknown_ca', text: unknown })
  t.strictSame(etcdLogFacts(line(unknown), Number.NaN), { ...refused, text: unknown }, 'not told by whom it was built')
  const none = `tls: client didn't provide a certificate`
  t.strictSame(etcdLogFacts(line(none), 26), { ...refused, text: none }, 'the alert depends on the TLS version')
  t.equal(etcdLogFacts(line('EOF'), 19), undefined)
  t.equal(etcdLogFacts(line('read tcp 1->2: read: connection reset by peer'), 19), undefined)
  t.equal(etcdLogFacts('{"msg":"rejected connection","remote-addr":', 19), undefined)
  t.equal(etcdLogFacts('{"level":"info","msg":"ready to serve client requests"}', 19), undefined)
})
