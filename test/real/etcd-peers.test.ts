/** One of our members among two of Debian's etcd, over mutual TLS: it follows, votes, leads, and nothing is lost. */
import t from 'tap'
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { clusterIdOf, memberIdOf } from '../../sim/etcd/cluster/members.ts'
import { PeerWorld, type KnownMember } from '../sim/etcd/peer-world.ts'

t.setTimeout(180_000)

const ENVIRONMENT = { PATH: process.env['PATH'], ETCDCTL_API: '3' }
const version = spawnSync('etcd', ['--version'], { encoding: 'utf8', env: ENVIRONMENT })
const number = /^etcd Version: (\d+\.\d+\.\d+)/.exec(version.stdout ?? '')?.[1]
const hasClient = spawnSync('etcdctl', ['version'], { env: ENVIRONMENT }).status === 0
const skip = number && hasClient ? false : 'etcd or etcdctl is not installed'
if (skip) process.stderr.write(`SKIPPED: ${skip}, no member of ours was put among real ones\n`)

const TOKEN = 'mixed'

/** Some elections, on a machine that others use too. */
const LEADERLESS_MS = 30_000
const LEADERLESS = /code = (Unavailable|DeadlineExceeded|Unknown) desc = |context deadline exceeded/
const run = promisify(execFile)

/** A real member, which can be killed and started again. */
class RealMember implements KnownMember {
  readonly world: PeerWorld
  readonly name: string
  readonly id: bigint
  readonly url: string
  readonly clientUrl: string
  #process: ChildProcess | undefined

  constructor(world: PeerWorld, name: string, [peerPort, clientPort]: readonly [number, number]) {
    this.world = world
    this.name = name
    this.url = `https://127.0.0.1:${peerPort}`
    this.clientUrl = `http://127.0.0.1:${clientPort}`
    this.id = memberIdOf([this.url], TOKEN)
  }

  start(cluster: readonly KnownMember[]): void {
    const { folder } = this.world
    const flags = {
      name: this.name,
      'data-dir': join(folder, `${this.name}.etcd`),
      'listen-peer-urls': this.url,
      'initial-advertise-peer-urls': this.url,
      'listen-client-urls': this.clientUrl,
      'advertise-client-urls': this.clientUrl,
      'initial-cluster': cluster.map(({ name, url }) => `${name}=${url}`).join(','),
      'initial-cluster-token': TOKEN,
      'peer-cert-file': join(folder, `${this.name}.crt`),
      'peer-key-file': join(folder, `${this.name}.key`),
      'peer-trusted-ca-file': join(folder, 'ca.crt'),
      'peer-client-cert-auth': 'true',
    }
    const words = Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
    this.#process = spawn('etcd', words, { env: ENVIRONMENT, stdio: ['ignore', 'ignore', 'ignore'] })
  }

  async kill(): Promise<void> {
    const process = this.#process
    this.#process = undefined
    if (!process) return
    process.kill('SIGKILL')
    await once(process, 'exit')
  }

  get isRunning(): boolean {
    return this.#process !== undefined
  }

  /** Asks again while nobody leads: what was on its way to a lost leader is lost with it, also among real members. */
  async etcdctl(...words: string[]): Promise<string> {
    const args = [`--endpoints=${this.clientUrl}`, '--command-timeout=5s', ...words]
    const end = performance.now() + LEADERLESS_MS
    for (;;) {
      try {
        const { stdout } = await run('etcdctl', args, { env: ENVIRONMENT, timeout: 10_000 })
        return stdout.trimEnd()
      } catch (error) {
        if (performance.now() > end || !LEADERLESS.test(String(error))) throw error
      }
    }
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ports.push((server.address() as { port: number }).port)
  }
  for (const server of servers) server.close()
  return ports
}

t.test('a member of ours among real ones', { skip }, async (t) => {
  t.comment(`etcd ${number}`)
  const [p1 = 0, c1 = 0, p2 = 0, c2 = 0, p3 = 0] = await freePorts(5)
  const address = '127.81.0.3'
  const ourId = memberIdOf([`https://${address}:${p3}`], TOKEN)
  const realIds = [p1, p2].map((port) => memberIdOf([`https://127.0.0.1:${port}`], TOKEN))
  // Members mix with those of their own minor version and its neighbours.
  const world = await PeerWorld.create({ clusterId: clusterIdOf([ourId, ...realIds]), version: number! })
  const reals = [new RealMember(world, 'm1', [p1, c1]), new RealMember(world, 'm2', [p2, c2])] as const
  t.teardown(async () => {
    for (const real of reals) await real.kill()
    await world.end()
  })
  for (const { name } of reals) await world.writeCertificate(name, ['127.0.0.1'])
  const ours = await world.prepare(ourId, { address, port: p3, name: 'm3' })
  const cluster = [...reals, ours]
  for (const real of reals) real.start(cluster)
  ours.start(cluster)
  const [first, second] = reals

  await world.until('a leader that we know of', () => (ours.replica!.raft.leader === 0n ? undefined : true))
  await t.test('it follows: what they write it has, what it proposes they have', async (t) => {
    t.equal(await first.etcdctl('put', 'theirs', '1'), 'OK')
    t.equal(await ours.read('theirs'), '1')
    t.equal(await ours.put('ours', '2'), 'ours is 2')
    t.equal(await second.etcdctl('get', 'ours', '--print-value-only'), '2')
    const status: [{ Status: { header: { cluster_id: number } } }] = JSON.parse(
      await first.etcdctl('endpoint', 'status', '--write-out=json'),
    )
    t.equal(Number(world.options.clusterId), status[0].Status.header.cluster_id, 'the cluster’s id is the same')
  })

  await t.test('its vote and its disk count: one of them is killed', async (t) => {
    await second.kill()
    const agreed = await first.etcdctl('put', 'without-m2', '3')
    t.equal(agreed, 'OK')
    t.equal(await ours.read('without-m2'), '3')
    second.start(cluster)
    t.equal(await second.etcdctl('get', 'without-m2', '--print-value-only'), '3', 'it is back')
    await first.kill()
    t.equal(await second.etcdctl('put', 'without-m1', '4'), 'OK')
    first.start(cluster)
    t.equal(await first.etcdctl('get', 'without-m1', '--print-value-only'), '4')
    t.equal(await ours.read('without-m1'), '4')
  })

  await t.test('it leads them', async (t) => {
    if (!ours.replica!.leads) {
      const leader = reals.find(({ id }) => id === ours.replica!.raft.leader)!
      t.match(await leader.etcdctl('move-leader', ourId.toString(16)), /^Leadership transferred from /)
    }
    await world.until('leadership', () => (ours.replica!.leads ? true : undefined))
    t.equal(await first.etcdctl('put', 'led', '5'), 'OK', 'a proposal that was forwarded to it')
    t.equal(await second.etcdctl('get', 'led', '--print-value-only'), '5', 'a read that it confirms')
    t.equal(await ours.put('own', '6'), 'own is 6')
    t.equal(await first.etcdctl('get', 'own', '--print-value-only'), '6')
    await Promise.all(Array.from({ length: 100 }, (_, at) => ours.put(`many/${at}`, `${at}`)))
    t.equal((await second.etcdctl('get', '--prefix', 'many/', '--keys-only')).split('\n').filter(Boolean).length, 100)
  })

  await t.test('it comes back', async (t) => {
    ours.stop()
    t.equal(await first.etcdctl('put', 'while-away', '7'), 'OK', 'they elect one of themselves')
    ours.start()
    for (const { id, url } of reals) ours.transport!.add(id, [url])
    t.equal(await ours.read('while-away'), '7')
    t.equal(await ours.put('back', '8'), 'back is 8')
    t.equal(await first.etcdctl('get', 'back', '--print-value-only'), '8')
  })
  t.equal(ours.panic, undefined)
})
