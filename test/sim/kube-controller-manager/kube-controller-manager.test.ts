import t from 'tap'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { aggregated } from '../../../sim/kube-controller-manager/cluster-role-aggregation.ts'
import { isEnabled } from '../../../sim/kube-controller-manager/controllers.ts'
import { firstFree } from '../../../sim/kube-controller-manager/node-ipam.ts'
import { freePort, kubeconfigFolder, listeningAt, startController } from '../../lib/cluster/controller-child.ts'
import { objectServer } from '../../lib/kube/object-server.ts'

const ROLES = '/apis/rbac.authorization.k8s.io/v1/clusterroles'
const NODE = '/api/v1/nodes/w1'
const NOT_READY = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }
const OWN_TAINT = { key: 'own', effect: 'NoSchedule' }

function role(name: string, labels: Record<string, string>, verbs: string[]): KubeObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name, labels },
    rules: verbs.map((verb) => ({ verbs: [verb] })),
  }
}

function readyNode(status: string): object {
  const conditions = [{ type: 'Ready', status, lastHeartbeatTime: '2026-01-01T00:00:00Z', reason: 'KubeletReady' }]
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {},
    spec: { taints: [NOT_READY, OWN_TAINT] },
    status: { conditions },
  }
}

t.test('which controllers run, and what they work out', async (t) => {
  t.equal(isEnabled('a', ['*', 'b']), true)
  t.equal(isEnabled('a', ['*', '-a']), false)
  t.equal(isEnabled('a', ['b']), false)
  t.equal(firstFree('10.244.0.0/16', 24, new Set()), '10.244.0.0/24')
  t.equal(firstFree('10.244.0.0/16', 24, new Set(['10.244.0.0/24', '10.244.1.0/24'])), '10.244.2.0/24')
  t.equal(firstFree('10.0.0.0/25', 25, new Set(['10.0.0.0/25'])), undefined)
  const roles = [role('b', { x: '1' }, ['get', 'list']), role('a', { x: '1' }, ['get']), role('c', {}, ['watch'])]
  t.strictSame(aggregated('admin', [{ matchLabels: { x: '1' } }], roles), [{ verbs: ['get'] }, { verbs: ['list'] }])
})

t.test('keeps a cluster in order', async (t) => {
  const api = await objectServer()
  const folder = kubeconfigFolder(api.url)
  const writers = new Map<string, string>()
  api.intercept = ({ method, path, token = '' }) => {
    if (method !== 'GET') writers.set(`${method} ${path}`, token)
    const account = /serviceaccounts\/([^/]+)\/token$/.exec(path)?.[1]
    if (account) return { status: { token: account } }
    if (path === '/apis') return { groups: [] }
    if (path === '/api/v1') {
      const verbs = ['list', 'delete']
      return {
        resources: [
          { name: 'secrets', namespaced: true, verbs },
          { name: 'nodes', namespaced: false, verbs },
        ],
      }
    }
    return undefined
  }
  for (const name of ['default', 'kube-system']) {
    api.put(`/api/v1/namespaces/${name}`, { kind: 'Namespace', metadata: {}, spec: { finalizers: ['kubernetes'] } })
  }
  api.put(NODE, readyNode('True'))
  api.put(`${ROLES}/part`, role('part', { to: 'whole' }, ['get']))
  api.put(`${ROLES}/whole`, {
    ...role('whole', {}, []),
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: 'whole' } }] },
  })
  const child = startController('kube-controller-manager', [
    `--kubeconfig=${folder.path}/kubeconfig`,
    `--root-ca-file=${folder.file('ca.crt', 'the CA')}`,
    '--use-service-account-credentials=true',
    '--allocate-node-cidrs=true',
    '--cluster-cidr=10.244.0.0/16',
    '--controllers=*,bootstrapsigner,tokencleaner',
    '--node-monitor-period=50ms',
    '--node-monitor-grace-period=400ms',
    '--secure-port=0',
  ])
  t.teardown(() => {
    child.kill()
    api.close()
    folder.remove()
  })
  const object = (path: string): Promise<KubeObject> => api.until(() => api.objects.get(path), path)
  await object('/api/v1/namespaces/default/serviceaccounts/default')
  const published = await object('/api/v1/namespaces/default/configmaps/kube-root-ca.crt')
  t.strictSame(published['data'], { 'ca.crt': 'the CA' })
  api.put('/api/v1/namespaces/default/configmaps/kube-root-ca.crt', { ...published, data: { 'ca.crt': 'another' } })
  await api.until(() => {
    const map = api.objects.get('/api/v1/namespaces/default/configmaps/kube-root-ca.crt')
    return (map!['data'] as Record<string, string>)['ca.crt'] === 'the CA' ? true : undefined
  }, 'the CA is put back')
  const spec = (): { taints?: object[]; podCIDR?: string } => api.objects.get(NODE)!['spec'] as object
  await api.until(() => (spec().taints?.length === 1 && spec().podCIDR ? true : undefined), 'the node is cleared')
  t.match(spec(), { taints: [OWN_TAINT], podCIDR: '10.244.0.0/24' })
  await api.until(
    () => ((api.objects.get(`${ROLES}/whole`)!['rules'] as object[]).length > 0 ? true : undefined),
    'rules',
  )
  t.strictSame(api.objects.get(`${ROLES}/whole`)!['rules'], [{ verbs: ['get'] }])
  t.equal(writers.get('POST /api/v1/namespaces/default/serviceaccounts'), 'service-account-controller')
  t.equal(writers.get(`PATCH ${NODE}`), 'node-controller')
  t.equal(writers.get(`PUT ${ROLES}/whole`), 'clusterrole-aggregation-controller')

  const conditions = (): { type: string; status: string; reason: string; message: string }[] =>
    (api.objects.get(NODE)!['status'] as { conditions: never[] }).conditions
  await api.until(() => (conditions()[0]?.status === 'Unknown' ? true : undefined), 'the node is given up')
  t.match(conditions()[0], {
    type: 'Ready',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
  })
  const unreachable = 'node.kubernetes.io/unreachable'
  await api.until(() => (JSON.stringify(spec().taints).includes(unreachable) ? true : undefined), 'its taint')

  api.put('/api/v1/namespaces/default/secrets/s', { kind: 'Secret', metadata: {} })
  const namespace = api.objects.get('/api/v1/namespaces/default')!
  const deletionTimestamp = '2026-01-01T00:00:00Z'
  api.put('/api/v1/namespaces/default', { ...namespace, metadata: { ...namespace.metadata, deletionTimestamp } })
  await api.until(() => {
    const { finalizers } = api.objects.get('/api/v1/namespaces/default')!['spec'] as { finalizers: string[] }
    return finalizers.length === 0 ? true : undefined
  }, 'the namespace is finalized')
  t.equal(api.objects.has('/api/v1/namespaces/default/secrets/s'), false, 'emptied before')
  t.equal(writers.get('PUT /api/v1/namespaces/default/finalize'), 'namespace-controller')

  child.kill('SIGTERM')
  t.equal(await child.exited, 0)
  const lease = api.objects.get('/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager')
  t.match(lease?.['spec'], { holderIdentity: '' }, 'the Lease is let go')
})

t.test('an old one without credentials of its own serves in the clear', async (t) => {
  const port = await freePort()
  const api = await objectServer()
  const folder = kubeconfigFolder(api.url)
  const child = startController(
    'kube-controller-manager',
    [`--kubeconfig=${folder.path}/kubeconfig`, '--address=127.0.0.1', `--port=${port}`, '--secure-port=0'],
    { MTLS_RANGE_VERSION: 'v1.19.16' },
  )
  t.teardown(() => {
    child.kill()
    api.close()
    folder.remove()
  })
  t.equal(await listeningAt(child), `127.0.0.1:${port}`)
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
  t.equal(answer.status, 200)
  t.match(await answer.text(), /^process_start_time_seconds /m)
  const newer = startController('kube-controller-manager', [`--port=${port}`])
  t.equal(await newer.exited, 1)
  t.match(newer.stderr(), 'Error: unknown flag: --port\n')
})

t.test('a start that is refused', async (t) => {
  const folder = kubeconfigFolder('http://127.0.0.1:1')
  t.teardown(() => folder.remove())
  const kubeconfig = `--kubeconfig=${folder.path}/kubeconfig`
  for (const [args, err] of [
    [
      [kubeconfig, '--client-ca-file=/nonexistent'],
      'unable to load client CA provider: open /nonexistent: no such file or directory',
    ],
    [[kubeconfig, '--tls-cert-file=/etc/hostname'], 'missing filename for serving cert'],
    [
      [kubeconfig, '--authentication-kubeconfig=/nonexistent'],
      'failed to get delegated authentication kubeconfig: failed to get delegated authentication kubeconfig: stat /nonexistent: no such file or directory',
    ],
  ] as const) {
    const child = startController('kube-controller-manager', args)
    t.equal(await child.exited, 1, args.join(' '))
    t.ok(child.stderr().includes(`"command failed" err="${err}"`), err, { stderr: child.stderr() })
  }
})
