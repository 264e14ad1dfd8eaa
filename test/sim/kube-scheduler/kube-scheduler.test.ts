import t from 'tap'
import { createHash } from 'node:crypto'
import { request } from 'node:https'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { issue } from '../../../lib/x509/issue.ts'
import { explain, refuse, tolerates } from '../../../sim/kube-scheduler/filter.ts'
import { quantity } from '../../../sim/kube-scheduler/pod-spec.ts'
import { choose } from '../../../sim/kube-scheduler/score.ts'
import { freePort, kubeconfigFolder, listeningAt, startController } from '../../lib/cluster/controller-child.ts'
import { objectServer } from '../../lib/kube/object-server.ts'

const PODS = '/api/v1/namespaces/default/pods'
const LEASE = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler'

function pod(spec: object = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: {}, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } }
}

function node(name: string, spec: object = {}, labels: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec, status: { allocatable: { pods: '110' } } }
}

const NOT_READY = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }

t.test('filters', async (t) => {
  const requests = (cpu: string): object => ({ containers: [{ resources: { requests: { cpu } } }] })
  const affinity = (terms: object[]): object => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
  })
  const small: KubeObject = { ...node('n'), status: { allocatable: { pods: '1', cpu: '1' } } }
  for (const [what, why, ...[asking, target, there = []]] of [
    ['a plain node', undefined, pod(), node('n')],
    ['a taint', 'node(s) had untolerated taint(s)', pod(), node('n', { taints: [NOT_READY] })],
    ['a soft taint', undefined, pod(), node('n', { taints: [{ key: 'x', effect: 'PreferNoSchedule' }] })],
    [
      'a tolerated taint',
      undefined,
      pod({ tolerations: [{ operator: 'Exists' }] }),
      node('n', { taints: [NOT_READY] }),
    ],
    ['a cordon', 'node(s) were unschedulable', pod(), node('n', { unschedulable: true })],
    [
      'a selector',
      "node(s) didn't match Pod's node affinity/selector",
      pod({ nodeSelector: { disk: 'ssd' } }),
      node('n', {}, { disk: 'hdd' }),
    ],
    ['a matching selector', undefined, pod({ nodeSelector: { disk: 'ssd' } }), node('n', {}, { disk: 'ssd' })],
    [
      'an affinity by field',
      "node(s) didn't match Pod's node affinity/selector",
      pod(affinity([{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['m'] }] }])),
      node('n'),
    ],
    [
      'an affinity by expression',
      undefined,
      pod(affinity([{ matchExpressions: [{ key: 'x', operator: 'DoesNotExist' }] }])),
      node('n'),
    ],
    ['a term without demands', "node(s) didn't match Pod's node affinity/selector", pod(affinity([{}])), node('n')],
    ['a full node', 'Too many pods', pod(), small, [pod()]],
    ['cpu that is not there', 'Insufficient cpu', pod(requests('1001m')), small],
    ['cpu that is there', undefined, pod(requests('1000m')), small],
    [
      'a taken port',
      "node(s) didn't have free ports for the requested pod ports",
      pod({ containers: [{ ports: [{ hostPort: 80 }] }] }),
      node('n'),
      [pod({ containers: [{ ports: [{ hostPort: 80 }] }] })],
    ],
  ] as [string, string | undefined, KubeObject, KubeObject, KubeObject[]?][]) {
    t.equal(refuse(asking, target, there), why, what)
  }
  t.equal(tolerates({ key: 'a', value: 'b' }, { key: 'a', value: 'c', effect: 'NoSchedule' }), false)
  t.equal(tolerates({ key: 'a', operator: 'Exists', effect: 'NoExecute' }, { key: 'a', effect: 'NoSchedule' }), false)
  t.equal(explain(3, ['Too many pods', 'x', 'Too many pods']), '0/3 nodes are available: 1 x, 2 Too many pods.')
  t.equal(explain(0, []), 'no nodes available to schedule pods')
  t.strictSame(['100m', '2', '1Gi', '1e3', 'x'].map(quantity), [0.1, 2, 2 ** 30, 1000, 0])
  const placed = new Map([['a', [pod()]]])
  t.equal(choose(pod(), [node('a'), node('c'), node('b')], placed)?.metadata.name, 'b')
  t.equal(choose(pod(), [], placed), undefined)
})

t.test('binds Pods while it leads', async (t) => {
  const api = await objectServer()
  const folder = kubeconfigFolder(api.url)
  api.put('/api/v1/nodes/w1', node('w1'))
  api.put('/api/v1/nodes/w2', node('w2', { taints: [NOT_READY] }))
  const canary = `canary-${'A'.repeat(20)}`
  api.put(`${PODS}/first`, { ...pod(), metadata: { annotations: { canary } } })
  api.put(`${PODS}/foreign`, pod({ schedulerName: 'other' }))
  const child = startController('kube-scheduler', [
    `--kubeconfig=${folder.path}/kubeconfig`,
    '--bind-address=127.0.0.1',
    '--secure-port=0',
    '--leader-elect-lease-duration=2s',
    '--leader-elect-renew-deadline=1s',
    '--leader-elect-retry-period=100ms',
  ])
  t.teardown(() => {
    child.kill()
    api.close()
    folder.remove()
  })
  const nodeOf = (name: string): string | undefined =>
    (api.objects.get(`${PODS}/${name}`)?.['spec'] as { nodeName?: string } | undefined)?.nodeName
  t.equal(await api.until(() => nodeOf('first'), 'the first Pod is bound'), 'w1')
  t.match(api.objects.get(LEASE)?.['spec'], { leaseDurationSeconds: 2, leaseTransitions: 0 })
  const event = await api.until(() => {
    return [...api.objects.values()].find(({ kind }) => kind === 'Event')
  }, 'an Event')
  t.match(event, { reason: 'Scheduled', message: 'Successfully assigned default/first to w1' })

  api.put(`${PODS}/choosy`, pod({ nodeSelector: { 'kubernetes.io/hostname': 'w2' } }))
  const refused = await api.until(() => {
    const status = api.objects.get(`${PODS}/choosy`)?.['status'] as { conditions?: object[] } | undefined
    return status?.conditions?.[0]
  }, 'a condition')
  t.match(refused, {
    type: 'PodScheduled',
    status: 'False',
    reason: 'Unschedulable',
    message:
      "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s).",
  })
  // Twice: at each change of a node who fits nowhere is tried again, also where the one before did not help.
  for (const podCIDR of ['10.244.1.0/24', '10.244.2.0/24']) {
    const attempts = (): number => child.stderr().split('Unable to schedule pod').length
    const before = attempts()
    api.put('/api/v1/nodes/w2', node('w2', { podCIDR, taints: [NOT_READY] }))
    await child.until(() => (attempts() > before ? true : undefined), 'another attempt')
  }
  api.put('/api/v1/nodes/w2', node('w2', {}, { 'kubernetes.io/hostname': 'w2' }))
  t.equal(await api.until(() => nodeOf('choosy'), 'bound when its node is ready'), 'w2')
  t.equal(nodeOf('foreign'), undefined, "another scheduler's Pod is let be")

  const sha256 = createHash('sha256').update(canary).digest('hex')
  await child.until(
    () => child.witnessed.find(({ text }) => text === `canary sha256:${sha256}`),
    'it says that a canary reached it',
  )
  api.cut()
  api.put(`${PODS}/later`, pod())
  t.ok(await api.until(() => nodeOf('later'), 'bound after its watches were cut'))

  const { spec, ...lease } = api.objects.get(LEASE)!
  api.put(LEASE, { ...lease, spec: { ...(spec as object), holderIdentity: 'thief' } })
  t.equal(await child.exited, 1, 'a lost Lease ends it')
  t.match(child.stderr(), /"leaderelection lost\/stopped"/)
})

t.test('its secure port', async (t) => {
  const port = await freePort()
  const ask = (path: string, credential: object): Promise<[number, string]> => askAt(port, path, credential)
  const api = await objectServer()
  const now = new Date()
  const validity = { notBefore: new Date(now.getTime() - 60_000), notAfter: new Date(now.getTime() + 3_600_000) }
  const ca = await issue({ ...validity, commonName: 'kubernetes', isCa: true })
  const other = await issue({ ...validity, commonName: 'kubernetes', isCa: true })
  const leaf = { ...validity, usages: ['clientAuth'] as const }
  const nobody = await issue({ ...leaf, commonName: 'nobody' }, ca)
  const admin = await issue({ ...leaf, commonName: 'root', organizations: ['system:masters'] }, ca)
  const reader = await issue({ ...leaf, commonName: 'reader' }, ca)
  const stranger = await issue({ ...leaf, commonName: 'root', organizations: ['system:masters'] }, other)
  const folder = kubeconfigFolder(api.url)
  api.put('/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication', {
    metadata: {},
    data: { 'client-ca-file': ca.certificate },
  })
  api.intercept = ({ path, body }) => {
    const spec = (body?.['spec'] ?? {}) as { token?: string; user?: string }
    if (path.endsWith('/tokenreviews')) {
      const authenticated = spec.token === 'good'
      return { status: { authenticated, user: authenticated ? { username: 'tok', groups: ['g'] } : {} } }
    }
    return path.endsWith('/subjectaccessreviews') ? { status: { allowed: spec.user === 'reader' } } : undefined
  }
  const child = startController('kube-scheduler', [
    `--kubeconfig=${folder.path}/kubeconfig`,
    `--authentication-kubeconfig=${folder.path}/kubeconfig`,
    `--authorization-kubeconfig=${folder.path}/kubeconfig`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    '--tls-min-version=VersionTLS12',
  ])
  t.teardown(() => {
    child.kill()
    api.close()
    folder.remove()
  })
  t.equal(await listeningAt(child), `127.0.0.1:${port}`)
  const lookedUp = 'GET /api/v1/namespaces/kube-system/configmaps'
  await api.until(
    () => (api.requests.filter((each) => each === lookedUp).length > 1 ? true : undefined),
    'the client CA',
  )
  const metrics = (credential: object): Promise<[number, string]> => ask('/metrics', credential)
  const forbidden = (user: string): string =>
    `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"forbidden: User \\"${user}\\" cannot get path \\"/metrics\\"","reason":"Forbidden","details":{},"code":403}\n`
  const unauthorized =
    '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}\n'
  const bearer = (token: string): object => ({ headers: { authorization: `Bearer ${token}` } })
  t.strictSame(await ask('/healthz', {}), [200, 'ok'])
  t.strictSame(await ask('/livez', {}), [200, 'ok'])
  t.strictSame(await metrics({}), [403, forbidden('system:anonymous')])
  t.strictSame(await metrics({ cert: nobody.certificate, key: nobody.privateKey }), [403, forbidden('nobody')])
  t.strictSame(await metrics(bearer('good')), [403, forbidden('tok')])
  t.strictSame(await metrics(bearer('bad')), [401, unauthorized])
  t.strictSame(await ask('/healthz', bearer('bad')), [401, unauthorized], 'a bad credential is worse than none')
  t.strictSame(await metrics({ cert: stranger.certificate, key: stranger.privateKey }), [401, unauthorized])
  t.match(await metrics({ cert: reader.certificate, key: reader.privateKey }), [200, /^rest_client_requests_total/m])
  t.match(await metrics({ cert: admin.certificate, key: admin.privateKey }), [200, /leader_election_master_status/])
  t.strictSame(await ask('/nothere', { cert: admin.certificate, key: admin.privateKey }), [404, '404 page not found\n'])
  const refusals = child.witnessed.filter(({ about, decision }) => about === 'request' && decision === 'refuse')
  t.strictSame(
    refusals.map(({ layer, code, identity, request: what }) => [layer, code, identity, what]),
    [
      ['403-rbac', 'Forbidden', 'system:anonymous', 'GET /metrics'],
      ['403-rbac', 'Forbidden', 'nobody', 'GET /metrics'],
      ['403-rbac', 'Forbidden', 'tok', 'GET /metrics'],
      ['401', 'Unauthorized', undefined, 'GET /metrics'],
      ['401', 'Unauthorized', undefined, 'GET /healthz'],
      ['401', 'Unauthorized', 'CN=root,O=system:masters', 'GET /metrics'],
    ],
  )
})

t.test('a start that is refused', async (t) => {
  for (const [args, text] of [
    [['--nonsense=1'], 'Error: unknown flag: --nonsense\n'],
    [['--kubeconfig=/nonexistent'], '"command failed" err="stat /nonexistent: no such file or directory"'],
    [['--tls-min-version=Bogus'], '"command failed" err="unknown tls version \\"Bogus\\""'],
    [['--tls-cipher-suites=BOGUS'], '"command failed" err="Cipher suite BOGUS not supported or doesn\'t exist"'],
    [
      ['--bind-address=bogus'],
      'Error: invalid argument "bogus" for "--bind-address" flag: failed to parse IP: "bogus"\n',
    ],
  ] as const) {
    const child = startController('kube-scheduler', args)
    t.equal(await child.exited, 1, args.join(' '))
    t.ok(child.stderr().includes(text), text, { stderr: child.stderr() })
  }
})

function askAt(port: number, path: string, credential: object): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, rejectUnauthorized: false, agent: false, ...credential }
    const asked = request(options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve([response.statusCode ?? 0, text]))
    })
    asked.on('error', reject).end()
  })
}
