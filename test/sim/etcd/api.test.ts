/** etcd's v3 API as pure parts and as services of a member in this process: JSON, passwords, rights, membership, queues. */
import t from 'tap'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toBinary } from '@bufbuild/protobuf'
import { Permission_Type } from '../../../lib/etcd/auth_pb.ts'
import { firstJsonValue } from '../../../lib/etcd/go-json.ts'
import { messageFromJson, messageToJson, type JsonValue } from '../../../lib/etcd/proto-json.ts'
import { protojsonDecode } from '../../../lib/etcd/protojson.ts'
import { KV, RangeRequestSchema, TxnRequestSchema, WatchRequestSchema } from '../../../lib/etcd/rpc_pb.ts'
import { AuthStore } from '../../../sim/etcd/auth/auth-store.ts'
import { bcryptHash, bcryptMatches, usableCost } from '../../../sim/etcd/auth/bcrypt.ts'
import { JWT_METHODS, jwtKeyOf } from '../../../sim/etcd/auth/jwt-method.ts'
import { JwtTokens } from '../../../sim/etcd/auth/jwt-tokens.ts'
import { SimpleTokens } from '../../../sim/etcd/auth/simple-tokens.ts'
import { Members } from '../../../sim/etcd/cluster/members.ts'
import { longestConnected } from '../../../sim/etcd/consensus/quorum-health.ts'
import { confChangeOf, membershipChangeOf } from '../../../sim/etcd/cluster/membership-change.ts'
import { normalPeerUrls } from '../../../sim/etcd/cluster/peer-urls.ts'
import { FLAGS } from '../../../sim/etcd/flags.ts'
import type { Call } from '../../../sim/etcd/grpc/call.ts'
import { methods } from '../../../sim/etcd/grpc/methods.ts'
import type { UnaryMethod } from '../../../sim/etcd/grpc/method.ts'
import { PeerMetrics } from '../../../sim/etcd/metrics/peer-metrics.ts'
import { RpcMetrics } from '../../../sim/etcd/metrics/rpc-metrics.ts'
import { doubling, goFloat, Histogram } from '../../../sim/etcd/metrics/series.ts'
import { Member } from '../../../sim/etcd/member.ts'
import { keyBytes } from '../../../sim/etcd/mvcc/store.ts'
import { flagsOfFile } from '../../../sim/etcd/settings/config-file.ts'
import { parseFeatureGates } from '../../../sim/etcd/settings/feature-gates.ts'
import { loneCluster } from './lone-cluster.ts'
import { EXCEPTIONS } from '../../fidelity/etcd/gateway-exceptions.ts'
import { GatewayReplay, type GatewayRow } from '../../fidelity/etcd/gateway-replay.ts'
import { recorded } from '../../fidelity/etcd/recorded-pki.ts'

/** Every seventh row; the fidelity test puts all of them. */
const SAMPLE_STEP = 7

function refusal(act: () => unknown): string {
  try {
    act()
    return 'nothing refused'
  } catch (error) {
    const { code, message } = error as Error & { code?: string }
    return code === undefined ? message : `${code}: ${message}`
  }
}

const base64 = (words: string): string => Buffer.from(words).toString('base64')

function folder(t: { teardown: (end: () => void) => void }): string {
  const path = mkdtempSync(join(tmpdir(), 'etcd-api-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

t.test('go-json: where a value ends, and what is none', async (t) => {
  const ends: [string, string | undefined][] = [
    ['  {"a":[1,{"b":"}"}]} rest', '{"a":[1,{"b":"}"}]}'],
    ['[]x', '[]'],
    ['{}{}', '{}'],
    ['"a\\"b" 1', '"a\\"b"'],
    ['-1.5e+3,', '-1.5e+3'],
    ['nullx', 'null'],
    [' \n\t', undefined],
  ]
  for (const [text, value] of ends) t.equal(firstJsonValue(text), value, text)
  const refused: [string, string][] = [
    ['{"a":1', 'unexpected EOF'],
    ['{', 'unexpected EOF'],
    ['"abc', 'unexpected EOF'],
    ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', `invalid character '"' after object key:value pair`],
    ['[1 2]', "invalid character '2' after array element"],
    ['[1,]', "invalid character ']' looking for beginning of value"],
    ["'x'", String.raw`invalid character '\'' looking for beginning of value`],
    ['"a\nb"', String.raw`invalid character '\n' in string literal`],
    ['"\\x41"', "invalid character 'x' in string escape code"],
    ['"\\u00g0"', String.raw`invalid character 'g' in \u hexadecimal character escape`],
    ['nul!', "invalid character '!' in literal null (expecting 'l')"],
    ['-a', "invalid character 'a' in numeric literal"],
    ['1.x', "invalid character 'x' after decimal point in numeric literal"],
    ['1e+', 'unexpected EOF'],
    ['1ex', "invalid character 'x' in exponent of numeric literal"],
    ['\u00ef', "invalid character '\u00ef' looking for beginning of value"],
    ['['.repeat(10_001), 'exceeded max depth'],
  ]
  for (const [text, words] of refused)
    t.equal(
      refusal(() => firstJsonValue(text)),
      words,
      text.slice(0, 20),
    )
})

t.test('protojson: what Go takes, ignores and refuses, with line and column', async (t) => {
  const range = (text: string) => messageToJson(RangeRequestSchema, protojsonDecode(RangeRequestSchema, text))
  const key = { key: 'eA==' }
  t.strictSame(range(''), {})
  t.strictSame(range('{"key":"eA==","nope":{"a":[1]},"limit":"2"}'), { ...key, limit: '2' })
  t.strictSame(range('{"key":"eA","rangeEnd":"-_8","limit":1e2}'), { ...key, range_end: '+/8=', limit: '100' })
  t.strictSame(range('{"limit":12.0,"revision":-3,"count_only":true}'), {
    limit: '12',
    revision: '-3',
    count_only: true,
  })
  t.strictSame(range('{"sort_order":"DESCEND","sort_target":"NOBODY"}'), { sort_order: 'DESCEND' })
  t.strictSame(range('{"sort_order":2,"key":null}'), { sort_order: 'DESCEND' })
  const refused: [string, string][] = [
    ['{"key":7}', 'proto: (line 1:8): invalid value for bytes field key: 7'],
    ['{"key":"e"}', 'proto: (line 1:8): invalid value for bytes field key: "e"'],
    ['{\n "limit": "x"}', 'proto: (line 2:11): invalid value for int64 field limit: "x"'],
    ['{"limit":1.5}', 'proto: (line 1:10): invalid value for int64 field limit: 1.5'],
    [
      '{"limit":"9223372036854775808"}',
      'proto: (line 1:10): invalid value for int64 field limit: "9223372036854775808"',
    ],
    ['{"range_end":true}', 'proto: (line 1:14): invalid value for bytes field rangeEnd: true'],
    ['{"count_only":"true"}', 'proto: (line 1:15): invalid value for bool field countOnly: "true"'],
    ['{"sort_order":[]}', 'proto: (line 1:15): invalid value for enum field sortOrder: ['],
    ['{"key":"eA==","key":"eA=="}', 'proto: (line 1:15): duplicate field "key"'],
    ['[1]', 'proto: syntax error (line 1:1): unexpected token ['],
    ['7', 'proto: syntax error (line 1:1): unexpected token 7'],
  ]
  for (const [text, words] of refused)
    t.equal(
      refusal(() => range(text)),
      words,
      text,
    )
  const txn = (text: string): unknown => protojsonDecode(TxnRequestSchema, text)
  t.equal(
    refusal(() => txn('{"success":{}}')),
    'proto: syntax error (line 1:12): unexpected token {',
  )
  t.equal(
    refusal(() => txn('{"success":[null]}')),
    'proto: syntax error (line 1:13): unexpected token null',
  )
  const filters = protojsonDecode(WatchRequestSchema, '{"createRequest":{"filters":["NOPUT",1]}}')
  t.match(messageToJson(WatchRequestSchema, filters), { create_request: { filters: ['NOPUT', 'NODELETE'] } })
})

t.test('bcrypt: a cost that there is none such is the default, and that is said', async (t) => {
  const said: unknown[] = []
  const warn = (message: string, fields: Record<string, number>): void =>
    void said.push([message, fields['given-cost']])
  t.strictSame(
    [4, 31, 10].map((cost) => usableCost(cost, warn)),
    [4, 31, 10],
  )
  t.strictSame(said, [])
  t.strictSame(
    [3, 32, -1].map((cost) => usableCost(cost, warn)),
    [10, 10, 10],
  )
  const text = 'use default bcrypt cost instead of the invalid given cost'
  t.strictSame(said, [
    [text, 3],
    [text, 32],
    [text, -1],
  ])
})

t.test('bcrypt: the hashes of others', async (t) => {
  // Solar Designer's crypt_blowfish, wrapper.c, and a hash of libxcrypt's.
  t.ok(await bcryptMatches('$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', 'U*U'))
  t.ok(await bcryptMatches('$2a$04$bDY4V6fSdMg3heCEZIgoVejXNse5NtlCbhITcx/Wxp8MqQaL.DLa6', 'p\u00e4ssw\u00f6rt'))
  t.notOk(await bcryptMatches('$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', 'U*V'))
  t.notOk(await bcryptMatches('plain', 'plain'))
  const hash = await bcryptHash('', 4)
  t.match(hash, /^\$2a\$04\$[./A-Za-z0-9]{53}$/)
  t.ok(await bcryptMatches(hash, ''))
  await t.rejects(bcryptHash('x'.repeat(73), 4), { message: 'bcrypt: password length exceeds 72 bytes' })
})

t.test('auth: what a permission covers', async (t) => {
  const auth = new AuthStore()
  auth.addRole('root')
  auth.addUser('root', '', true)
  auth.grantRole('root', 'root')
  auth.addRole('r')
  auth.addUser('u', '', true)
  auth.grantRole('u', 'r')
  const grant = (permType: Permission_Type, key: string, end = ''): void =>
    auth.grantPermission('r', { permType, key: keyBytes(key), rangeEnd: keyBytes(end) } as never)
  const { READ, WRITE, READWRITE } = Permission_Type
  grant(READ, 'b', 'c')
  grant(READWRITE, 'c', 'd')
  grant(WRITE, 'w')
  grant(READ, 'x', '\0')
  t.equal(
    refusal(() => grant(READ, 'z', 'a')),
    'InvalidArgument: etcdserver: invalid auth management',
  )
  auth.enable()
  const who = () => ({ username: 'u', revision: auth.revision })
  const denied = 'PermissionDenied: etcdserver: permission denied'
  const reads = (key: string, end = ''): string =>
    refusal(() => auth.requireRead(who(), keyBytes(key), keyBytes(end))).replace('nothing refused', 'yes')
  t.strictSame(
    [reads('b'), reads('bzz'), reads('b', 'd'), reads('b', 'd\0'), reads('a', 'c'), reads('d'), reads('w')],
    ['yes', 'yes', 'yes', denied, denied, denied, denied],
    'two that touch are one',
  )
  t.strictSame([reads('x', '\0'), reads('y', 'z'), reads('w', '\0')], ['yes', 'yes', denied])
  t.equal(
    refusal(() => auth.requireWrite(who(), keyBytes('w'))),
    'nothing refused',
  )
  t.equal(
    refusal(() => auth.requireWrite(who(), keyBytes('b'))),
    denied,
  )
  const before = who()
  auth.revokePermission('r', keyBytes('b'), keyBytes('c'))
  t.equal(
    refusal(() => auth.requireRead(before, keyBytes('c'))),
    'InvalidArgument: etcdserver: revision of auth store is old',
  )
  t.equal(reads('b'), denied)
  t.equal(
    refusal(() => auth.requireRead(undefined, keyBytes('c'))),
    'InvalidArgument: etcdserver: user name is empty',
  )
  t.equal(
    refusal(() => auth.requireAdmin(who())),
    denied,
  )
  t.equal(
    refusal(() => auth.requireAdmin({ username: 'ghost', revision: 1n })),
    'FailedPrecondition: etcdserver: user name not found',
  )
})

t.test('auth: a token lasts while it is used', async (t) => {
  let now = 0
  const tokens = new SimpleTokens(1000, () => now)
  t.equal(tokens.userOf(tokens.assign('u', 'early', 1n)), undefined, 'without users there are none')
  tokens.enabled()
  t.match(tokens.newPrefix(), /^[a-zA-Z]{16}$/)
  const token = tokens.assign('u', 'prefix', 7n)
  t.equal(token, 'prefix.7')
  now = 999
  t.equal(tokens.userOf(token), 'u')
  now = 1998
  t.equal(tokens.userOf(token), 'u')
  now = 2998
  t.equal(tokens.userOf(token), undefined)
  const other = tokens.assign('v', 'other', 8n)
  tokens.userInvalidated('v')
  t.equal(tokens.userOf(other), undefined)
})

t.test('auth: signed tokens', async (t) => {
  const pair = (kind: 'rsa' | 'ec' | 'ed25519', more: object = {}) =>
    generateKeyPairSync(kind as 'rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      ...more,
    })
  const pairs = { rsa: pair('rsa'), p256: pair('ec', { namedCurve: 'P-256' }), ed: pair('ed25519') }
  const NONE = Buffer.alloc(0)
  const said: string[] = []
  let nowMs = 1_700_000_000_000
  const tokensOf = (name: string, privateKey: string | Buffer, publicKey: string | Buffer = NONE): JwtTokens => {
    const method = JWT_METHODS.get(name)!
    const key = jwtKeyOf(method, { privateKey: Buffer.from(privateKey), publicKey: Buffer.from(publicKey) })
    const log = (_: string, msg: string, fields: object = {}): void =>
      void said.push([msg, ...Object.values(fields)].join(': '))
    return new JwtTokens({ method, key, ttlMs: 60_000, log, nowMs: () => nowMs })
  }
  const issuers = {
    HS256: tokensOf('HS256', 'secret'),
    RS384: tokensOf('RS384', pairs.rsa.privateKey),
    PS512: tokensOf('PS512', pairs.rsa.privateKey, pairs.rsa.publicKey),
    ES256: tokensOf('ES256', pairs.p256.privateKey),
    EdDSA: tokensOf('EdDSA', pairs.ed.privateKey),
  }
  for (const [name, issuer] of Object.entries(issuers)) {
    const token = issuer.assign('ann', '', 9n, 7n)
    const [head = '', payload = ''] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString())
    t.equal(head, `{"alg":"${name}","typ":"JWT"}`)
    t.equal(payload, '{"exp":1700000060,"revision":7,"username":"ann"}', 'as Go writes it')
    t.strictSame(await issuer.infoOf(token), { username: 'ann', revision: 7n }, name)
    const forged = token.replace(
      /\.[^.]+\./,
      `.${base64('{"exp":9700000060,"revision":7,"username":"root"}').replace(/=+$/, '')}.`,
    )
    t.equal(await issuer.infoOf(forged), undefined, `${name}: another user's name`)
  }
  t.strictSame(
    said.splice(0),
    [
      'signature is invalid',
      ...['crypto/rsa', 'crypto/rsa', 'crypto/ecdsa', 'ed25519'].map((what) => `${what}: verification error`),
    ].map((why) => `failed to parse a JWT token: token signature is invalid: ${why}`),
  )

  const { RS384: issuer } = issuers
  const verifier = tokensOf('RS384', NONE, pairs.rsa.publicKey)
  const token = issuer.assign('ann', '', 9n, 7n)
  t.match(await verifier.infoOf(token), { username: 'ann' }, 'the public half verifies')
  t.equal(
    refusal(() => verifier.assign('ann', '', 9n, 7n)),
    'Unknown: auth: token signing attempted with verify-only key',
  )
  // As old as RS256 itself: the public key is no secret, so a token signed with it by HMAC must not pass.
  const confused = tokensOf('HS256', pairs.rsa.publicKey).assign('root', '', 9n, 7n)
  nowMs += 60_000
  for (const bad of [token, confused, 'a.b', 'a.b.c', `${base64('{"alg":"none"}')}.${base64('{}')}.x`])
    t.equal(await verifier.infoOf(bad), undefined)
  t.match(said, [
    /token has invalid claims: token is expired$/,
    /token is unverifiable: error while executing keyfunc: invalid signing method$/,
    /token is malformed: token contains an invalid number of segments$/,
    /token is malformed: could not JSON decode header/,
    /token is unverifiable: signing method \(alg\) is unavailable$/,
  ])
  t.equal(said.length, 5)

  for (const [act, why] of [
    [() => tokensOf('HS256', NONE), 'auth: missing key data'],
    [() => tokensOf('RS256', NONE), 'auth: missing key data'],
    [() => tokensOf('RS256', 'words'), 'invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key'],
    [() => tokensOf('RS256', pairs.ed.privateKey), 'key is not a valid RSA private key'],
    [() => tokensOf('ES256', pairs.p256.privateKey, pairs.rsa.publicKey), 'key is not a valid ECDSA public key'],
    [() => tokensOf('RS256', pairs.rsa.privateKey, pair('rsa').publicKey), "auth: public and private keys don't match"],
    [() => tokensOf('ES384', pairs.p256.privateKey).assign('ann', '', 1n, 1n), 'Unknown: key is invalid'],
  ] as const)
    t.equal(refusal(act), why)
})

t.test('auth: a member that signs tokens, and takes one that it did not give out', async (t) => {
  const key = { secret: Buffer.from('of all members') }
  const tokens = new JwtTokens({ method: JWT_METHODS.get('HS512')!, key, ttlMs: 60_000, log: () => {} })
  const member = new Member({
    name: 'm',
    dataDir: folder(t),
    peerUrls: ['http://127.0.0.1:1'],
    clientUrls: [],
    clusterToken: 'x',
    fsync: false,
    tokens,
    bcryptCost: 4,
    cluster: loneCluster('m', ['http://127.0.0.1:1'], 'x'),
    onFailure: (error) => t.fail(error),
  })
  t.teardown(() => member.close())
  await member.publish()
  const all = methods(member, { maxTxnOps: 128, quotaBytes: 0, maxRequestBytes: 2_000_000, progressIntervalMs: 60_000 })
  const ask = async (name: string, json: Record<string, JsonValue> = {}, token?: string) => {
    const { desc, serve } = all.get(`/etcdserverpb.${name}`) as UnaryMethod
    const request = messageFromJson(desc.input, json)
    const metadata = (each: string): string | undefined =>
      each === 'authorization' && token ? `Bearer ${token}` : undefined
    const call: Call = { caller: { local: '', remote: '' }, metadata, onGone: () => {} }
    return messageToJson(
      desc.output,
      (await serve(request as never, call, toBinary(desc.input, request))) as never,
    ) as Record<string, JsonValue>
  }
  await ask('Auth/UserAdd', { name: 'root', password: 'r' })
  await ask('Auth/RoleAdd', { name: 'root' })
  await ask('Auth/UserGrantRole', { user: 'root', role: 'root' })
  await ask('Auth/AuthEnable')
  const { token } = await ask('Auth/Authenticate', { name: 'root', password: 'r' })
  await ask('KV/Put', { key: base64('a') }, String(token))
  const { revision } = member.state.auth
  await ask('KV/Put', { key: base64('a') }, tokens.assign('root', '', 0n, revision))
  await t.rejects(ask('KV/Put', { key: base64('a') }, `${String(token)}x`), { code: 'Unauthenticated' })
  await ask('Auth/UserAdd', { name: 'bob', password: 'b' }, String(token))
  await t.rejects(ask('KV/Put', { key: base64('a') }, String(token)), {
    code: 'InvalidArgument',
    message: 'etcdserver: revision of auth store is old',
  })
})

t.test('metrics: in Prometheus’ text', async (t) => {
  for (const [value, text] of [
    [0, '0'],
    [0.0001, '0.0001'],
    [0.00001234, '1.234e-05'],
    [999_999, '999999'],
    [1_000_000, '1e+06'],
    [2_147_483_648, '2.147483648e+09'],
    [-3, '-3'],
    [Infinity, '+Inf'],
  ] as const)
    t.equal(goFloat(value), text)
  const histogram = new Histogram('took_seconds', 'How long.', doubling(0.001, 3), ['To'])
  t.equal(histogram.render(), '', 'nothing was seen')
  for (const seconds of [0.001, 0.0015, 7]) histogram.observe(seconds, 'a"b')
  t.equal(
    histogram.render(),
    `# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{To="a\\"b",le="0.001"} 1
took_seconds_bucket{To="a\\"b",le="0.002"} 2
took_seconds_bucket{To="a\\"b",le="0.004"} 2
took_seconds_bucket{To="a\\"b",le="+Inf"} 3
took_seconds_sum{To="a\\"b"} 7.0025
took_seconds_count{To="a\\"b"} 3
`,
  )

  const { method } = KV
  const rpc = new RpcMetrics([method.range, method.put], false)
  const text = (): string => rpc.families.map((family) => family.render()).join('')
  const handled = (code: string): string =>
    `grpc_server_handled_total{grpc_code="${code}",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"}`
  t.ok(text().includes(`${handled('Unavailable')} 0\n`), 'a rate begins at zero')
  rpc.began(method.put, '3.6')('Unavailable')
  t.ok(text().includes(`${handled('Unavailable')} 1\n`))
  t.ok(text().includes('etcd_server_client_requests_total{client_api_version="3.6",type="unary"} 1\n'))

  const peers = new PeerMetrics()
  peers.active(1n, 255n, true)
  peers.active(1n, 255n, false)
  peers.sent(255n, 10)
  const peerText = peers.families.map((family) => family.render()).join('')
  t.match(peerText, /^etcd_network_active_peers\{Local="1",Remote="ff"\} 0$/m)
  t.match(peerText, /^etcd_network_disconnected_peers_total\{Local="1",Remote="ff"\} 1$/m)
  t.match(peerText, /^etcd_network_peer_sent_bytes_total\{To="ff"\} 10$/m)
})

t.test('cluster: what a change of the membership is refused with', async (t) => {
  const members = new Members(1)
  const add = (id: bigint, url: string, isLearner = false): void =>
    members.apply({ kind: 'add', id, peerUrls: [url], isLearner })
  add(1n, 'https://a:1')
  members.setAttributes(1n, 'a', ['https://a:2'])
  t.ok(members.isReadyToAdd(), 'one that has started may take a second in')
  t.notOk(members.isReadyToRemove(1n))
  t.equal(
    refusal(() => add(2n, 'https://a:1')),
    'FailedPrecondition: etcdserver: Peer URLs already exists',
  )
  t.equal(
    refusal(() => add(1n, 'https://b:1')),
    'FailedPrecondition: etcdserver: member ID already exist',
  )
  add(3n, 'https://c:1', true)
  t.equal(
    refusal(() => add(4n, 'https://d:1', true)),
    'FailedPrecondition: etcdserver: too many learner members in cluster',
  )
  members.apply({ kind: 'promote', id: 3n })
  t.notOk(members.isReadyToAdd(), 'a third one would leave one of three')
  t.equal(
    refusal(() => members.apply({ kind: 'promote', id: 3n })),
    'FailedPrecondition: etcdserver: can only promote a learner member',
  )
  const since = new Map([
    [1n, 20],
    [3n, 10],
  ])
  t.equal(
    longestConnected(members.voters(), (id) => since.get(id)),
    3n,
  )
  t.equal(
    longestConnected(members.voters(), () => undefined),
    undefined,
    'nobody is left',
  )
  members.apply({ kind: 'update', id: 3n, peerUrls: ['https://c:9'] })
  members.apply({ kind: 'remove', id: 3n })
  const gone = 'NotFound: etcdserver: member not found'
  t.equal(
    refusal(() => add(3n, 'https://c:1')),
    gone,
    'who was removed does not come back',
  )
  t.equal(
    refusal(() => members.apply({ kind: 'remove', id: 9n })),
    gone,
  )
  const changes = [
    { kind: 'add', id: 2n ** 64n - 1n, peerUrls: ['https://x:1'], isLearner: true, clientUrls: [] },
    { kind: 'promote', id: 5n },
    { kind: 'update', id: 5n, peerUrls: ['https://y:1'] },
    { kind: 'remove', id: 5n },
  ] as const
  for (const change of changes) t.strictSame(membershipChangeOf(confChangeOf(change, 1n)), change, change.kind)
  t.equal(
    confChangeOf(changes[0], 1n).context.toString(),
    '{"id":18446744073709551615,"peerURLs":["https://x:1"],"isLearner":true}',
    'as Go writes it',
  )
  t.strictSame(normalPeerUrls([' http://[::1]:2380 ', 'http://10.0.0.1:1']), ['http://10.0.0.1:1', 'http://[::1]:2380'])
  for (const url of ['', 'nope', 'https://a', 'https://a:b', 'https://a:1/x', 'ftp://a:1', 'https://:1'])
    t.equal(
      refusal(() => normalPeerUrls([url])),
      'InvalidArgument: etcdserver: given member URLs are invalid',
      url,
    )
})

t.test('settings: feature gates and a configuration file', async (t) => {
  t.strictSame(
    parseFeatureGates('InitialCorruptCheck=true,LeaseCheckpoint=0'),
    new Map([
      ['InitialCorruptCheck', true],
      ['LeaseCheckpoint', false],
    ]),
  )
  t.equal(
    refusal(() => parseFeatureGates('Nope=true')),
    'unrecognized feature gate: Nope',
  )
  t.equal(
    refusal(() => parseFeatureGates('LeaseCheckpoint')),
    'missing bool value for LeaseCheckpoint',
  )
  t.match(
    refusal(() => parseFeatureGates('LeaseCheckpoint=ja')),
    'invalid value of LeaseCheckpoint=ja, err: strconv.ParseBool: parsing "ja": invalid syntax',
  )
  const file = join(folder(t), 'etcd.yaml')
  writeFileSync(
    file,
    'name: m7\nunknown: 1\nquota-backend-bytes: 4096\ncipher-suites: [A, B]\nwatch-progress-notify-interval: 5000000000\n' +
      'client-transport-security:\n  cert-file: c.crt\n  client-cert-auth: true\npeer-transport-security:\n  allowed-cn: x\n',
  )
  const flags = await flagsOfFile(file, FLAGS)
  t.equal(flags.string('name'), 'm7')
  t.equal(flags.number('quota-backend-bytes'), 4096)
  t.equal(flags.string('cipher-suites'), 'A,B')
  t.equal(flags.durationMs('watch-progress-notify-interval'), 5000)
  t.equal(flags.string('cert-file'), 'c.crt')
  t.ok(flags.bool('client-cert-auth'))
  t.equal(flags.string('peer-cert-allowed-cn'), 'x')
  t.equal(flags.isSet('data-dir'), false)
  await t.rejects(flagsOfFile(`${file}x`, FLAGS), { message: `open ${file}x: no such file or directory` })
  writeFileSync(file, 'max-txn-ops: many\n')
  await t.rejects(flagsOfFile(file, FLAGS), {
    message: /cannot unmarshal string into Go struct field configYAML.max-txn-ops/,
  })
})

t.test('lock, election and quota, by the services of a member', async (t) => {
  const member = new Member({
    name: 'm',
    dataDir: folder(t),
    peerUrls: ['http://127.0.0.1:1'],
    clientUrls: [],
    clusterToken: 'x',
    fsync: false,
    quotaBytes: 16_000_000,
    cluster: loneCluster('m', ['http://127.0.0.1:1'], 'x'),
    onFailure: (error) => t.fail(error),
  })
  t.teardown(() => member.close())
  await member.publish()
  const all = methods(member, { maxTxnOps: 128, quotaBytes: 0, maxRequestBytes: 2_000_000, progressIntervalMs: 60_000 })
  const leaving: (() => void)[] = []
  const call: Call = {
    caller: { local: '', remote: '' },
    metadata: () => undefined,
    onGone: (listener) => leaving.push(listener),
  }
  const ask = async (name: string, json: Record<string, JsonValue>): Promise<Record<string, JsonValue>> => {
    const { desc, serve } = all.get(`/${name}`) as UnaryMethod
    const request = messageFromJson(desc.input, json)
    const reply = await serve(request as never, call, toBinary(desc.input, request))
    return messageToJson(desc.output, reply as never) as Record<string, JsonValue>
  }
  const lease = async (ID: string): Promise<unknown> => ask('etcdserverpb.Lease/LeaseGrant', { ID, TTL: '60' })
  await lease('16')
  await lease('17')
  await lease('18')
  const name = base64('m')
  const { key } = await ask('v3lockpb.Lock/Lock', { name, lease: '16' })
  t.equal(key, base64('m/10'), 'the key ends with the lease, in hexadecimal')
  const second = ask('v3lockpb.Lock/Lock', { name, lease: '17' })
  const impatient = ask('v3lockpb.Lock/Lock', { name, lease: '18' })
  while (leaving.length < 2) await new Promise((resolve) => void setImmediate(resolve))
  leaving[1]!()
  await t.rejects(impatient, { code: 'Canceled' })
  await ask('v3lockpb.Lock/Unlock', { key: key! })
  t.equal((await second)['key'], base64('m/11'), 'the next one has its turn')
  await t.rejects(ask('v3lockpb.Lock/Lock', { name, lease: '99' }), {
    code: 'Unknown',
    message: 'etcdserver: requested lease not found',
  })

  const won = await ask('v3electionpb.Election/Campaign', { name: base64('e'), lease: '16', value: base64('ann') })
  const leader = won['leader'] as Record<string, JsonValue>
  await ask('v3electionpb.Election/Proclaim', { leader, value: base64('eve') })
  const shown = await ask('v3electionpb.Election/Leader', { name: base64('e') })
  t.match(shown['kv'], { key: base64('e/10'), value: base64('eve'), lease: '16' })
  await ask('v3electionpb.Election/Resign', { leader })
  await t.rejects(ask('v3electionpb.Election/Proclaim', { leader, value: '' }), { message: 'election: not leader' })
  await t.rejects(ask('v3electionpb.Election/Leader', { name: base64('e') }), { message: 'election: no leader' })

  const metrics = (): string => member.metrics.render(member)
  // What the alerts of etcd's own mixin and kube-prometheus read, as far as one member has it.
  for (const series of [
    /^etcd_server_has_leader 1$/m,
    /^etcd_server_leader_changes_seen_total 1$/m,
    /^etcd_server_proposals_failed_total 0$/m,
    /^etcd_server_proposals_pending 0$/m,
    /^etcd_mvcc_db_total_size_in_bytes \d/m,
    /^etcd_mvcc_db_total_size_in_use_in_bytes \d/m,
    /^etcd_server_quota_backend_bytes 1.6e\+07$/m,
    /^etcd_disk_wal_fsync_duration_seconds_bucket\{le="0.512"\} \d/m,
    /^etcd_disk_backend_commit_duration_seconds_bucket\{le="\+Inf"\} \d/m,
    /^etcd_debugging_lease_granted_total 3$/m,
    /^etcd_mvcc_put_total [1-9]/m,
    /^etcd_mvcc_delete_total [1-9]/m,
    /^process_resident_memory_bytes \d/m,
    /^process_open_fds \d/m,
  ])
    t.match(metrics(), series)
  const put = (size: number): Promise<unknown> =>
    ask('etcdserverpb.KV/Put', { key: base64('fill'), value: Buffer.alloc(size).toString('base64') })
  const space = { code: 'ResourceExhausted', message: 'etcdserver: mvcc: database space exceeded' }
  for (let count = 0; count < 40; count += 1) {
    try {
      await put(1_000_000)
    } catch (error) {
      t.match(error, space)
      break
    }
  }
  await t.rejects(put(1), space, 'the alarm refuses what would fit')
  const { errors } = await ask('etcdserverpb.Maintenance/Status', {})
  t.match(errors, [/^memberID:\d+ alarm:NOSPACE $/])
  t.match(metrics(), /^etcd_debugging_server_alarms\{alarm_type="NOSPACE",server_id="[0-9a-f]+"\} 1$/m)
  t.match(await ask('etcdserverpb.KV/DeleteRange', { key: base64('fill') }), { deleted: '1' })
  const revision = String(member.state.store.revision)
  await ask('etcdserverpb.KV/Compact', { revision })
  await ask('etcdserverpb.Maintenance/Defragment', {})
  const memberID = String(member.memberId)
  await ask('etcdserverpb.Maintenance/Alarm', { action: 'DEACTIVATE', alarm: 'NOSPACE', memberID })
  await put(1)
})

t.test('a sample of the recorded requests to the gateway', async (t) => {
  const replay = new GatewayReplay()
  t.teardown(() => replay.end())
  const rows = recorded<GatewayRow>('gateway.json')
    .filter(({ profile }) => profile === 'mtls')
    .filter(({ id }, index) => index % SAMPLE_STEP === 0 && !(id in EXCEPTIONS))
  for (const row of rows) t.equal((await replay.replay(row))?.got, undefined, row.id)
  t.ok(rows.length > 8)
})
