/** The disk of our member and that of Debian's etcd, each taken over by the other, and snapshots both ways. */
import t from 'tap'
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { MemberPlace, MemberProcess, PLAIN_MEMBER } from '../fidelity/etcd/member-process.ts'

const ENVIRONMENT = { PATH: process.env['PATH'], ETCDCTL_API: '3' }

function isThere(program: string, ...args: string[]): boolean {
  const found = spawnSync(program, args, { env: ENVIRONMENT }).status === 0
  if (!found) process.stderr.write(`SKIPPED: ${program} is not installed, our disk was not put to it\n`)
  return found
}

const found = isThere('etcd', '--version') && isThere('etcdctl', 'version')

t.test('etcd', { skip: found ? false : 'etcd or etcdctl is not installed' }, async (t) => {
  const place = await MemberPlace.create()
  t.teardown(() => place.remove())
  const run = (program: string, ...words: string[]) =>
    new Promise<string>((resolve, reject) => {
      execFile(program, words, { env: ENVIRONMENT, timeout: 60_000 }, (error, out, err) =>
        error ? reject(new Error(`${program} ${words.join(' ')}: ${err}`)) : resolve(out.trimEnd()),
      )
    })
  const etcdctl = (...words: string[]) => run('etcdctl', `--endpoints=http://127.0.0.1:${place.clientPort}`, ...words)
  const withData = (data: string): string[] =>
    PLAIN_MEMBER.map((flag) => place.fill(flag.replace('{data}', join(place.folder, data))))
  const ours = async (data: string, act: () => Promise<void>): Promise<void> => {
    const member = new MemberProcess(place, withData(data))
    t.ok(await member.serves(), `ours serves ${data}`)
    await act()
    await member.process.stop()
  }
  const real = async (data: string, act: () => Promise<void>): Promise<void> => {
    const child = spawn('etcd', [...withData(data), '--logger=zap', '--log-outputs=stderr'], {
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    t.teardown(() => void child.kill('SIGKILL'))
    await servesOrEnds(child)
    await act()
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  const contents = 'a\nmore\ntxn/1\nx\ntxn/2\ny'
  const write = async (): Promise<void> => {
    await etcdctl('put', 'a', 'first')
    await etcdctl('put', 'gone', 'soon')
    await etcdctl('put', 'a', 'more')
    await etcdctl('del', 'gone')
    const txn = spawn('etcdctl', [`--endpoints=http://127.0.0.1:${place.clientPort}`, 'txn'], {
      env: ENVIRONMENT,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    txn.stdin.end('\nput txn/1 x\nput txn/2 y\n\n\n')
    await once(txn, 'exit')
    await etcdctl('lease', 'grant', '600')
  }
  const read = async (): Promise<void> => {
    t.equal(await etcdctl('get', '--prefix', ''), contents)
    t.equal(await etcdctl('get', '--rev=2', 'a'), 'a\nfirst', 'an old revision')
    t.match(await etcdctl('lease', 'list'), /^found 1 leases\n[0-9a-f]+$/)
    t.match(await etcdctl('member', 'list'), /^[0-9a-f]+, started, m1, http:\/\//)
  }

  const restored = (data: string): string[] => [
    `--data-dir=${join(place.folder, data)}`,
    '--name=m1',
    place.fill('--initial-cluster=m1=http://{peer}'),
    place.fill('--initial-advertise-peer-urls=http://{peer}'),
  ]
  const snapshot = join(place.folder, 'snapshot.db')
  await t.test('ours starts on what the real one wrote', async () => {
    await real('real', write)
    await ours('real', async () => {
      await read()
      t.equal(await etcdctl('put', 'b', 'by ours'), 'OK')
    })
    await ours('real', async () => void t.equal(await etcdctl('get', 'b'), 'b\nby ours'))
  })

  await t.test('the real one restores and serves what ours wrote', async () => {
    await ours('ours', async () => {
      await write()
      await etcdctl('snapshot', 'save', snapshot)
    })
    t.equal(statSync(snapshot).mode & 0o777, 0o600)
    const status = JSON.parse(await etcdctl('snapshot', 'status', snapshot, '--write-out=json')) as Record<
      string,
      number
    >
    t.equal(status['revision'], 6)
    await run('etcdctl', 'snapshot', 'restore', snapshot, ...restored('restored'))
    await real('restored', async () => {
      t.equal(await etcdctl('get', '--prefix', ''), contents)
      t.equal(await etcdctl('put', 'c', 'by the real one'), 'OK')
      t.match(await etcdctl('defrag'), /^Finished defragmenting/)
    })
    await ours('restored', async () => void t.equal(await etcdctl('get', 'c'), 'c\nby the real one'))
  })

  const newer = isThere('etcdutl', 'version')
  await t.test('etcdutl takes it too', { skip: newer ? false : 'etcdutl is not installed' }, async (t) => {
    t.match(JSON.parse(await run('etcdutl', 'snapshot', 'status', snapshot, '--write-out=json')), { revision: 6 })
    await run('etcdutl', 'snapshot', 'restore', snapshot, ...restored('by-etcdutl'))
    await ours('by-etcdutl', async () => void t.equal(await etcdctl('get', '--prefix', ''), contents))
  })
})

/** @throws Error with its last words where it ends. */
async function servesOrEnds(child: ChildProcess): Promise<void> {
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-20_000)
      if (/serving client traffic|ready to serve client requests/.test(said)) resolve()
    })
    child.once('exit', () => reject(new Error(`etcd has ended:\n${said.slice(-2000)}`)))
  })
}
