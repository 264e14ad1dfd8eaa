import t from 'tap'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { User } from '../../../lib/kube/user.ts'
import { createAuthorizer } from '../../../sim/kube-apiserver/authorization/authorizer.ts'
import { bootstrapPolicy } from '../../../sim/kube-apiserver/authorization/bootstrap-policy.ts'
import { parseFieldSelector } from '../../../sim/kube-apiserver/authorization/field-selector.ts'
import { forbiddenMessage } from '../../../sim/kube-apiserver/authorization/forbidden-message.ts'
import { NodeGraph } from '../../../sim/kube-apiserver/authorization/node-graph.ts'
import { ruleAllows } from '../../../sim/kube-apiserver/authorization/policy-rule.ts'
import type { PolicyRule } from '../../../sim/kube-apiserver/authorization/policy-rule.ts'
import { requestInfo } from '../../../sim/kube-apiserver/authorization/request-info.ts'
import { EXCEPTIONS } from '../../fidelity/kube-apiserver/authz-exceptions.ts'
import { AuthzReplay } from '../../fidelity/kube-apiserver/authz-replay.ts'
import type { AuthzRow } from '../../fidelity/kube-apiserver/authz-replay.ts'
import { MemoryObjects } from '../../fidelity/kube-apiserver/memory-objects.ts'
import { recorded } from '../../fidelity/kube-apiserver/recorded-world.ts'
import type { RecordedPolicy } from '../../fidelity/kube-apiserver/recorded-world.ts'

const NODE: User = { username: 'system:node:worker-1', groups: ['system:nodes', 'system:authenticated'] }
const ALICE: User = { username: 'alice', groups: ['system:authenticated'] }

/** Every row is in the full run (test/fidelity); this is each seventh of them. */
const SAMPLE = 7

t.test('a sample of the recorded answers', async (t) => {
  const replay = new AuthzReplay()
  const counts = new Map<string, number>()
  for (const [at, row] of recorded<AuthzRow>('authz.json').entries()) {
    if (at % SAMPLE !== 0 || EXCEPTIONS[row.id] !== undefined) continue
    const outcome = replay.replay(row)
    if (typeof outcome === 'string') counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
    else t.equal(outcome.got, outcome.expected, row.id)
  }
  t.comment([...counts].map(([what, rows]) => `${what} ${rows}`).join(', '))
  t.ok((counts.get('authorization') ?? 0) > 300, 'most of the sample is about authorization')
})

const objectKey = ({ kind, metadata }: KubeObject): string => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`

t.test('bootstrapPolicy() is what a new cluster has', async (t) => {
  const ours = new Map(bootstrapPolicy().map((object) => [objectKey(object), object]))
  const theirs = recorded<RecordedPolicy>('bootstrap-rbac.json').filter(({ setup }) => setup === 'apiserver-only')
  t.equal(ours.size, theirs.length)
  for (const { object } of theirs) t.strictSame(ours.get(objectKey(object)), object, objectKey(object))
})

t.test('requestInfo()', async (t) => {
  const cases: [method: string, url: string, verb: string, what: string][] = [
    ['GET', '/version', 'get', 'path /version'],
    ['FOO', '/version', 'foo', 'path /version'],
    ['GET', '/api/v1', 'get', 'path /api/v1'],
    ['GET', '/apis/apps/v1', 'get', 'path /apis/apps/v1'],
    ['GET', '/api/v1/pods', 'list', 'pods in  named '],
    ['GET', '/api/v1/pods?watch=1', 'watch', 'pods in  named '],
    ['GET', '/api/v1/pods?watch=false', 'list', 'pods in  named '],
    ['GET', '/api/v1/watch/namespaces/x/pods', 'watch', 'pods in x named '],
    ['GET', '/api/v1/namespaces/x', 'get', 'namespaces in x named x'],
    ['PUT', '/api/v1/namespaces/x/finalize', 'update', 'namespaces/finalize in x named x'],
    ['GET', '/api/v1/namespaces/x/pods?fieldSelector=metadata.name%3Dp', 'list', 'pods in x named p'],
    ['DELETE', '/api/v1/namespaces/x/pods', 'deletecollection', 'pods in x named '],
    ['POST', '/api/v1/namespaces/x/pods/p/exec?command=id', 'create', 'pods/exec in x named p'],
    ['HEAD', '/api/v1/nodes/n/proxy/pods', 'get', 'nodes/proxy in  named n'],
    ['OPTIONS', '/api/v1/nodes/n', '', 'nodes in  named n'],
    ['PATCH', '/apis/coordination.k8s.io/v1/namespaces/n/leases/l', 'patch', 'leases.coordination.k8s.io in n named l'],
    ['GET', '/api/v1/namespaces/x/secrets/..%2f..%2fnodes', 'get', 'secrets/.. in x named ..'],
    ['GET', 'https://127.0.0.1:6443/api/v1/nodes/n', 'get', 'nodes in  named n'],
  ]
  for (const [method, url, verb, what] of cases) {
    const info = requestInfo(method, url)
    const resource = [info.resource, info.subresource].filter((part) => part !== '').join('/')
    const group = info.apiGroup === '' ? '' : `.${info.apiGroup}`
    const got = info.isResourceRequest
      ? `${resource}${group} in ${info.namespace} named ${info.name}`
      : `path ${info.path}`
    t.strictSame([info.verb, got], [verb, what], `${method} ${url}`)
  }
  t.throws(() => requestInfo('GET', '/api/v1/watch'), { message: /^unable to determine kind and namespace/ })
  t.throws(() => requestInfo('GET', '/api/v1/%zz'), { message: 'invalid URL escape "%zz"' })
})

t.test('parseFieldSelector()', async (t) => {
  t.strictSame(parseFieldSelector('a=b,c!=d,e==f\\,g'), [
    { field: 'a', operator: '=', value: 'b' },
    { field: 'c', operator: '!=', value: 'd' },
    { field: 'e', operator: '=', value: 'f,g' },
  ])
  t.strictSame(parseFieldSelector(''), [])
  t.equal(parseFieldSelector('nonsense'), undefined)
})

const getRequest = (path: string): ReturnType<typeof requestInfo> => requestInfo('GET', path)

const ruleOn = (resources: string[], names?: string[]): PolicyRule => ({
  verbs: ['get', 'list'],
  apiGroups: [''],
  resources,
  ...(names && { resourceNames: names }),
})

t.test('ruleAllows() reads wildcards as RBAC does', async (t) => {
  t.equal(ruleAllows(ruleOn(['pods']), getRequest('/api/v1/namespaces/a/pods/p')), true)
  t.equal(
    ruleAllows(ruleOn(['pods']), getRequest('/api/v1/namespaces/a/pods/p/log')),
    false,
    'a subresource is its own',
  )
  t.equal(ruleAllows(ruleOn(['pods/*']), getRequest('/api/v1/namespaces/a/pods/p/log')), false, 'pods/* is no wildcard')
  t.equal(ruleAllows(ruleOn(['*/log']), getRequest('/api/v1/namespaces/a/pods/p/log')), true)
  t.equal(ruleAllows(ruleOn(['*']), getRequest('/api/v1/namespaces/a/pods/p/log')), true)
  t.equal(ruleAllows(ruleOn(['pods'], ['q']), getRequest('/api/v1/namespaces/a/pods/p')), false)
  t.equal(ruleAllows(ruleOn(['pods'], ['p']), getRequest('/api/v1/namespaces/a/pods')), false, 'a list has no name')
  t.equal(
    ruleAllows(ruleOn(['pods'], ['p']), getRequest('/api/v1/namespaces/a/pods?fieldSelector=metadata.name=p')),
    true,
  )
  t.equal(ruleAllows(ruleOn(['pods']), getRequest('/apis/apps/v1/namespaces/a/pods/p')), false, 'another group')
  const urls: PolicyRule = { verbs: ['get'], nonResourceURLs: ['/healthz/*'] }
  t.equal(ruleAllows(urls, getRequest('/healthz/etcd')), true)
  t.equal(ruleAllows(urls, getRequest('/healthz')), false)
})

t.test('forbiddenMessage() escapes what the client wrote, not what an authorizer said', async (t) => {
  const info = requestInfo('GET', '/<script>&')
  t.equal(
    forbiddenMessage('a<b', info, 'x < y'),
    'forbidden: User "a&lt;b" cannot get path "/&lt;script&gt;&amp;": x < y',
  )
})

function pod(name: string, spec: object, annotations: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'a', annotations }, spec }
}

t.test('NodeGraph follows the Pods', async (t) => {
  const objects = new MemoryObjects()
  const graph = new NodeGraph().follow(objects)
  const reaches = (node = 'worker-1'): boolean => graph.reaches('secret', 'a', 's', node)
  const withSecret = { nodeName: 'worker-1', volumes: [{ name: 'v', secret: { secretName: 's' } }] }

  t.equal(reaches(), false)
  objects.put('pods', pod('pending', { volumes: [{ name: 'v', secret: { secretName: 's' } }] }))
  t.equal(reaches(), false, 'a Pod without a node opens nothing')
  objects.put('pods', pod('p', withSecret))
  t.equal(reaches(), true)
  t.equal(reaches('worker-2'), false)
  t.equal(graph.reaches('secret', 'b', 's', 'worker-1'), false, 'the namespace counts')
  objects.put('pods', { ...pod('p', withSecret), status: { phase: 'Succeeded' } })
  t.equal(reaches(), true, 'a Pod that has ended still opens its Secret')
  objects.put('pods', pod('q', withSecret))
  objects.delete('pods', 'a', 'p')
  t.equal(reaches(), true, 'another Pod names it too')
  objects.delete('pods', 'a', 'q')
  t.equal(reaches(), false)
  objects.put('pods', pod('m', withSecret, { 'kubernetes.io/config.mirror': 'x' }))
  t.equal(reaches(), false, 'a mirror pod opens nothing')
  t.equal(graph.reaches('pod', 'a', 'm', 'worker-1'), true)
})

t.test('whose word a refusal is', async (t) => {
  const objects = new MemoryObjects()
  for (const object of bootstrapPolicy()) objects.put(`${object.kind.toLowerCase()}s`, object)
  const secret = requestInfo('GET', '/api/v1/namespaces/a/secrets/s')
  const reason = "no relationship found between node 'worker-1' and this object"
  t.strictSame(createAuthorizer(['Node', 'RBAC'], objects)(NODE, secret), {
    decision: 'no-opinion',
    reason,
    by: 'node',
  })
  t.strictSame(createAuthorizer(['RBAC', 'Node'], objects)(NODE, secret), {
    decision: 'no-opinion',
    reason,
    by: 'node',
  })
  t.strictSame(createAuthorizer(['RBAC'], objects)(NODE, secret), { decision: 'no-opinion', reason: '', by: 'rbac' })
  t.strictSame(createAuthorizer(['Node', 'RBAC'], objects)(ALICE, secret), {
    decision: 'no-opinion',
    reason: '',
    by: 'rbac',
  })
  t.match(createAuthorizer(['Node', 'AlwaysAllow'], objects)(NODE, secret), { decision: 'allow', by: 'always-allow' })
  t.match(createAuthorizer([], objects)(ALICE, secret), { decision: 'allow', by: 'always-allow' })
  t.match(createAuthorizer(['AlwaysDeny'], objects)(ALICE, secret), {
    decision: 'no-opinion',
    reason: 'Everything is forbidden.',
  })
  const masters: User = { username: 'x', groups: ['system:masters'] }
  t.match(createAuthorizer(['AlwaysDeny'], objects)(masters, secret), { decision: 'allow', by: 'system:masters' })
  t.match(createAuthorizer(['Node', 'RBAC'], objects)(NODE, requestInfo('GET', '/api/v1/services')), {
    decision: 'allow',
    by: 'node',
  })
})

const bindingTo = (name: string, role: string): KubeObject => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
  subjects: [{ kind: 'User', name: 'alice' }],
})

t.test('a binding of a role that is not there is told, and the others still count', async (t) => {
  const objects = new MemoryObjects()
  objects.put('clusterrolebindings', bindingTo('dangling', 'missing'))
  const authorize = createAuthorizer(['RBAC'], objects)
  const request = requestInfo('GET', '/api/v1/namespaces/a/pods/p')
  t.match(authorize(ALICE, request), {
    decision: 'no-opinion',
    reason: 'RBAC: clusterrole.rbac.authorization.k8s.io "missing" not found',
  })
  objects.put('clusterrolebindings', bindingTo('readers', 'read'))
  objects.put('clusterroles', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'read' },
    rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
  })
  t.match(authorize(ALICE, request), {
    decision: 'allow',
    reason: 'RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "read" to User "alice"',
  })
})
