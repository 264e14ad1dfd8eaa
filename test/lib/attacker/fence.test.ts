/** What holds an attacker's process: Node's permission model for files, the wire's ledger for the network. */
import t from 'tap'
import { existsSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fence, packageFolders } from '../../../lib/attacker/attacker-process.ts'
import { AttackersAhead, endAttacker } from '../../../lib/attacker/attackers-ahead.ts'
import { refuseLinks } from '../../../lib/attacker/foothold-folder.ts'
import { mayBecome } from '../../../lib/attacker/second-uid.ts'
import { startCluster } from '../../../lib/cluster/start-cluster.ts'
import { CONTROLS } from '../../../lib/posture/controls.ts'
import { loadPosture } from '../../../lib/posture/posture.ts'
import { act } from '../../../lib/scenario/act.ts'
import { arrange } from '../../../lib/scenario/change.ts'
import type { Outcome } from '../../../lib/scenario/outcome.ts'
import escapes, { WRITABLE } from './escapes.ts'

t.setTimeout(120_000)

t.test('an attacker reads its foothold and nothing else, and cannot leave the wire unseen', async (t) => {
  const posture = await loadPosture('kubeadm')
  const cluster = await startCluster(posture)
  t.teardown(() => cluster.stop())
  const discovered = { id: 'test/escapes', url: new URL('./escapes.js', import.meta.url).href, scenario: escapes }
  const attempt = (id: string): Promise<Outcome> => {
    const variant = escapes.variants.find((each) => each.id === id)!
    return act(cluster, discovered, variant, arrange(posture, variant, CONTROLS))
  }
  const seen = (outcome: Outcome): Record<string, unknown> =>
    Object.fromEntries(
      (outcome.evidence?.observed ?? []).map((each) => [
        (each as { text?: string }).text,
        (each as { code?: string }).code,
      ]),
    )

  const files = await attempt('files')
  t.match(seen(files), { passwd: 'ERR_ACCESS_DENIED', 'ca.key': 'ERR_ACCESS_DENIED', own: 'done' })
  t.equal(files.kind, 'through', 'the same attacker on the wire is believed')
  t.match(seen(await attempt('write')), { write: 'ERR_ACCESS_DENIED' })
  t.strictSame(seen(await attempt('folder')), {
    [`${WRITABLE}/.left`]: 'done',
    '/etc/kubernetes/kubelet.conf': 'ERR_ACCESS_DENIED',
    [`${WRITABLE}/../beside`]: 'ERR_ACCESS_DENIED',
    link: 'ERR_ACCESS_DENIED',
    undefined: undefined,
  })
  const left = join(cluster.hostFolder('worker-1'), WRITABLE, '.left')
  t.notOk(existsSync(left), 'what it left goes with the attempt')
  t.match(seen(await attempt('process')), { spawn: 'ERR_ACCESS_DENIED', worker: 'ERR_ACCESS_DENIED' })
  t.match(await attempt('off-the-wire'), {
    kind: 'unclear',
    reason: /^off_the_wire: kube-apiserver on control-plane-1/,
  })

  const waiting = readdirSync(join(cluster.folder, 'footholds'))
  t.equal(waiting.length, 1, 'the next attacker waits')
  const attackers = AttackersAhead.of(cluster)
  const others = [{ scenario: discovered.url }, { machineRoot: cluster.hostFolder('worker-1') }].map((fence) =>
    attackers.take(fence),
  )
  t.notOk(
    others.some(({ folder }) => waiting.includes(basename(folder))),
    'for acts that want its fence',
  )
  const next = attackers.take({})
  t.strictSame([basename(next.folder)], waiting)
  t.strictSame(readdirSync(next.folder), [], 'with nothing in its foothold')
  await Promise.all([...others, next].map(endAttacker))
  attackers.prepare()
  t.equal(processesOf(cluster.folder), 1)
  await cluster.stop()
  t.equal(processesOf(cluster.folder), 0, 'it ends with the cluster')
})

t.test('a foothold with a link in it is refused: the permission model follows links', async (t) => {
  const folder = mkdtempSync(join(t.testdir(), 'foothold-'))
  writeFileSync(join(folder, 'key'), 'x')
  refuseLinks(folder)
  symlinkSync('/etc/passwd', join(folder, 'link'))
  t.throws(() => refuseLinks(folder), { message: /^\[foothold_link\] .*link: a foothold holds regular files only$/ })
})

t.test('the fence has the flags of each Node', async (t) => {
  t.strictSame(fence(['/x/*'], { nodeMajor: 20 }), [
    '--experimental-permission',
    '--no-warnings',
    '--allow-fs-read=/x/*',
  ])
  t.strictSame(fence(['/x/*'], { nodeMajor: 22 }), ['--permission', '--no-warnings', '--allow-fs-read=/x/*'])
  t.strictSame(fence(['/x/*'], { nodeMajor: 26 }), [
    '--permission',
    '--no-warnings',
    '--allow-net',
    '--allow-fs-read=/x/*',
  ])
})

t.test('code that an attacker may read lies where package managers put it', async (t) => {
  t.strictSame(packageFolders('/src/mtls-range'), ['/src/mtls-range/node_modules'])
  t.strictSame(packageFolders('/app/node_modules/mtls-range'), [
    '/app/node_modules/mtls-range/node_modules',
    '/app/node_modules',
  ])
  const pnpm = '/app/node_modules/.pnpm/mtls-range@1.0.0/node_modules'
  t.strictSame(packageFolders(`${pnpm}/mtls-range`), [`${pnpm}/mtls-range/node_modules`, '/app/node_modules', pnpm])
})

t.test('root may be anybody that its user namespace knows', async (t) => {
  const is = (uid: number, uidMap: string, isRoot = true): boolean => mayBecome(uid, { isRoot, uidMap })
  t.ok(is(64002, '         0          0 4294967295\n'))
  t.notOk(is(64002, '         0       1000          1\n'), 'unshare --map-root-user')
  t.ok(is(64002, '         0       1000          1\n     64000     100000      10\n'))
  t.notOk(is(64010, '     64000     100000      10\n'))
  t.ok(is(64002, ''), 'no namespaces there')
  t.notOk(is(64002, '', false))
})

/** How many processes have a foothold in that run's folder. */
function processesOf(run: string): number {
  const footholds = join(run, 'footholds')
  const lines = readdirSync('/proc').map((name) => {
    try {
      return /^\d+$/.test(name) ? readFileSync(`/proc/${name}/cmdline`, 'utf8') : ''
    } catch {
      return ''
    }
  })
  return lines.filter((line) => line.includes(`\0${footholds}`)).length
}
