/** Recorded strangers, forged headers, restarts with the wrong data, token or certificates, and a removal, in a cluster of three. */
import t, { type Test } from 'tap'
import { Cluster, KV, Maintenance } from '../../../lib/etcd/rpc_pb.ts'
import { PeerCluster } from './peer-cluster.ts'
import { PeerReplay, type PeerRow } from './peer-replay.ts'
import { recorded } from './recorded-pki.ts'

t.setTimeout(300_000)

interface ProcessRow {
  id: string
  answer: { m3_exit_code?: number; m3_serves_clients?: boolean; m3_state?: string; m3Log: string[] }
}

const ROWS = recorded<PeerRow | ProcessRow>('peer.json')
const requests = ROWS.filter((row): row is PeerRow => 'request' in row)
const isAfterRemoval = ({ id, group }: PeerRow): boolean => group === 'removed' || id.startsWith('removed-')

const bytes = (text: string): Buffer => Buffer.from(text)

/** What is asked of m1 while its leader may just have been lost: nothing of it does harm twice. */
async function persistently<T>(ask: () => Promise<T>): Promise<T> {
  for (let left = 20; ; left--) {
    try {
      return await ask()
    } catch (error) {
      if (left === 0) throw error
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
}

/** Which of the two others is the first to say that a member is removed, and on which stream, is chance in the real one too. */
function whicheverPeer(line: string): string[] {
  if (!line.includes('failed to dial $m2_hex on stream MsgApp v2')) return [line]
  return ['$m1_hex', '$m2_hex'].flatMap((peer) =>
    ['MsgApp v2', 'Message'].map((kind) => line.replace('$m2_hex', peer).replace('MsgApp v2', kind)),
  )
}

class Story {
  readonly t: Test
  readonly cluster: PeerCluster
  readonly replay: PeerReplay

  constructor(t: Test, cluster: PeerCluster) {
    this.t = t
    this.cluster = cluster
    this.replay = new PeerReplay(cluster)
  }

  async request(row: PeerRow): Promise<void> {
    const difference = await this.replay.replay(row)
    this.t.equal(difference?.got, difference?.expected, row.id)
  }

  /** m1 followed when the rows were recorded. */
  async follow(): Promise<void> {
    const client = this.cluster.client('m1')
    const m1 = this.cluster.member('m1')
    const targetID = this.cluster.member('m3').id
    await persistently(async () => {
      const { leader } = await client.unary(Maintenance.method.status, {})
      if (leader === m1.id) await client.unary(Maintenance.method.moveLeader, { targetID })
      else if (leader === 0n) throw new Error('nobody leads')
    })
    await client.close()
  }

  async put(key: string): Promise<void> {
    const client = this.cluster.client('m1')
    await persistently(() => client.unary(KV.method.put, { key: bytes(key), value: bytes('there') }))
    await client.close()
  }

  async restart(id: string, changed: readonly string[] = [], wipes = false): Promise<void> {
    const { t, cluster } = this
    await cluster.kill('m3')
    if (wipes) cluster.wipe('m3')
    cluster.launch('m3', changed)
    await this.expect(id)
    await this.put(id)
    t.pass(`${id}: the others go on`)
  }

  async expect(id: string): Promise<void> {
    const { t, cluster, replay } = this
    const { answer } = ROWS.find((row) => row.id === id) as ProcessRow
    const m3 = cluster.member('m3').process
    if (answer.m3_serves_clients) t.equal(await m3.serves(), true, `${id}: serves`)
    if (answer.m3_exit_code !== undefined) {
      await m3.until(() => m3.process.exited, 'the end')
      t.equal(m3.process.exited?.code, answer.m3_exit_code, `${id}: exit code`)
    }
    for (const line of answer.m3Log) {
      const lines = whicheverPeer(line)
      const isThere = await m3
        .until(() => lines.some((each) => replay.isLogged(each, m3.log)) || undefined, line)
        .catch(() => false)
      t.ok(isThere, `${id}: ${line}`)
    }
    if (answer.m3_serves_clients !== false) return
    t.notOk(
      m3.log.some(({ msg }) => msg === 'ready to serve client requests'),
      `${id}: serves nobody`,
    )
  }
}

t.test('peer.json', async (t) => {
  t.equal(ROWS.length, 70, 'no row was left out')
  const cluster = await PeerCluster.start()
  t.teardown(() => cluster.end())
  const story = new Story(t, cluster)
  await story.follow()
  for (const row of requests.filter((each) => !isAfterRemoval(each))) await story.request(row)

  // What was forged last, a MsgApp of term 100, made the members elect anew at a term above it.
  await story.put('after-the-forgery')
  const client = cluster.client('m1')
  const { raftTerm } = await client.unary(Maintenance.method.status, {})
  t.ok(raftTerm >= 100n, `forged-append-effect: term ${raftTerm}`)

  await story.restart('restart-same')
  const [leader = '', other = ''] = ['m2', 'm3'].map((name) => cluster.member(name as 'm2').id.toString(16))
  const metrics = await cluster.metrics('m1')
  for (const peer of [leader, other]) {
    const value = (name: string, label = 'To'): number =>
      Number(new RegExp(`^${name}\\{${label}="${peer}"\\} (.*)$`, 'm').exec(metrics)?.[1])
    t.ok(value('etcd_network_peer_sent_bytes_total') > 0, `bytes to ${peer}`)
    t.ok(value('etcd_network_peer_received_bytes_total', 'From') > 0, `bytes from ${peer}`)
    t.match(metrics, new RegExp(`^etcd_network_active_peers\\{Local="\\w+",Remote="${peer}"\\} [01]$`, 'm'))
  }
  const expired = ['--peer-cert-file={pki}/expired-peer.crt', '--peer-key-file={pki}/expired-peer.key']
  await story.restart('peer-cert-expired', expired)
  await story.restart('peer-trusts-other-ca', ['--peer-trusted-ca-file={pki}/etcd-ca.crt'])
  await story.restart('restart-same')

  // Refused until all have been in touch for five seconds.
  await persistently(() => client.unary(Cluster.method.memberRemove, { ID: cluster.member('m3').id }))
  await story.expect('member-removed')
  for (const row of requests.filter((each) => isAfterRemoval(each))) await story.request(row)
  await client.close()
})

t.test('peer.json: a disk is lost', async (t) => {
  const cluster = await PeerCluster.start()
  t.teardown(() => cluster.end())
  const story = new Story(t, cluster)
  await story.restart('restart-empty-data-new', [], true)
  await story.restart('restart-other-token', ['--initial-cluster-token=other'], true)
})

// Seen with etcd 3.4.23, whose three members were ended so; the words are those of 3.6 (server/etcdserver/server.go).
t.test('whoever leads hands over at an orderly end, as long as somebody is left', async (t) => {
  const cluster = await PeerCluster.start()
  t.teardown(() => cluster.end())
  const client = cluster.client('m1')
  const { leader } = await persistently(() => client.unary(Maintenance.method.status, {}))
  await client.close()
  const left = new Set([...cluster.members.values()])
  let leads = [...left].find(({ id }) => id === leader)!
  const farewell = async (): Promise<string[]> => {
    left.delete(leads)
    const { process, log } = leads.process
    await process.stop(20_000)
    t.match(process.exited, { signal: 'SIGTERM' }, 'it was in time')
    return log.flatMap(({ msg, error }) =>
      /leadership transfer|^closed etcd/.test(msg) ? (typeof error === 'string' ? `${msg}: ${error}` : msg) : [],
    )
  }
  for (const _ of ['of three', 'of two']) {
    t.strictSame(await farewell(), [
      'leadership transfer starting',
      'leadership transfer finished',
      'closed etcd server',
    ])
    const heir = leads.process.log.find(({ msg }) => msg === 'leadership transfer finished')!['new-leader-member-id']
    leads = [...left].find(({ id }) => id.toString(16) === heir)!
  }
  t.strictSame(await farewell(), ['leadership transfer failed: etcdserver: unhealthy cluster', 'closed etcd server'])
})
