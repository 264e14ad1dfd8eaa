/** etcd: its key space and log as pure parts, then a member as a process that is killed and comes back. */
import t from 'tap'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toBinary } from '@bufbuild/protobuf'
import { etcdClient, type EtcdClient } from '../../../lib/etcd/client.ts'
import { readStore } from '../../../lib/etcd/disk.ts'
import { Event_EventType } from '../../../lib/etcd/kv_pb.ts'
import { messageFromJson, messageToJson, type JsonValue } from '../../../lib/etcd/proto-json.ts'
import {
  RangeRequestSchema,
  TxnRequestSchema,
  WatchRequestSchema,
  type RangeResponse,
  type WatchResponse,
} from '../../../lib/etcd/rpc_pb.ts'
import type { Call } from '../../../sim/etcd/grpc/call.ts'
import { methods } from '../../../sim/etcd/grpc/methods.ts'
import type { StreamMethod, UnaryMethod } from '../../../sim/etcd/grpc/method.ts'
import { AutoCompaction } from '../../../sim/etcd/compaction/auto-compaction.ts'
import { compactionRuleOf, type CompactionRule } from '../../../sim/etcd/compaction/rules.ts'
import type { Proposal } from '../../../sim/etcd/consensus/door.ts'
import type { LeaderLink } from '../../../sim/etcd/consensus/leader-link.ts'
import { ERRORS } from '../../../sim/etcd/errors.ts'
import { LeaseClock } from '../../../sim/etcd/lease/lease-clock.ts'
import { encodeRenewal, encodeTimeToLiveQuestion } from '../../../sim/etcd/lease/lease-http.ts'
import { LeaseExpiry } from '../../../sim/etcd/lease/lease-expiry.ts'
import { LeaseKeeper } from '../../../sim/etcd/lease/lease-keeper.ts'
import { Leases } from '../../../sim/etcd/lease/leases.ts'
import { Counter } from '../../../sim/etcd/metrics/series.ts'
import { checkTxn } from '../../../sim/etcd/mvcc/check-requests.ts'
import { range, txn } from '../../../sim/etcd/mvcc/requests.ts'
import { Batch, keyBytes, keyText, Store } from '../../../sim/etcd/mvcc/store.ts'
import { Member } from '../../../sim/etcd/member.ts'
import { loneCluster } from './lone-cluster.ts'
import { EXCEPTIONS as GRPC_EXCEPTIONS } from '../../fidelity/etcd/grpc-exceptions.ts'
import { GrpcReplay, type GrpcRow } from '../../fidelity/etcd/grpc-replay.ts'
import { flagSet, MemberPlace, MemberProcess } from '../../fidelity/etcd/member-process.ts'
import { recorded, RecordedPki } from '../../fidelity/etcd/recorded-pki.ts'
import { replayStart, type StartRow } from '../../fidelity/etcd/start-replay.ts'
import { EXCEPTIONS as TLS_EXCEPTIONS } from '../../fidelity/etcd/tls-exceptions.ts'
import type { TlsRow } from '../../fidelity/etcd/tls-probe.ts'
import { TlsReplay } from '../../fidelity/etcd/tls-replay.ts'

/** Every fifth row of these flag sets and profiles; the fidelity tests put all of them. */
const SAMPLE_STEP = 5
const SAMPLED = new Set(['mtls', 'server-tls', 'crl', 'allowed-hostname', 'tls12-only'])

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()
const base64 = (words: string): string => Buffer.from(words).toString('base64')

function put(store: Store, key: string, value: string, lease = 0n): void {
  store.transact((batch) => batch.put(key, keyBytes(value), lease))
}

function ask(store: Store, json: Record<string, JsonValue>): RangeResponse {
  const request = messageFromJson(RangeRequestSchema, json)
  return range(store, request, store.readRevision(request.revision))
}

const shown = ({ kvs }: RangeResponse): string[] => kvs.map(({ key, value }) => `${text(key)}=${text(value)}`)

async function refusalLater(act: Promise<unknown>): Promise<string> {
  return act.then(
    () => 'nothing refused',
    ({ code, message }: Error & { code: string }) => `${code}: ${message}`,
  )
}

function refusal(act: () => unknown): string {
  try {
    act()
    return 'nothing refused'
  } catch (error) {
    const { code, message } = error as Error & { code: string }
    return `${code}: ${message}`
  }
}

t.test('store: revisions, history and compaction', async (t) => {
  const store = new Store()
  t.equal(store.revision, 1n)
  put(store, 'a', '1')
  put(store, 'a', '2')
  put(store, 'b', '3')
  t.match(store.index.latest('a'), { createRevision: 2n, modRevision: 3n, version: 2n })
  store.transact((batch) => {
    batch.delete('a')
    batch.put('c', keyBytes('4'), 0n)
  })
  t.equal(store.revision, 5n, 'one batch is one revision')
  t.equal(store.transact((batch) => batch.delete('nobody')).commit, undefined)
  t.equal(store.revision, 5n, 'nothing done is no revision')
  put(store, 'a', '5')
  t.match(store.index.latest('a'), { createRevision: 6n, modRevision: 6n, version: 1n }, 'a key begins anew')
  const all = { key: base64('a'), range_end: base64('\0') }
  t.strictSame(shown(ask(store, all)), ['a=5', 'b=3', 'c=4'])
  t.strictSame(shown(ask(store, { ...all, revision: '3' })), ['a=2'])
  t.strictSame(shown(ask(store, { ...all, revision: '5' })), ['b=3', 'c=4'])
  t.strictSame(shown(ask(store, { ...all, sort_order: 'DESCEND', sort_target: 'KEY' })), ['c=4', 'b=3', 'a=5'])
  t.strictSame(shown(ask(store, { ...all, sort_target: 'VALUE' })), ['b=3', 'c=4', 'a=5'])
  t.match(ask(store, { ...all, limit: '2' }), { more: true, count: 3n, kvs: { length: 2 } })
  t.strictSame(shown(ask(store, { ...all, keys_only: true, min_mod_revision: '5' })), ['a=', 'c='])
  t.equal(
    refusal(() => store.readRevision(7n)),
    'OutOfRange: etcdserver: mvcc: required revision is a future revision',
  )

  store.compact(5n)
  const compacted = 'OutOfRange: etcdserver: mvcc: required revision has been compacted'
  t.equal(
    refusal(() => store.readRevision(4n)),
    compacted,
  )
  t.equal(
    refusal(() => store.compact(5n)),
    compacted,
  )
  t.strictSame(shown(ask(store, { ...all, revision: '5' })), ['b=3', 'c=4'])
  t.strictSame(
    store.since(5n).map(({ revision }) => revision),
    [5n, 6n],
  )
})

t.test('store: a refused batch leaves nothing behind', async (t) => {
  const store = new Store()
  put(store, 'a', '1')
  const half = (batch: Batch): void => {
    batch.put('a', keyBytes('2'), 0n)
    batch.put('b', keyBytes('2'), 0n)
    batch.delete('a')
    throw new Error('no')
  }
  t.throws(() => store.transact(half), { message: 'no' })
  t.equal(store.revision, 2n)
  t.strictSame(shown(ask(store, { key: base64('a'), range_end: base64('\0') })), ['a=1'])
  put(store, 'b', '3')
  t.match(store.index.latest('b'), { createRevision: 3n, version: 1n })
})

t.test('txn: what it asks, does and refuses', async (t) => {
  const leases = new Leases()
  const store = new Store(leases)
  const run = (json: Record<string, JsonValue>) => {
    const request = messageFromJson(TxnRequestSchema, json)
    checkTxn(request, 3)
    return store.transact((batch) => txn(store, batch, request)).result
  }
  const putOf = (key: string): JsonValue => ({ request_put: { key: base64(key), value: base64('v') } })
  const deleteOf = (key: string, end = ''): JsonValue => ({
    request_delete_range: { key: base64(key), range_end: base64(end) },
  })
  const missing = { target: 'VERSION', key: base64('k'), version: '0' }
  t.match(run({ compare: [missing], success: [putOf('k')], failure: [putOf('late')] }), { succeeded: true })
  t.match(run({ compare: [missing], success: [putOf('k')], failure: [putOf('late')] }), { succeeded: false })
  t.ok(store.index.latest('late'))
  const revision = store.revision
  run({ success: [putOf('x'), { request_txn: { success: [putOf('y')] } }] })
  t.equal(store.revision, revision + 1n, 'nested ones write in the same revision')
  const wholeRange = { key: base64('k'), range_end: base64('\0'), target: 'MOD', result: 'LESS', mod_revision: '99' }
  t.match(run({ compare: [wholeRange] }), { succeeded: true }, 'a compare may be of a range')

  const twice = 'InvalidArgument: etcdserver: duplicate key given in txn request'
  t.equal(
    refusal(() => run({ success: [putOf('d'), putOf('d')] })),
    twice,
  )
  t.equal(
    refusal(() => run({ success: [putOf('d/1'), deleteOf('d/', 'd0')] })),
    twice,
  )
  t.equal(
    refusal(() => run({ success: [putOf('d'), { request_txn: { failure: [putOf('d')] } }] })),
    twice,
  )
  t.equal(
    refusal(() => run({ success: [deleteOf('d'), { request_txn: { success: [putOf('d')] } }] })),
    twice,
  )
  t.match(run({ success: [{ request_txn: { success: [putOf('d')], failure: [putOf('d')] } }] }), { succeeded: true })
  t.match(run({ success: [putOf('e'), deleteOf('d')], failure: [putOf('e')] }), { succeeded: true })
  t.equal(
    refusal(() => run({ failure: [putOf('1'), putOf('2'), putOf('3'), putOf('4')] })),
    'InvalidArgument: etcdserver: too many operations in txn request',
  )
  const leased = { request_put: { key: base64('l'), value: '', lease: '7' } }
  const before = store.revision
  t.equal(
    refusal(() => run({ success: [putOf('f'), leased] })),
    'NotFound: etcdserver: requested lease not found',
  )
  t.equal(store.revision, before)
  t.equal(store.index.latest('f'), undefined)
  leases.grant(8n, 60n)
  leases.grant(9n, 60n)
  run({ success: [{ request_put: { key: base64('held'), value: '', lease: '8' } }] })
  const moves = [
    { request_put: { key: base64('held'), value: '', lease: '9' } },
    deleteOf('k'),
    { request_put: { key: base64('l'), value: '', lease: '7' } },
  ]
  t.equal(
    refusal(() => run({ success: moves })),
    'NotFound: etcdserver: requested lease not found',
  )
  t.strictSame([leases.get(8n)!.keys, leases.get(9n)!.keys], [new Set(['held']), new Set()], 'leases are undone too')
  t.ok(store.index.latest('k'))
})

t.test('lease: raised, renewed, expired', async (t) => {
  let now = 0
  const leases = new Leases()
  const clock = new LeaseClock(leases, () => now)
  leases.grant(4n, 10n)
  clock.promote()
  t.match(leases.grant(1n, 1n), { ttlSeconds: 2n }, 'shorter ones are raised')
  leases.grant(2n, 12n)
  leases.attach(2n, 'k')
  t.equal(
    refusal(() => leases.grant(2n, 5n)),
    'FailedPrecondition: etcdserver: lease already exists',
  )
  t.equal(
    refusal(() => leases.grant(3n, 9_000_000_001n)),
    'OutOfRange: etcdserver: too large lease TTL',
  )
  t.strictSame(
    clock.inOrder().map(({ id }) => id),
    [1n, 4n, 2n],
  )
  now = 2000
  t.strictSame(clock.dueExpired(), [1n])
  now = 4999
  t.strictSame(clock.dueExpired(), [], 'whoever revokes it has 3 s')
  t.equal(clock.renew(1n), undefined, 'one that has ended is not renewed')
  now = 5000
  t.strictSame(clock.dueExpired(), [1n], 'it is there yet')
  t.equal(clock.renew(2n), 12n)
  t.equal(clock.renew(3n), undefined)
  t.equal(clock.remainingMs(2n), 12_000)
  leases.remove(1n)
  now = 16_999
  t.strictSame(clock.dueExpired(), [4n])
  now = 17_000
  t.strictSame(clock.dueExpired(), [2n])
  now = 30_000
  clock.demote()
  t.strictSame(clock.dueExpired(), [], 'who does not lead does not count')
})

t.test('lease: what has ended is counted once it is revoked, and asked for again where that failed', async (t) => {
  const lessor = (ensureLeadership: () => Promise<void> = () => Promise.resolve()) => {
    const clockwork = { now: 0 }
    const leases = new Leases()
    const clock = new LeaseClock(leases, () => clockwork.now)
    const expired = new Counter('expired', 'Leases that have ended.')
    const asked: { body: string; answer: (error?: Error) => void }[] = []
    const propose = ({ body }: Proposal): Promise<undefined> =>
      new Promise((resolve, reject) =>
        asked.push({
          body: Buffer.from(body).toString('hex'),
          answer: (error) => (error ? reject(error) : resolve(undefined)),
        }),
      )
    const auth = { enabled: false, revision: 0n }
    const door = { propose, ensureLeadership }
    const expiry = new LeaseExpiry({ door, clock, auth, expired, checkpointsLeases: false })
    t.teardown(() => expiry.close())
    clock.promote()
    leases.grant(4n, 10n)
    clockwork.now = 10_000
    return { clockwork, leases, expiry, asked, counted: () => expired.render().split('\n').at(-2) }
  }
  const silent = lessor()
  await silent.expiry.tick()
  await silent.expiry.tick()
  t.strictSame(
    silent.asked.map(({ body }) => body),
    ['0804'],
    'while nothing commits it is asked for once',
  )
  t.equal(silent.counted(), 'expired 0')
  const written = t.capture(process.stderr, 'write')
  silent.asked[0]!.answer(new Error('etcdserver: request timed out'))
  await new Promise((resolve) => setImmediate(resolve))
  t.match(JSON.parse(String(written()[0]?.args[0])), {
    level: 'warn',
    msg: 'failed to revoke lease',
    'lease-id': '0000000000000004',
    error: /timed out/,
  })
  silent.clockwork.now = 13_000
  await silent.expiry.tick()
  t.equal(silent.asked.length, 2)
  silent.leases.remove(4n)
  silent.asked[1]!.answer()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(silent.counted(), 'expired 1')

  let questions = 0
  let answer = (): void => {}
  const paused = lessor(() => {
    questions += 1
    return new Promise((resolve) => (answer = resolve))
  })
  const first = paused.expiry.tick()
  paused.clockwork.now = 20_000
  await paused.expiry.tick()
  answer()
  await first
  t.equal(questions, 1, 'one tick at a time')
  t.equal(paused.asked.length, 1)

  const deposed = lessor(() => Promise.reject(new Error('etcdserver: leader changed')))
  await t.rejects(deposed.expiry.tick(), { message: 'etcdserver: leader changed' })
  t.strictSame([deposed.asked.length, deposed.counted()], [0, 'expired 0'])
})

t.test('lease: who does not lead asks the leader', async (t) => {
  let now = 0
  let isPaused = false
  let asked = 0
  const member = (leader: Pick<LeaderLink, 'ask'>) => {
    const leases = new Leases()
    const clock = new LeaseClock(leases, () => now)
    leases.grant(4n, 600n)
    leases.attach(4n, 'k')
    const door = {
      status: { leader: 1n, term: 2, committedIndex: 7, appliedIndex: 7 },
      applied: async () => {},
      ensureLeadership: async () => {
        if (isPaused) throw ERRORS.leaderChanged()
      },
    }
    return { clock, leases, keeper: new LeaseKeeper({ door, clock, leases, leader }) }
  }
  const nobody = { ask: () => Promise.reject(ERRORS.noLeader()) }
  const leader = member(nobody)
  /** Twice where the first answer decides nothing. */
  const link: Pick<LeaderLink, 'ask'> = {
    ask: async ({ path, body }, read) => {
      for (let tries = 0; tries < 2; tries += 1) {
        asked += 1
        const { status, body: reply } = await leader.keeper.answer('POST', path, body!)
        const result = read({ status, headers: {}, body: Buffer.from(reply) })
        if (result !== undefined) return result
      }
      throw ERRORS.timeout()
    },
  }
  const follower = member(link)
  const permit = async (): Promise<void> => {}

  t.strictSame(
    [
      await leader.keeper.answer('POST', '/leases', encodeRenewal(4n)),
      await refusalLater(follower.keeper.renew(4n, permit)),
    ],
    [
      { status: 400, type: 'text/plain; charset=utf-8', body: 'not a primary lessor', namesCluster: false },
      'Unavailable: etcdserver: request timed out',
    ],
    'one that does not lead either',
  )
  leader.clock.promote()
  now = 100_000
  asked = 0
  t.match(await follower.keeper.timeToLive(4n, true), {
    remainingSeconds: 500n,
    grantedSeconds: 600n,
    keys: [keyBytes('k')],
  })
  t.equal(await follower.keeper.renew(4n, permit), 600n)
  t.equal(leader.clock.remainingMs(4n), 600_000, 'the leader counts anew')
  t.equal(await follower.keeper.renew(5n, permit), undefined)
  t.equal(await follower.keeper.timeToLive(5n, false), undefined)
  t.equal(asked, 4)
  t.equal(
    await refusalLater(follower.keeper.renew(4n, () => Promise.reject(ERRORS.permissionDenied()))),
    'PermissionDenied: etcdserver: permission denied',
    'whoever may not is told so here',
  )
  t.equal(asked, 4)
  t.match(await leader.keeper.answer('GET', '/leases', Buffer.alloc(0)), { status: 405 })
  t.match(await leader.keeper.answer('POST', '/leases', Buffer.from([0xff])), {
    status: 400,
    body: 'error unmarshalling request',
  })
  t.match(await leader.keeper.answer('POST', '/leases/internal', encodeTimeToLiveQuestion(5n, false)), { status: 404 })
  await t.rejects(
    leader.keeper.answer('POST', '/leases/internal', Buffer.alloc(0)),
    /nil pointer/,
    'the real one falls over',
  )

  now = 650_000
  isPaused = true
  t.equal(
    await refusalLater(leader.keeper.renew(4n, permit)),
    'Unavailable: etcdserver: leader changed',
    'a leader that slept and lost the lead renews nothing',
  )
  t.equal(leader.clock.remainingMs(4n), 50_000)
})

t.test('lease: a checkpoint keeps a new leader from beginning anew', async (t) => {
  let now = 0
  const leases = new Leases()
  const clock = new LeaseClock(leases, () => now)
  clock.promote()
  leases.grant(1n, 900n)
  leases.grant(2n, 60n)
  now = 299_999
  t.strictSame(clock.dueCheckpoints(), [])
  now = 300_000
  t.strictSame(clock.dueCheckpoints(), [{ id: 1n, remainingSeconds: 600n }], 'short ones are not worth it')
  t.strictSame(clock.dueCheckpoints(), [])
  leases.checkpoint(1n, 600n)
  clock.demote()
  clock.promote()
  t.equal(clock.remainingMs(1n), 600_000)
  clock.renew(1n)
  t.equal(clock.remainingMs(1n), 900_000)
})

function open(dataDir: string, more: { snapshotCount?: number } = {}): Member {
  const urls = { peerUrls: ['http://127.0.0.1:1'], clientUrls: [] }
  return new Member({
    name: 'm',
    dataDir,
    ...urls,
    clusterToken: 'x',
    fsync: true,
    cluster: loneCluster('m', urls.peerUrls, 'x'),
    onFailure: (error) => t.fail(error),
    ...more,
  })
}

/** As its log says once it leads: what was last agreed on is known to be so by then. */
async function reopened(dataDir: string, more: { snapshotCount?: number } = {}): Promise<Member> {
  const member = open(dataDir, more)
  await member.door.linearizable()
  return member
}

function folder(t: { teardown: (end: () => void) => void }): string {
  const path = mkdtempSync(join(tmpdir(), 'etcd-test-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const NOBODY: Call = { caller: { local: '', remote: '' }, metadata: () => undefined, onGone: () => {} }

const SERVICE_SETTINGS = { maxTxnOps: 128, quotaBytes: 0, maxRequestBytes: 1024, progressIntervalMs: 3_600_000 }

/** Puts JSON to a member's own services. */
function asking(member: Member) {
  const all = methods(member, SERVICE_SETTINGS)
  const unary = async (name: string, json: Record<string, JsonValue>): Promise<JsonValue> => {
    const { desc, serve } = all.get(`/etcdserverpb.${name}`) as UnaryMethod
    const request = messageFromJson(desc.input, json)
    return messageToJson(desc.output, (await serve(request as never, NOBODY, toBinary(desc.input, request))) as never)
  }
  return { all, unary }
}

t.test('watch: what came before, what comes, and the end', async (t) => {
  const member = open(folder(t))
  t.teardown(() => member.close())
  const { all, unary } = asking(member)
  const write = (key: string, value: string): Promise<JsonValue> =>
    value === ''
      ? unary('KV/DeleteRange', { key: base64(key) })
      : unary('KV/Put', { key: base64(key), value: base64(value) })
  const said: string[] = []
  const tell = ({
    watchId,
    created,
    canceled,
    cancelReason,
    compactRevision,
    events,
    header,
    fragment,
  }: WatchResponse) => {
    const told = events.map(
      ({ type, kv, prevKv }) =>
        `${type === Event_EventType.PUT ? 'put' : 'del'} ${keyText(kv!.key)}=${text(kv!.value).slice(0, 9)}<${text(prevKv?.value)}`,
    )
    const marks = [
      created && 'created',
      canceled && `canceled ${cancelReason}${compactRevision}`,
      fragment && 'more',
    ].filter(Boolean)
    said.push([`${watchId}@${header!.revision}`, ...marks, ...told].join(' '))
  }
  const watch = (all.get('/etcdserverpb.Watch/Watch') as StreamMethod).open(NOBODY, { send: tell, end: () => {} })
  const say = (json: JsonValue): void => watch.message(messageFromJson(WatchRequestSchema, json) as never)
  const heard = (): string[] => said.splice(0)
  await write('a', '1')
  await write('a', '2')
  await write('b', '3')

  say({ progress_request: {} })
  t.strictSame(heard(), [], 'without a watch there is no progress')
  say({ create_request: { key: base64('a'), start_revision: '2', prev_kv: true } })
  t.strictSame(heard(), ['0@4 created', '0@4 put a=1< put a=2<1'], 'what it missed comes at once')
  say({ create_request: { key: base64('a'), range_end: base64('c'), filters: ['NOPUT'], watch_id: '9' } })
  say({ create_request: { key: base64('x'), watch_id: '9' } })
  t.strictSame(heard(), ['9@4 created', '-1@4 created canceled mvcc: duplicate watch ID provided on the WatchStream0'])
  await write('b', '')
  await write('a', '5')
  t.strictSame(heard(), ['9@5 del b=<', '0@6 put a=5<2'])
  say({ progress_request: {} })
  say({ cancel_request: { watch_id: '0' } })
  t.strictSame(heard(), ['-1@6', '0@6 canceled 0'])
  await write('a', '6')
  t.strictSame(heard(), [])
  await unary('KV/Compact', { revision: '5' })
  say({ create_request: { key: base64('a'), start_revision: '3' } })
  say({ create_request: { key: base64('z'), range_end: base64('a') } })
  say({ create_request: { key: base64('a'), start_revision: '-1' } })
  t.strictSame(heard(), [
    '1@7 created',
    '1@0 canceled 5',
    '-1@7 created canceled mvcc: watcher range is empty0',
    '-1@7 created canceled etcdserver: mvcc: required revision has been compacted0',
  ])
  const huge = 'x'.repeat(400_000)
  for (const key of ['f/1', 'f/2', 'f/3']) await write(key, huge)
  say({ create_request: { key: base64('f/'), range_end: base64('f0'), start_revision: '8', fragment: true } })
  t.strictSame(heard(), [
    '2@10 created',
    '2@10 more put f/1=xxxxxxxxx<',
    '2@10 more put f/2=xxxxxxxxx<',
    '2@10 put f/3=xxxxxxxxx<',
  ])
  watch.gone()
  await write('b', '8')
  await write('b', '')
  t.strictSame(heard(), [])
})

t.test('auto-compaction: what is due, and when', async (t) => {
  const HOUR_MS = 3_600_000
  /** One revision, and one more per minute: what is compacted, at the end of which interval. */
  const run = async (
    rule: CompactionRule,
    hours: number,
    leads: (nowMs: number) => boolean = () => true,
    fails = 0,
  ) => {
    let nowMs = 0
    let failures = fails
    const compacted: string[] = []
    const said = new Set<string>()
    const compaction = new AutoCompaction({
      rule,
      revision: () => 1n + BigInt(Math.floor(nowMs / 60_000)),
      compact: async (revision) => {
        if (failures-- > 0) throw ERRORS.timeout()
        compacted.push(`${revision}@${nowMs / 60_000}`)
        throw ERRORS.compacted()
      },
      leads: () => leads(nowMs),
      log: (level, msg) => void said.add(`${level}: ${msg}`),
      nowMs: () => nowMs,
    })
    compaction.close()
    while (nowMs < hours * HOUR_MS) {
      nowMs += rule.intervalMs
      await compaction.endInterval()
      rule.begin(1n + BigInt(Math.floor(nowMs / 60_000)))
    }
    return { compacted, said: [...said] }
  }
  const rule = (mode: 'periodic' | 'revision', retention: string): CompactionRule =>
    compactionRuleOf(mode, retention, 0)!
  const hourly = ['starting', 'completed'].map((what) => `info: ${what} auto periodic compaction`)
  t.strictSame(await run(rule('periodic', '1'), 3), { compacted: ['1@60', '55@120', '115@180'], said: hourly }, 'hours')
  t.strictSame((await run(rule('periodic', '10m'), 0.5)).compacted, ['1@10', '10@20', '20@30'])
  t.strictSame((await run(rule('periodic', '2h'), 4)).compacted, ['1@120', '55@180', '115@240'], 'then every hour')
  t.strictSame((await run(rule('periodic', '1'), 4, (ms) => ms >= 2.5 * HOUR_MS)).compacted, ['85@150', '145@210'])
  const failed = await run(rule('periodic', '1'), 2, undefined, 1)
  t.strictSame(failed.compacted, ['1@66'], 'again after a tenth of it')
  t.ok(failed.said.includes('warn: failed auto periodic compaction'))
  t.strictSame((await run(rule('revision', '100'), 2)).compacted, ['1@100', '6@105', '11@110', '16@115', '21@120'])
  t.equal(compactionRuleOf('periodic', '0', 0), undefined)
  t.equal(compactionRuleOf('revision', '0', 0), undefined)
  t.throws(() => compactionRuleOf('periodic', '1x', 0), {
    message: 'error parsing CompactionRetention: time: unknown unit "x" in duration "1x"',
  })

  const member = open(folder(t))
  await member.publish()
  const { unary } = asking(member)
  const compaction = member.compactBy(compactionRuleOf('periodic', '100ms', Date.now())!)
  t.teardown(() => compaction.close())
  const end = Date.now() + 10_000
  while (member.state.store.compactedRevision < 3n && Date.now() < end) await unary('KV/Put', { key: base64('a') })
  t.ok(member.state.store.compactedRevision >= 3n, 'a member does')
  await member.close()
})

t.test('member: all that it agreed on is there again, after an orderly end and after a crash', async (t) => {
  const dataDir = folder(t)
  const first = open(dataDir)
  const { unary } = asking(first)
  const put = (key: string, value: string, lease = '0') =>
    unary('KV/Put', { key: base64(key), value: base64(value), lease })
  await put('a', '1')
  await unary('Lease/LeaseGrant', { ID: '5', TTL: '600' })
  await put('b', '2', '5')
  await unary('KV/Txn', {
    success: [
      { requestPut: { key: base64('c'), value: base64('3') } },
      { requestDeleteRange: { key: base64('a') } },
      { requestPut: { key: base64('d'), value: base64('4') } },
    ],
  })
  await put('b', '2a', '5')
  await unary('KV/Compact', { revision: '3' })
  await t.rejects(unary('Lease/LeaseGrant', { ID: '5', TTL: '600' }), { code: 'FailedPrecondition' })
  await unary('Auth/RoleAdd', { name: 'reader' })
  await unary('Auth/RoleGrantPermission', {
    name: 'reader',
    perm: { permType: 'READ', key: base64('a'), rangeEnd: base64('b') },
  })
  await unary('Auth/UserAdd', { name: 'jörg', password: 'pw' })
  await unary('Auth/UserAdd', { name: 'gone', password: 'pw' })
  await unary('Auth/UserDelete', { name: 'gone' })
  await unary('Auth/UserGrantRole', { user: 'jörg', role: 'reader' })
  await unary('Maintenance/Alarm', { action: 'ACTIVATE', memberID: '7', alarm: 'NOSPACE' })
  await first.publish()
  const facts = ({ state, memberId, clusterId }: Member) => ({
    ids: [memberId, clusterId],
    revision: state.store.revision,
    compacted: state.store.compactedRevision,
    keys: [...state.store.index.histories()]
      .map(([key, history]) =>
        [key, ...history.map((each) => `${each.revision}.${each.sub} ${each.kv ? text(each.kv.value) : 'gone'}`)].join(
          ' ',
        ),
      )
      .sort(),
    commits: state.store
      .since(4n)
      .map((commit) =>
        commit.events.map(
          (event) =>
            `${commit.revision} ${event.type} ${text(event.kv!.key)} ${event.prevKv ? text(event.prevKv.value) : '-'}`,
        ),
      ),
    leases: state.leases.all(),
    users: state.auth.userNames().map((name) => state.auth.user(name)),
    roles: state.auth
      .roleNames()
      .map((name) =>
        state.auth
          .permissionsOf(name)
          .map(({ permType, key, rangeEnd }) => `${name} ${permType} ${text(key)} ${text(rangeEnd)}`),
      ),
    auth: state.auth.revision,
    alarms: state.alarms.get(),
    members: state.members.all(),
    version: state.members.clusterVersion,
  })
  const wanted = facts(first)
  t.strictSame(wanted.keys, ['a 2.0 1 4.1 gone', 'b 3.0 2 5.0 2a', 'c 4.0 3', 'd 4.2 4'])
  t.strictSame(wanted.commits, [['4 0 c -', '4 1 a 1', '4 0 d -'], ['5 0 b 2']])
  t.match(wanted.leases, [{ id: 5n, ttlSeconds: 600n, keys: new Set(['b']) }])
  t.equal(wanted.users.length, 1)

  // What kill -9 leaves: the log has everything, the db perhaps nothing yet.
  const crashed = folder(t)
  cpSync(dataDir, crashed, { recursive: true })
  const second = await reopened(crashed)
  t.strictSame(facts(second), wanted, 'from the log')
  t.equal(second.door.status.term, 3, 'each start is an election')
  await second.close()
  await first.close()
  rmSync(join(dataDir, 'member/wal'), { recursive: true })
  cpSync(join(crashed, 'member/wal'), join(dataDir, 'member/wal'), { recursive: true })
  const third = await reopened(dataDir)
  t.strictSame(facts(third), wanted, 'from the db')
  await asking(third).unary('Lease/LeaseRevoke', { ID: '5' })
  await third.close()
  const fourth = await reopened(dataDir)
  t.equal(fourth.state.store.index.latest('b'), undefined, 'a lease takes its keys along, over a restart too')
  t.strictSame(fourth.state.leases.all(), [])
  await fourth.close()

  t.strictSame(
    readStore(dataDir).map(({ key, value, revision, lies }) => `${key}=${text(value)}@${revision} ${lies}`),
    ['a=1@2 db', 'b=2@3 db', 'c=3@4 db', 'd=4@4 db', 'b=2a@5 db'],
    'a thief reads what was put, deleted or not',
  )
  t.equal(statSync(join(dataDir, 'member')).mode & 0o777, 0o700)
  for (const file of ['member/snap/db', 'member/wal/0000000000000000-0000000000000000.wal']) {
    t.equal(statSync(join(dataDir, file)).mode & 0o777, 0o600, file)
  }
})

t.test('member: a long log is cut, and what it said is in the db', async (t) => {
  const dataDir = folder(t)
  const first = open(dataDir, { snapshotCount: 20 })
  const { unary } = asking(first)
  for (let count = 0; count < 70; count += 1)
    await unary('KV/Put', { key: base64(`k${count % 7}`), value: base64(String(count)) })
  await first.close()
  const snap = join(dataDir, 'member/snap')
  t.equal(readdirSync(snap).filter((name) => name.endsWith('.snap')).length, 3)
  const second = await reopened(dataDir, { snapshotCount: 20 })
  t.equal(second.state.store.revision, 71n)
  await asking(second).unary('KV/Put', { key: base64('k0'), value: base64('more') })
  await second.close()
  const third = await reopened(dataDir)
  t.equal(third.state.store.revision, 72n)
  t.equal(text(third.state.store.index.latest('k0')!.value), 'more')
  await third.close()
})

t.test('member: what is no disk of a member is refused with the words of etcd', async (t) => {
  const dataDir = folder(t)
  const wal = join(dataDir, 'member/wal')
  const first = open(dataDir)
  await asking(first).unary('KV/Put', { key: base64('a'), value: base64('1') })
  await first.close()
  const segment = join(wal, '0000000000000000-0000000000000000.wal')
  const whole = readFileSync(segment)
  const flipped = Buffer.from(whole)
  flipped[flipped.indexOf('a', 200)]! ^= 1
  writeFileSync(segment, flipped)
  t.throws(() => open(dataDir), {
    name: 'WalError',
    message: /^walpb: crc mismatch: expected: .* in file '.*' at position: \d+$/,
  })
  writeFileSync(segment, 'this is no log'.repeat(100))
  t.throws(() => open(dataDir), { name: 'Panic', message: 'cannot use none as id' })
  writeFileSync(segment, whole)
  writeFileSync(join(dataDir, 'member/snap/db'), 'this is no database'.repeat(1000))
  t.throws(() => open(dataDir), {
    name: 'Panic',
    message: 'failed to open database',
    fields: { error: 'invalid database' },
  })
})

t.test('member: kill -9 takes nothing that was acknowledged', async (t) => {
  const place = await MemberPlace.create()
  t.teardown(() => place.remove())
  const pki = new RecordedPki(place.pki)
  for (const name of ['server', 'peer']) pki.credential(name)
  const start = async (): Promise<{ member: MemberProcess; client: EtcdClient }> => {
    const member = new MemberProcess(place, flagSet('mtls'))
    t.ok(await member.serves(), 'it serves')
    const client = etcdClient({
      endpoints: [`https://127.0.0.1:${place.clientPort}`],
      caPem: pki.pem('etcd-ca.crt'),
      keyPair: pki.credential('healthcheck-client'),
    })
    return { member, client }
  }
  const { member, client } = await start()
  let acknowledged = 0n
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let count = 0; ; count += 1) {
      const { header } = await client.put({ key: `w/${writer}`, value: String(count) })
      if (header!.revision > acknowledged) acknowledged = header!.revision
      if (acknowledged > 150n && writer === 0) void member.process.kill()
    }
  })
  const ends = await Promise.allSettled(writers)
  t.ok(
    ends.every(({ status }) => status === 'rejected'),
    'the kill came in the middle of writes',
  )
  await client.close()
  await member.process.kill()

  const again = await start()
  const { header, kvs } = await again.client.range({ key: 'w/', prefix: true })
  t.ok(header!.revision >= acknowledged, `${acknowledged} was acknowledged, ${header!.revision} is there`)
  t.equal(kvs.length, 8)
  const events: bigint[] = []
  const seen = new Promise<void>((resolve) => {
    void again.client.watch(
      { key: 'w/', prefix: true, startRevision: 2n },
      {
        response: ({ events: some }) => {
          events.push(...some.map(({ kv }) => kv!.modRevision))
          if (BigInt(events.length) >= header!.revision - 1n) resolve()
        },
        end: () => {},
      },
    )
  })
  await seen
  t.strictSame(
    events,
    Array.from({ length: Number(header!.revision) - 1 }, (_, index) => BigInt(index + 2)),
    'no revision is missing, none came twice',
  )
  t.match(again.member.witnessed, [{ about: 'listener', decision: 'open' }])
  t.ok(
    again.member.witnessed.some(
      ({ about, identity, request }) =>
        about === 'request' && identity === 'kube-etcd-healthcheck-client' && request === '/etcdserverpb.KV/Range w/',
    ),
  )

  // More than Node lets a session hold by itself: whoever asks meanwhile is served all the same.
  const count = 16
  for (let number = 0; number < count; number += 1)
    await again.client.put({ key: `big/${number}`, value: 'x'.repeat(1_000_000) })
  let deleted = 0
  const told = new Promise<void>((resolve) => {
    void again.client.watch(
      { key: 'big/', prefix: true, prevKv: true },
      { response: ({ events: some }) => ((deleted += some.length) === count ? resolve() : undefined), end: () => {} },
    )
  })
  await again.client.deleteRange({ key: 'big/', prefix: true })
  const answers = await Promise.allSettled(
    Array.from({ length: 20 }, () => again.client.range({ key: 'w/', prefix: true })),
  )
  t.strictSame(
    answers.filter(({ status }) => status === 'rejected'),
    [],
  )
  await told

  await again.client.close()
  const ended = new Promise<void>((resolve) => again.member.process.once('exit', () => resolve()))
  again.member.process.child.kill('SIGTERM')
  await ended
  t.match(again.member.process.exited, { code: null, signal: 'SIGTERM' }, 'it ends by the signal that it got')
})

t.test('a sample of the recorded rows', async (t) => {
  const [grpc, tls] = [new GrpcReplay(), new TlsReplay()]
  t.teardown(() => Promise.all([grpc.end(), tls.end()]))
  const sample = <Row extends { id: string }>(rows: Row[], exceptions: object, setup: (row: Row) => string): Row[] =>
    rows
      .filter((row) => SAMPLED.has(setup(row)))
      .filter(({ id }, index) => index % SAMPLE_STEP === 0 && !(id in exceptions))
  const calls = sample(recorded<GrpcRow>('grpc.json'), GRPC_EXCEPTIONS, ({ profile }) => profile)
  const connections = sample(recorded<TlsRow>('tls.json'), TLS_EXCEPTIONS, ({ flagSet }) => flagSet)
  for (const row of calls) t.equal((await grpc.replay(row))?.got, undefined, row.id)
  for (const row of connections) t.equal((await tls.replay(row))?.got, undefined, row.id)
  const refusals = ['key-mismatch', 'ca-garbage', 'https-without-cert', 'initial-cluster-mismatch', 'tls-min-over-max']
  const starts = recorded<StartRow>('start.json').filter(({ id }) => refusals.includes(id))
  for (const row of starts) t.equal((await replayStart(row))?.got, undefined, row.id)
  t.equal(starts.length, refusals.length)
  t.comment(`${calls.length} calls, ${connections.length} connections`)
})
