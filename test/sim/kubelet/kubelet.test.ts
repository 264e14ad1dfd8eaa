import t from 'tap'
import type { KubeClient } from '../../../lib/kube/client.ts'
import { execOverWebSocket } from '../../../lib/kube/exec-websocket.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { answerException } from '../../fidelity/kubelet/answer-exceptions.ts'
import { recordedAnswers, type AnswerRow } from '../../fidelity/kubelet/answer-replay.ts'
import { KubeletWorld, recordedPods, type RunningKubelet } from './kubelet-world.ts'

const SUPER_ADMIN = { commonName: 'kubernetes-super-admin', organizations: ['system:masters'] }
const SAMPLED_EACH = 7
const WEB = '/api/v1/namespaces/default/pods/web'

const world = await new KubeletWorld().start()
t.teardown(() => world.stop())
for (const [path, pod] of Object.entries(recordedPods())) world.api.put('ADDED', path, pod)

const main = await world.kubelet({ config: { readOnlyPort: 1, healthzPort: 1 } })
await main.serving(3)
const clients = await clientsOf(main)
await phaseOf(WEB, 'Running')
await phaseOf('/api/v1/namespaces/default/pods/two', 'Running')

async function clientsOf({ port, readOnlyPort, healthzPort }: RunningKubelet): Promise<Record<string, KubeClient>> {
  return {
    '': await world.client(port),
    'super-admin': await world.client(port, SUPER_ADMIN),
    nobody: await world.client(port, { commonName: 'nobody' }),
    'read-only': await world.client(readOnlyPort, undefined, 'http'),
    healthz: await world.client(healthzPort, undefined, 'http'),
  }
}

function phaseOf(path: string, phase: string): Promise<KubeObject> {
  return world.api.until(() => {
    const pod = world.api.objects.get(path)
    return (pod?.['status'] as { phase?: string } | undefined)?.phase === phase ? pod : undefined
  }, `${path} is ${phase}`)
}

t.test('a sample of the recorded answers of a real kubelet; test/fidelity has them all', async (t) => {
  const isAsked = ({ config, as = '', token, statusBy, bytes }: AnswerRow): boolean =>
    config === 'kubeadm' && as in clients && token === undefined && !statusBy && bytes === undefined
  const rows = recordedAnswers('endpoints').filter((row) => isAsked(row) && answerException(row) === undefined)
  for (const row of rows.filter((_row, index) => index % SAMPLED_EACH === 0)) {
    const reply = await clients[row.port ?? row.as ?? '']!.request({
      method: row.method!,
      path: row.path!,
      headers: { accept: row.headers?.['Accept'] ?? '*/*' },
      ...(row.sent === undefined ? {} : { body: row.sent }),
    })
    const told = Object.keys(row.answers ?? {}).map((name) => [name, reply.headers[name.toLowerCase()]])
    const answers = Object.fromEntries(told) as object
    t.strictSame({ status: reply.status, answers }, { status: row.status, answers: row.answers ?? {} }, row.id)
  }
})

t.test('exec over WebSocket; test/fidelity has all that was recorded', async (t) => {
  const run = async (protocol: string, ...command: string[]): Promise<unknown> => {
    const query = new URLSearchParams([...command.map((word): [string, string] => ['command', word]), ['output', '1']])
    const path = `/exec/default/web/app?${query.toString()}`
    const socket = await clients['super-admin']!.connect()
    const {
      stdout,
      status,
      protocol: spoken,
    } = await execOverWebSocket({
      socket,
      host: 'worker-1',
      path,
      protocols: [protocol],
    })
    return { out: stdout.toString(), status, spoken }
  }
  const v5 = 'v5.channel.k8s.io'
  const v4 = 'v4.channel.k8s.io'
  t.strictSame(await run(v5, 'printenv', 'CANARY'), {
    out: 'canary-value\n',
    status: { metadata: {}, status: 'Success' },
    spoken: v5,
  })
  t.match(await run(v5, 'exit', '7'), {
    status: { message: 'command terminated with non-zero exit code: command terminated with exit code 7' },
  })
  t.match(await run(v4, 'exit', '7'), {
    status: { message: 'command terminated with non-zero exit code: error executing command [exit 7], exit code 7' },
  })
  const pieces: string[] = []
  await execOverWebSocket({
    socket: await clients['super-admin']!.connect(),
    host: 'worker-1',
    path: '/exec/default/web/app?command=cat&input=1&output=1',
    stdin: ['a\n', 'bb\n', ''],
    onBytes: (_stream, bytes) => pieces.push(bytes.toString()),
  })
  t.strictSame(pieces, ['a\n', 'bb\n'], 'a line is typed when the one before has come back; then stdin is closed')
  await t.rejects(run('v9.channel.k8s.io', 'true'), { name: 'ExecRefused', message: '403 ' })
})

t.test('who is asked about, and what is witnessed', async (t) => {
  const asked: unknown[] = []
  world.api.mayReview = ({ user, groups, resourceAttributes }) => {
    asked.push({ user, groups, resourceAttributes })
    return resourceAttributes.subresource === 'proxy'
  }
  const reply = await clients['nobody']!.request({ path: '/pods' })
  t.equal(reply.status, 200)
  const attributes = { verb: 'get', version: 'v1', resource: 'nodes', name: 'worker-1' }
  const user = { user: 'nobody', groups: ['system:authenticated'] }
  t.strictSame(asked, [
    { ...user, resourceAttributes: { ...attributes, subresource: 'pods' } },
    { ...user, resourceAttributes: { ...attributes, subresource: 'proxy' } },
  ])
  world.api.mayReview = () => 'error'
  const failed = await clients['nobody']!.request({ path: '/metrics' })
  t.strictSame(
    [failed.status, failed.text],
    [500, 'Authorization error (user=nobody, verb=get, resource=nodes, subresource=metrics)'],
  )
  world.api.mayReview = ({ groups }) => groups.includes('system:masters')
  const refused = await clients['nobody']!.request({ path: '/stats/' })
  t.equal(refused.status, 403)
  const line = await main.until(
    () => main.witnessed.findLast(({ about, remote }) => about === 'request' && remote === refused.local),
    'the refusal is witnessed',
  )
  t.match(line, {
    decision: 'refuse',
    layer: '403-rbac',
    code: 'Forbidden',
    identity: 'nobody',
    local: refused.remote,
    request: 'GET /stats/',
    text: 'Forbidden (user=nobody, verb=get, resource=nodes, subresource(s)=[stats])',
  })
  t.match(line.serial, /^[0-9a-f]+$/)
})

t.test('certificates and tokens', async (t) => {
  const status = async (client: KubeClient, headers: Record<string, string> = {}): Promise<number> =>
    (await client.request({ path: '/pods', headers })).status
  const expired = await world.client(main.port, { ...SUPER_ADMIN, notAfter: new Date(Date.now() - 1000) })
  const foreign = await world.client(main.port, { ...SUPER_ADMIN, by: 'another' })
  world.api.tokens.set('good', { username: 'prometheus', groups: ['system:masters'] })
  t.equal(await status(expired), 401)
  t.equal(await status(foreign), 401)
  t.equal(await status(foreign, { authorization: 'Bearer good' }), 200, 'a bad certificate and a good token')
  t.equal(await status(clients['super-admin']!, { authorization: 'Bearer garbage' }), 200)
  t.equal(await status(clients['']!, { authorization: 'Bearer garbage' }), 401)
  t.equal(await status(clients['']!, { authorization: 'Bearer good' }), 200)
  t.equal(await status(clients['']!, { authorization: 'Basic Z29vZDpnb29k' }), 401)
  t.match(
    main.stderr,
    /"Unable to authenticate the request due to an error" err="verifying certificate SN=\d+, .* failed: x509: certificate signed by unknown authority/,
  )
  t.match(main.stderr, /failed: x509: certificate has expired or is not yet valid/)
})

t.test('open to anybody', async (t) => {
  const config = {
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
  }
  const open = await world.kubelet({ config, env: { MTLS_RANGE_VERSION: 'v1.19.16' } })
  const before = world.api.calls.length
  await open.serving()
  await world.api.until(
    () => world.api.calls.slice(before).find(({ method, path }) => method === 'PATCH' && path === `${WEB}/status`),
    'it runs the Pod too',
  )
  const anybody = await world.client(open.port)
  const reply = await anybody.request({ method: 'POST', path: '/run/default/web/app?cmd=printenv+CANARY' })
  t.strictSame([reply.status, reply.text], [200, 'canary-value\n'])
  t.equal((await anybody.request({ path: '/pods', headers: { authorization: 'Bearer garbage' } })).status, 200)
  open.stop()
})

t.test('a node and its lease', (t) => {
  const node = world.api.objects.get('/api/v1/nodes/worker-1')
  t.match(node, {
    metadata: { labels: { 'kubernetes.io/hostname': 'worker-1' } },
    status: {
      addresses: [
        { type: 'InternalIP', address: '127.0.0.1' },
        { type: 'Hostname', address: 'worker-1' },
      ],
      nodeInfo: { kubeletVersion: /^v1\./ },
    },
  })
  const lease = world.api.objects.get('/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/worker-1')
  t.match(lease, { spec: { holderIdentity: 'worker-1', leaseDurationSeconds: 40 } })
  t.end()
})

t.test('a Pod waits for its Secret, uses it, and goes', async (t) => {
  const path = '/api/v1/namespaces/default/pods/vault'
  const ask = async (cmd: string): Promise<string> =>
    (await clients['super-admin']!.request({ method: 'POST', path: `/run/default/vault/main?cmd=${cmd}` })).text
  world.api.put('ADDED', path, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'vault', namespace: 'default', uid: 'u-vault' },
    spec: {
      nodeName: 'worker-1',
      containers: [
        {
          name: 'main',
          image: 'example/vault:1',
          command: ['sleep', 'infinity'],
          env: [{ name: 'CANARY', valueFrom: { secretKeyRef: { name: 'canary', key: 'value' } } }],
          volumeMounts: [{ name: 'canary', mountPath: '/etc/canary' }],
        },
      ],
      volumes: [{ name: 'canary', secret: { secretName: 'canary' } }],
    },
  })
  const pending = await phaseOf(path, 'Pending')
  t.match(pending['status'], {
    containerStatuses: [
      { state: { waiting: { reason: 'CreateContainerConfigError', message: 'secret "canary" not found' } } },
    ],
  })
  world.api.put('ADDED', '/api/v1/namespaces/default/secrets/canary', {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'canary', namespace: 'default' },
    data: { value: Buffer.from('sesame').toString('base64') },
  })
  const running = await phaseOf(path, 'Running')
  t.match(running['status'], { podIP: /^10\.244\./, containerStatuses: [{ ready: true, state: { running: {} } }] })
  t.equal(await ask('cat+/etc/canary/value'), 'sesame')
  t.equal(await ask('printenv+CANARY'), 'sesame\n')
  t.match(
    await ask('cat+/etc/shadow'),
    "command 'cat /etc/shadow' exited with 1: cat: /etc/shadow: No such file or directory",
  )

  world.api.cutWatches()
  world.api.put('MODIFIED', path, {
    ...running,
    metadata: { ...running.metadata, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 30 },
  })
  const end = await world.api.until(
    () => world.api.calls.find((call) => call.method === 'DELETE' && call.path === path),
    'the kubelet lets the Pod go',
  )
  t.match(end.body, { gracePeriodSeconds: 0, preconditions: { uid: 'u-vault' } })
})

t.test('the shell of a container', async (t) => {
  const run = async (script: string): Promise<{ out: string; err: string; code: number }> => {
    const query = new URLSearchParams([
      ['command', 'sh'],
      ['command', '-c'],
      ['command', script],
      ['output', '1'],
      ['error', '1'],
    ])
    const { stdout, stderr, status } = await execOverWebSocket({
      socket: await clients['super-admin']!.connect(),
      host: 'worker-1',
      path: `/exec/default/web/app?${query.toString()}`,
    })
    return { out: stdout.toString(), err: stderr.toString(), code: Number(status?.details?.causes?.[0]?.message ?? 0) }
  }
  t.strictSame(await run('echo a b | cat; false || echo "$CANARY"; true && exit 3'), {
    out: 'a b\ncanary-value\n',
    err: '',
    code: 3,
  })
  t.strictSame(await run("echo 'x;y' > /tmp/f; echo more >> /tmp/f; cat < /tmp/f"), {
    out: 'x;y\nmore\n',
    err: '',
    code: 0,
  })
  t.strictSame(await run('false && echo never || echo "else"; echo gone >&2'), {
    out: 'else\n',
    err: 'gone\n',
    code: 0,
  })
  t.strictSame(await run('uname -a'), { out: '', err: 'sh: uname: not found\n', code: 127 })
  t.strictSame(await run('cd /etc; pwd; A=1; echo $A${A}; cat /nothere 2>/dev/null; echo $?'), {
    out: '/etc\n11\n1\n',
    err: '',
    code: 0,
  })
})

t.test('starts that come to nothing', async (t) => {
  const unreadable = { authentication: { x509: { clientCAFile: '/nonexistent' } } }
  const cases: [string, Parameters<KubeletWorld['kubelet']>[0], RegExp][] = [
    [
      'an unknown flag',
      { flags: ['--nonsense'] },
      /"command failed" err="failed to parse kubelet flag: unknown flag: --nonsense"/,
    ],
    ['a word too many', { flags: ['nonsense'] }, /"command failed" err="unknown command nonsense"/],
    [
      'an unknown mode',
      { config: { authorization: { mode: 'RBAC' } } },
      /err="failed to run Kubelet: unknown authorization mode RBAC"/,
    ],
    [
      'no CA file',
      { config: unreadable },
      /err="failed to run Kubelet: open \/nonexistent: no such file or directory"/,
    ],
    ['an empty file', { configText: '' }, /was empty/],
    ['no kind', { configText: 'apiVersion: kubelet.config.k8s.io/v1beta1\n' }, /Object 'Kind' is missing/],
    ['a bogus suite', { config: { tlsCipherSuites: ['BOGUS'] } }, /Cipher suite BOGUS not supported or doesn't exist/],
    [
      'no kubeconfig',
      { flags: ['--kubeconfig=/nonexistent'] },
      /invalid kubeconfig: stat \/nonexistent: no such file or directory/,
    ],
  ]
  const ended = await Promise.all(
    cases.map(async ([name, options, words]) => {
      const kubelet = await world.kubelet(options)
      return { name, words, code: await kubelet.exited, stderr: kubelet.stderr }
    }),
  )
  for (const { name, words, code, stderr } of ended) {
    t.equal(code, 1, name)
    t.match(stderr, words, name)
  }
})

t.test('logs', async (t) => {
  const text = async (query: string): Promise<string> =>
    (await clients['super-admin']!.request({ path: `/containerLogs/default/web/app${query}` })).text
  t.equal(await text('?tailLines=2'), 'line two (stderr)\nline three\n')
  t.match(await text('?timestamps=true&tailLines=1'), /^\d{4}-\d\d-\d\dT[\d:.]+Z line three\n$/)
  t.equal((await clients['nobody']!.request({ path: '/containerLogs/default/web/app' })).status, 403)
})
