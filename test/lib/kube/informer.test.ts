import t from 'tap'
import { KubeClient } from '../../../lib/kube/client.ts'
import { Informer } from '../../../lib/kube/informer.ts'
import { LeaderElector, type LeaderElectionOptions } from '../../../lib/kube/leader-election.ts'
import { WorkQueue } from '../../../lib/kube/work-queue.ts'
import { objectServer, type ObjectServer } from './object-server.ts'

const LEASE = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x'

const clients: KubeClient[] = []
t.teardown(() => Promise.all(clients.map((client) => client.close())))

function clientOf(api: ObjectServer): KubeClient {
  const kubeconfig = { cluster: { server: api.url, insecureSkipTlsVerify: false }, user: {} }
  const client = new KubeClient({ kubeconfig })
  clients.push(client)
  return client
}

t.test('an informer lists, follows, survives a cut and a compaction', async (t) => {
  const api = await objectServer()
  t.teardown(() => api.close())
  const pods = '/api/v1/namespaces/n/pods'
  api.put(`${pods}/a`, { kind: 'Pod', apiVersion: 'v1', metadata: {} })
  const told: string[] = []
  const informer = new Informer({ client: clientOf(api), path: '/api/v1/pods' })
  let heard = (): void => {}
  const note = (what: string) => {
    return ({ metadata }: { metadata: { name?: string } }): void => {
      told.push(`${what} ${metadata.name}`)
      heard()
    }
  }
  const until = (count: number): Promise<void> =>
    new Promise((resolve) => {
      heard = () => void (told.length >= count && resolve())
      heard()
    })
  informer.on('add', note('add')).on('update', note('update')).on('delete', note('delete'))
  const failures: string[] = []
  informer.on('failed', ({ message }) => failures.push(message))
  informer.start()
  await informer.synced
  t.equal(informer.get('n', 'a')?.metadata.name, 'a')
  api.put(`${pods}/b`, { kind: 'Pod', apiVersion: 'v1', metadata: {} })
  api.put(`${pods}/a`, { kind: 'Pod', apiVersion: 'v1', metadata: { labels: { x: 'y' } } })
  await until(3)
  t.strictSame(told, ['add a', 'add b', 'update a'])
  const lists = (): number => api.requests.filter((each) => each === 'GET /api/v1/pods').length
  const before = lists()
  api.cut()
  api.remove(`${pods}/b`)
  await until(4)
  t.equal(told[3], 'delete b')
  t.equal(lists(), before + 1, 'it went on by a watch, without a list')
  api.compact()
  api.put(`${pods}/c`, { kind: 'Pod', apiVersion: 'v1', metadata: {} })
  await until(5)
  api.compact()
  api.cut()
  api.remove(`${pods}/a`)
  await until(6)
  t.equal(told[5], 'delete a')
  t.ok(failures.includes('too old resource version'), 'the 410 was told')
  await informer.stop()
})

function election(api: ObjectServer, identity: string, more: Partial<LeaderElectionOptions> = {}) {
  let onStartedLeading = (): void => {}
  const led = new Promise<void>((resolve) => (onStartedLeading = resolve))
  const elector = new LeaderElector({
    client: clientOf(api),
    namespace: 'kube-system',
    name: 'x',
    identity,
    leaseDurationMs: 1000,
    renewDeadlineMs: 400,
    retryPeriodMs: 50,
    onStartedLeading,
    ...more,
  })
  return { elector, led }
}

t.test('leader election', async (t) => {
  const api = await objectServer()
  t.teardown(() => api.close())
  const first = election(api, 'one')
  const ended = first.elector.run()
  await first.led
  const spec = (): Record<string, unknown> => api.objects.get(LEASE)?.['spec'] as Record<string, unknown>
  t.match(spec(), { holderIdentity: 'one', leaseDurationSeconds: 1, leaseTransitions: 0 })
  t.match(spec()['renewTime'], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  const acquired = spec()['acquireTime']
  const renewed = spec()['renewTime']
  await api.until(() => (spec()['renewTime'] === renewed ? undefined : true), 'renewal')
  t.equal(spec()['acquireTime'], acquired)

  const second = election(api, 'two')
  const secondEnded = second.elector.run()
  await first.elector.stop({ release: true })
  await ended
  await second.led
  t.match(spec(), { holderIdentity: 'two', leaseTransitions: 1 })
  t.equal(second.elector.isLeader, true)

  const seen: string[] = []
  const third = election(api, 'three', { onNewLeader: (who) => seen.push(who) })
  const thirdEnded = third.elector.run()
  await api.until(() => (seen.includes('two') ? true : undefined), 'third sees the leader')
  t.equal(third.elector.isLeader, false)
  await third.elector.stop()
  await thirdEnded

  api.put(LEASE, { ...api.objects.get(LEASE)!, spec: { ...spec(), holderIdentity: 'thief' } })
  await secondEnded
  t.equal(second.elector.isLeader, false, 'somebody else wrote the Lease once, and it is lost')
  t.throws(() => election(api, 'x', { leaseDurationMs: 1 }), {
    message: 'leaseDuration must be greater than renewDeadline',
  })
  t.throws(() => election(api, 'x', { retryPeriodMs: 400 }), {
    message: 'renewDeadline must be greater than retryPeriod*JitterFactor',
  })
})

t.test('a queue holds each key once, and tries a failed one again', async (t) => {
  const done: string[] = []
  const errors: string[] = []
  let failures = 2
  await new Promise<void>((resolve) => {
    const queue = new WorkQueue({
      sync: async (key) => {
        if (key === 'bad' && failures-- > 0) throw new Error('no')
        done.push(key)
        if (key === 'bad') resolve()
      },
      onError: (key, { message }) => errors.push(`${key} ${message}`),
    })
    for (const key of ['bad', 'a', 'b', 'a', 'b']) queue.add(key)
  })
  t.strictSame(done, ['a', 'b', 'bad'])
  t.strictSame(errors, ['bad no', 'bad no'])
})

t.test('work never begins within add: whoever adds is done first', async (t) => {
  const waiting = new Set(['pod'])
  await new Promise<void>((resolve) => {
    const queue = new WorkQueue({
      sync: async (key) => {
        waiting.add(key)
        resolve()
      },
      onError: () => {},
    })
    for (const key of waiting) queue.add(key)
    waiting.clear()
  })
  t.strictSame([...waiting], ['pod'], 'who has to wait again is not forgotten')
})
