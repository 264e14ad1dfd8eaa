/** kube-apiserver as a process over a real etcd: who gets in, what lies in the store, and what outlives a kill -9. */
import t from 'tap'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import type { KubeClient } from '../../../lib/kube/client.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { ApiWorld, freePort, until } from './api-world.ts'

const SECRETS = '/api/v1/namespaces/default/secrets'
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
const CANARY = 'canary-AAAAAAAAAAAAAAAAAAAA'
const MASTERS = { commonName: 'kubernetes-super-admin', organizations: ['system:masters'] }

const world = await ApiWorld.create()
t.teardown(() => world.end())
world.startEtcd()
await world.startServer()
const admin = await world.client(MASTERS)
const isReady = (client: KubeClient): Promise<unknown> =>
  until(
    () => client.request({ path: '/readyz' }),
    ({ status, text }) => status === 200 && text === 'ok',
  )
await isReady(admin)

async function refused(client: KubeClient, path: string, method = 'GET', body?: object): Promise<unknown[]> {
  const { status, text } = await client.request({ path, method, ...(body && { body }) })
  const { message, reason, kind } = JSON.parse(text) as Record<string, string>
  return [status, kind, reason, message]
}

t.test('a new cluster', async (t) => {
  const names = async (path: string): Promise<unknown[]> => {
    const { items } = (await admin.json({ path })) as { items: KubeObject[] }
    return items.map(({ metadata }) => metadata.name)
  }
  t.strictSame(await names('/api/v1/namespaces'), ['default', 'kube-node-lease', 'kube-public', 'kube-system'])
  t.equal((await names('/apis/rbac.authorization.k8s.io/v1/clusterroles')).length, 69)
  t.match(await admin.get('/api/v1/namespaces/default/services/kubernetes'), {
    spec: { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443, targetPort: world.port }] },
  })
  t.match(await admin.json({ path: '/version' }), { major: '1', minor: '36', gitVersion: 'v1.36.3' })
  t.match(await admin.json({ path: '/apis' }), { kind: 'APIGroupList' })
  const { headers, text } = await admin.request({
    path: '/api',
    headers: { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json' },
  })
  t.equal(headers['content-type'], 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList')
  t.match(JSON.parse(text), { kind: 'APIGroupDiscoveryList', items: [{ versions: [{ version: 'v1' }] }] })
  t.match(await admin.request({ path: '/nothing/here' }), { status: 404, text: '404 page not found\n' })
})

t.test('who gets in', async (t) => {
  const anonymous = await world.client()
  const alice = await world.client({ commonName: 'alice' })
  const stranger = await world.client({ ...MASTERS, foreign: true })
  const node = await world.client({ commonName: 'system:node:worker-1', organizations: ['system:nodes'] })
  await admin.create(SECRETS, { metadata: { name: 'theirs' }, stringData: { a: 'b' } })

  t.match(await anonymous.request({ path: '/livez' }), { status: 200, text: 'ok' })
  t.strictSame(await refused(anonymous, SECRETS), [
    403,
    'Status',
    'Forbidden',
    'secrets is forbidden: User "system:anonymous" cannot list resource "secrets" in API group "" in the namespace "default"',
  ])
  t.strictSame(await refused(alice, `${SECRETS}/theirs`), [
    403,
    'Status',
    'Forbidden',
    'secrets "theirs" is forbidden: User "alice" cannot get resource "secrets" in API group "" in the namespace "default"',
  ])
  t.strictSame(await refused(stranger, `${SECRETS}/theirs`), [401, 'Status', 'Unauthorized', 'Unauthorized'])
  t.strictSame(await refused(node, `${SECRETS}/theirs`), [
    403,
    'Status',
    'Forbidden',
    'secrets "theirs" is forbidden: User "system:node:worker-1" cannot get resource "secrets" in API group "" in the namespace "default": ' +
      `no relationship found between node 'worker-1' and this object`,
  ])
  t.strictSame(await refused(node, '/api/v1/nodes', 'POST', { metadata: { name: 'worker-2' } }), [
    403,
    'Status',
    'Forbidden',
    'nodes "worker-2" is forbidden: node "worker-1" is not allowed to modify node "worker-2"',
  ])
  t.strictSame(await refused(world.tokenClient('nonsense'), SECRETS), [401, 'Status', 'Unauthorized', 'Unauthorized'])

  const witnessed = (identity: string, layer: string): ReturnType<ApiWorld['witness']> =>
    world.witness((line) => line.about === 'request' && line.identity === identity && line.layer === layer)
  t.match(await witnessed('alice', '403-rbac'), {
    decision: 'refuse',
    code: 'Forbidden',
    request: `GET ${SECRETS}/theirs`,
    local: `127.0.0.1:${world.port}`,
    remote: /^127\.0\.0\.1:\d+$/,
  })
  t.match(await witnessed('CN=kubernetes-super-admin,O=system:masters', '401'), {
    decision: 'refuse',
    code: 'Unauthorized',
    serial: /^[0-9a-f]+$/,
    text: /x509: certificate signed by unknown authority/,
  })
  t.match(await witnessed('system:node:worker-1', '403-node'), { decision: 'refuse', code: 'Forbidden' })
  t.match(await witnessed('system:node:worker-1', 'admission'), { decision: 'refuse', code: 'Forbidden' })
})

t.test('objects come, change and go, and a watch tells', async (t) => {
  const stop = new AbortController()
  const events: string[] = []
  const seen = (async () => {
    for await (const line of admin.stream({ path: `${CONFIG_MAPS}?watch=true` }, stop.signal)) {
      const { type, object } = JSON.parse(line) as { type: string; object: KubeObject }
      events.push(`${type} ${object.metadata.name} ${JSON.stringify(object['data'])}`)
      if (type === 'DELETED') return
    }
  })()
  const made = await admin.create(CONFIG_MAPS, { metadata: { name: 'm' }, data: { a: '1' } })
  t.match(made, { kind: 'ConfigMap', metadata: { uid: /^[0-9a-f-]{36}$/, creationTimestamp: /Z$/ } })
  t.strictSame(await refused(admin, CONFIG_MAPS, 'POST', { metadata: { name: 'm' } }), [
    409,
    'Status',
    'AlreadyExists',
    'configmaps "m" already exists',
  ])
  const patched = await admin.patch(`${CONFIG_MAPS}/m`, { data: { b: '2' } })
  t.strictSame(patched['data'], { a: '1', b: '2' })
  t.strictSame(await refused(admin, `${CONFIG_MAPS}/m`, 'PUT', { ...made, data: { late: 'x' } }), [
    409,
    'Status',
    'Conflict',
    'Operation cannot be fulfilled on configmaps "m": the object has been modified; please apply your changes to the latest version and try again',
  ])
  t.strictSame(
    await refused(admin, CONFIG_MAPS, 'POST', { metadata: { name: 'Not_Good' } }).then((said) => said.slice(0, 3)),
    [422, 'Status', 'Invalid'],
  )
  await admin.delete(`${CONFIG_MAPS}/m`)
  await seen
  stop.abort()
  t.strictSame(events.slice(-3), ['ADDED m {"a":"1"}', 'MODIFIED m {"a":"1","b":"2"}', 'DELETED m {"a":"1","b":"2"}'])
  t.strictSame(await refused(admin, `${CONFIG_MAPS}/m`), [404, 'Status', 'NotFound', 'configmaps "m" not found'])
  t.strictSame((await refused(admin, CONFIG_MAPS, 'PUT', {})).slice(0, 3), [405, 'Status', 'MethodNotAllowed'])
})

/** A protobuf field of bytes shorter than 128. */
function field(number: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([number * 8 + 2, bytes.length]), bytes])
}

function protobuf(kind: string, raw: Buffer): Buffer {
  const type = Buffer.concat([field(1, 'v1'), field(2, kind)])
  return Buffer.concat([Buffer.from('k8s\0'), field(1, type), field(2, raw), field(3, ''), field(4, '')])
}

t.test('typed clients send protobuf', async (t) => {
  const contentType = 'application/vnd.kubernetes.protobuf'
  const entry = Buffer.concat([field(1, 'key'), field(2, Buffer.from([0, 0xff]))])
  const secret = Buffer.concat([field(1, field(1, 'typed')), field(2, entry), field(3, 'Opaque'), Buffer.from([40, 1])])
  const made = await admin.request({ path: SECRETS, method: 'POST', contentType, body: protobuf('Secret', secret) })
  t.match(JSON.parse(made.text), { metadata: { name: 'typed' }, data: { key: 'AP8=' }, immutable: true })
  const other = { path: CONFIG_MAPS, method: 'POST', contentType }
  t.match(JSON.parse((await admin.request({ ...other, body: protobuf('Widget', secret) })).text), {
    code: 400,
    message:
      'Widget in version "v1" cannot be handled as a ConfigMap: no kind "Widget" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111"',
  })
  t.match(JSON.parse((await admin.request({ ...other, body: '{}' })).text), {
    code: 400,
    message: /does not appear to be a protobuf message, expected prefix \[107 56 115 0\]/,
  })
})

t.test('typed clients are answered in protobuf where they ask for it', async (t) => {
  const headers = { accept: 'application/vnd.kubernetes.protobuf,application/json' }
  const one = await admin.request({ path: `${SECRETS}/typed`, headers })
  t.equal(one.headers['content-type'], 'application/vnd.kubernetes.protobuf')
  t.match(one.text, /^k8s\0.*\n.*\n.*v1.*Secret/)
  const list = await admin.request({ path: SECRETS, headers })
  t.match(list.text, /^k8s\0[^]*\nSecretList[^]*typed/)
  const refusal = await admin.request({ path: `${SECRETS}/never`, headers })
  t.equal(refusal.status, 404)
  t.match(refusal.text, /^k8s\0[^]*Status[^]*Failure[^]*secrets "never" not found/)
  const watch = await admin.request({ path: `${SECRETS}?watch=1&timeoutSeconds=1&resourceVersion=0`, headers })
  t.equal(watch.headers['content-type'], 'application/vnd.kubernetes.protobuf;stream=watch')
  t.match(watch.text, /\n.ADDED[^]*k8s\0[^]*typed/)
  const table = { accept: 'application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1,application/json' }
  t.equal((await admin.request({ path: SECRETS, headers: table })).headers['content-type'], 'application/json')
})

t.test('what a client may say and what it may not', async (t) => {
  const strict = `${CONFIG_MAPS}?fieldValidation=Strict`
  const odd = { metadata: { name: 'odd', nope: 1 }, data: { a: '1' } }
  t.strictSame(await refused(admin, strict, 'POST', odd), [
    400,
    'Status',
    'BadRequest',
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "metadata.nope"',
  ])
  const warned = await admin.request({ path: CONFIG_MAPS, method: 'POST', body: odd })
  t.match(warned, { status: 201, headers: { warning: '299 - "unknown field \\"metadata.nope\\""' } })
  t.notMatch(warned.text, /nope/)
  t.match(await admin.request({ path: `${CONFIG_MAPS}?fieldValidation=Ignore`, method: 'POST', body: odd }), {
    status: 409,
    headers: { warning: undefined },
  })
  const service = await admin.create('/api/v1/namespaces/default/services', {
    metadata: { name: 'given' },
    spec: { type: 'NodePort', ports: [{ port: 80 }] },
  })
  t.match(service['spec'], {
    clusterIP: /^10\.(9[6-9]|1\d\d)\./,
    ports: [{ nodePort: /^3[0-2]\d{3}$/, targetPort: 80 }],
  })
  const taken = { metadata: { name: 'second' }, spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] } }
  t.strictSame(await refused(admin, '/api/v1/namespaces/default/services', 'POST', taken), [
    422,
    'Status',
    'Invalid',
    'Service "second" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.1"]: failed to allocate IP 10.96.0.1: provided IP is already allocated',
  ])
  const explained = JSON.parse((await admin.request({ path: '/openapi/v3/api/v1' })).text) as {
    components: { schemas: Record<string, { properties: object }> }
  }
  t.match(explained.components.schemas['io.k8s.api.core.v1.PodSpec']?.properties, { nodeName: { type: 'string' } })
})

t.test('a Pod is bound, reports and goes with its grace period', async (t) => {
  const pods = '/api/v1/namespaces/default/pods'
  await admin.create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } })
  await admin.create('/api/v1/nodes', { metadata: { name: 'worker-1' } })
  const spec = { containers: [{ name: 'c', image: 'i' }] }
  await admin.create(pods, { metadata: { name: 'p' }, spec })
  const binding = { metadata: { name: 'p' }, target: { kind: 'Node', name: 'worker-1' } }
  t.match(await admin.create(`${pods}/p/binding`, binding), { kind: 'Status', status: 'Success' })
  t.match(await admin.json({ path: `${pods}?fieldSelector=spec.nodeName%3Dworker-1` }), {
    items: [{ metadata: { name: 'p' } }],
  })
  const condition = { conditions: [{ type: 'Ready', status: 'True' }], phase: 'Running' }
  const reported = await admin.patch(
    `${pods}/p/status`,
    { status: condition },
    'application/strategic-merge-patch+json',
  )
  const { conditions } = reported['status'] as { conditions: { type: string }[] }
  t.strictSame(conditions.map(({ type }) => type).toSorted(), ['PodScheduled', 'Ready'])
  const { text } = await admin.request({
    path: `${pods}/p`,
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
  })
  t.match(JSON.parse(text), { kind: 'Table', rows: [{ cells: ['p', '0/1', 'Running'] }] })
  t.match(await admin.delete(`${pods}/p`), { metadata: { deletionGracePeriodSeconds: 30, deletionTimestamp: /Z$/ } })
  await admin.delete(`${pods}/p`, { gracePeriodSeconds: 0 })
  t.strictSame(await refused(admin, `${pods}/p`), [404, 'Status', 'NotFound', 'pods "p" not found'])
})

t.test('a service account token', async (t) => {
  const accounts = '/api/v1/namespaces/kube-system/serviceaccounts'
  await admin.create(accounts, { metadata: { name: 'robot' } })
  const issued = await admin.create(`${accounts}/robot/token`, { spec: { expirationSeconds: 600 } })
  const { token } = issued['status'] as { token: string }
  const robot = world.tokenClient(token)
  t.match(await robot.create('/apis/authentication.k8s.io/v1/selfsubjectreviews', {}), {
    status: { userInfo: { username: 'system:serviceaccount:kube-system:robot' } },
  })
  t.strictSame((await refused(robot, SECRETS)).slice(0, 3), [403, 'Status', 'Forbidden'])
  t.match(await admin.create('/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token } }), {
    status: { authenticated: true },
  })
})

t.test('what lies in etcd, and what crosses the wire', async (t) => {
  await admin.create(SECRETS, { metadata: { name: 's' }, stringData: { key: CANARY } })
  await admin.create(CONFIG_MAPS, { metadata: { name: 'open' }, data: { key: CANARY } })
  const bytes = async (key: string): Promise<string> => {
    const answer = await world.store?.range({ key })
    return Buffer.from(answer?.kvs[0]?.value ?? []).toString('latin1')
  }
  const secret = await bytes('/registry/secrets/default/s')
  t.equal(secret.slice(0, 'k8s:enc:secretbox:v1:key1:'.length), 'k8s:enc:secretbox:v1:key1:')
  t.notMatch(secret, CANARY)
  t.notMatch(secret, Buffer.from(CANARY).toString('base64'))
  const map = await bytes('/registry/configmaps/default/open')
  t.equal(map.slice(0, 4), 'k8s\0')
  t.match(map, CANARY)
  const sha256 = createHash('sha256').update(CANARY).digest('hex')
  const crossed = await world.witness((line) => line.about === 'stream' && line.text === `canary sha256:${sha256}`)
  t.equal(crossed.decision, 'allow')
})

t.test('a watch goes on over a killed etcd, and objects over a killed server', async (t) => {
  const stop = new AbortController()
  const names: string[] = []
  const { metadata } = (await admin.json({ path: CONFIG_MAPS })) as { metadata: { resourceVersion: string } }
  const path = `${CONFIG_MAPS}?watch=true&resourceVersion=${metadata.resourceVersion}`
  const seen = (async () => {
    for await (const line of admin.stream({ path }, stop.signal)) {
      names.push((JSON.parse(line) as { object: KubeObject }).object.metadata.name ?? '')
      if (names.includes('after')) return
    }
  })()
  await admin.create(CONFIG_MAPS, { metadata: { name: 'before' } })
  await world.etcd?.kill()
  t.match(await admin.request({ path: '/readyz' }), { status: 500, text: /\[-\]etcd failed: reason withheld/ })
  world.startEtcd()
  await until(
    () => admin.create(CONFIG_MAPS, { metadata: { name: 'after' } }),
    ({ kind }) => kind === 'ConfigMap',
  )
  await seen
  stop.abort()
  t.strictSame(names, ['before', 'after'])

  const { uid } = (await admin.get(`${SECRETS}/s`)).metadata
  await world.server?.kill()
  await world.startServer()
  await isReady(admin)
  const again = await admin.get(`${SECRETS}/s`)
  t.equal(again.metadata.uid, uid)
  t.strictSame(again['data'], { key: Buffer.from(CANARY).toString('base64') })
})

t.test('a certificate for each name, and one of its own', async (t) => {
  const port = await freePort()
  const shown = (servername?: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...(servername && { servername }) })
      socket.once('error', reject)
      socket.once('secureConnect', () => {
        resolve(String(socket.getPeerCertificate().subject.CN))
        socket.destroy()
      })
    })
  await world.writePair('extra', { commonName: 'extra.example.com', dnsNames: ['extra.example.com'] })
  await world.writePair('wild', { commonName: 'wild', dnsNames: ['other.example.com'] })
  const server = await world.startSecond(
    {
      'secure-port': String(port),
      'cert-dir': world.path('made'),
      'tls-cert-file': undefined,
      'tls-private-key-file': undefined,
    },
    [
      `--tls-sni-cert-key=${world.path('extra.crt')},${world.path('extra.key')}`,
      `--tls-sni-cert-key=${world.path('wild.crt')},${world.path('wild.key')}:*.wild.example.com`,
    ],
  )
  t.match(await shown(), /^127\.0\.0\.1@\d+$/, 'made by itself')
  t.equal(await shown('EXTRA.example.com'), 'extra.example.com')
  t.match(await shown('a.extra.example.com'), /^127\.0\.0\.1@/)
  t.equal(await shown('a.wild.example.com'), 'wild')
  t.match(await shown('a.b.wild.example.com'), /^127\.0\.0\.1@/)
  t.match(await shown('other.example.com'), /^127\.0\.0\.1@/, 'names said are the only ones')
  t.match(await shown('apiserver-loopback-client'), /^apiserver-loopback-client@\d+$/)
  t.match(readFileSync(world.path('made/apiserver.crt'), 'utf8'), /^-----BEGIN CERTIFICATE-----/)
  t.match(
    server.lastWords,
    /serving\.go:\d+\] Generated self-signed cert \(.*made\/apiserver\.crt, .*made\/apiserver\.key\)/,
  )
  await server.kill()
})

t.test('refuses at start as the real one does', async (t) => {
  const said = async (changes: Record<string, string | undefined>): Promise<[number, string]> => {
    const { code, text } = await world.refusal(changes)
    return [
      code,
      text
        .split('\n')
        .filter((line) => /^(E |Error|\[flag_unknown)/.test(line))
        .join('\n'),
    ]
  }
  const failed = (why: string): [number, string] => [1, `E run.go] "command failed" err="${why}"`]
  const near = '[flag_unknown] kube-apiserver: unknown flag --tls-min-versoin (did you mean --tls-min-version?)'
  const cases: [Record<string, string | undefined>, [number, string]][] = [
    [{ 'tls-min-versoin': 'VersionTLS12' }, [1, `Error: unknown flag: --tls-min-versoin\n${near}`]],
    [
      { 'insecure-port': '8080' },
      [
        1,
        'Error: unknown flag: --insecure-port\n[flag_unknown] kube-apiserver: unknown flag --insecure-port (kube-apiserver v1.36.3 does not know it (up to 1.23))',
      ],
    ],
    [
      { 'secure-port': '70000' },
      failed('--secure-port 70000 must be between 1 and 65535, inclusive. It cannot be turned off with 0'),
    ],
    [
      { 'etcd-keyfile': undefined },
      failed(
        'error creating storage factory: KeyFile and CertFile must both be present[key: , cert: <dir>/apiserver-etcd-client.crt]',
      ),
    ],
    [
      { 'client-ca-file': world.path('ca.key') },
      failed(
        'error loading CA bundle for \\"client-ca-bundle::<dir>/ca.key\\": data does not contain any valid RSA or ECDSA certificates',
      ),
    ],
    [{ 'tls-private-key-file': world.path('ca.key') }, failed('tls: private key does not match public key')],
    [{ 'authorization-mode': 'node' }, failed('authorization-mode \\"node\\" is not a valid mode')],
  ]
  const answers = await Promise.all(cases.map(([changes]) => said(changes)))
  for (const [index, [changes, expected]] of cases.entries())
    t.strictSame(answers[index], expected, JSON.stringify(changes))
})

t.test('v1.19 serves everybody on its insecure port', async (t) => {
  await world.server?.kill()
  const insecure = await freePort()
  await world.startServer(
    { 'authorization-mode': 'AlwaysAllow', 'insecure-port': String(insecure), 'client-ca-file': undefined },
    'v1.19.16',
  )
  await until(
    () => fetch(`http://127.0.0.1:${insecure}/readyz`),
    ({ status }) => status === 200,
  )
  const plain = await fetch(`http://127.0.0.1:${insecure}${SECRETS}/s`)
  t.equal(plain.status, 200)
  t.match(await plain.json(), { data: { key: Buffer.from(CANARY).toString('base64') } })
  t.match(
    await world.witness(({ local, identity }) => local?.endsWith(`:${insecure}`) === true && identity !== undefined),
    {
      identity: 'system:unsecured',
      decision: 'allow',
    },
  )
  t.match(await (await fetch(`http://127.0.0.1:${insecure}/version`)).json(), { gitVersion: 'v1.19.16' })
})
