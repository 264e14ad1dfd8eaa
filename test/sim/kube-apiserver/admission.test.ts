import t from 'tap'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { User } from '../../../lib/kube/user.ts'
import {
  createAdmission,
  enabledPlugins,
  inertPlugins,
  unknownPlugins,
} from '../../../sim/kube-apiserver/admission/admission.ts'
import type { Admission } from '../../../sim/kube-apiserver/admission/admission.ts'
import { forbiddenNodeLabels } from '../../../sim/kube-apiserver/admission/node-labels.ts'
import type { AdmissionRefusal, AdmissionRequest } from '../../../sim/kube-apiserver/admission/plugin.ts'
import { requestInfo } from '../../../sim/kube-apiserver/authorization/request-info.ts'
import { recordedWorld } from '../../fidelity/kube-apiserver/recorded-world.ts'

const ADMIN: User = { username: 'kubernetes-admin', groups: ['kubeadm:cluster-admins', 'system:authenticated'] }
const NODE: User = { username: 'system:node:worker-1', groups: ['system:nodes', 'system:authenticated'] }

const world = recordedWorld()

function create(path: string, object: KubeObject, user = ADMIN): AdmissionRequest {
  return { operation: 'CREATE', request: requestInfo('POST', path), user, object }
}

function pod(spec: object, metadata: object = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'team-a', ...metadata },
    spec: { containers: [{ name: 'c' }], ...spec },
  }
}

function told(refusal: AdmissionRefusal | undefined): [code?: number, layer?: string, message?: string] {
  return refusal ? [refusal.status.code ?? 0, refusal.layer, refusal.status.message ?? ''] : []
}

const configMap = (): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' } })

const role = (rules: object[], more: object = {}): KubeObject => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'new' },
  rules,
  ...more,
})

t.test('which plugins are on', async (t) => {
  t.notOk(
    enabledPlugins({ enable: [], disable: [] }).includes('NodeRestriction'),
    'NodeRestriction is off unless enabled',
  )
  const kubeadm = { enable: ['NodeRestriction'], disable: [] }
  t.ok(enabledPlugins(kubeadm).includes('NodeRestriction'))
  t.notOk(enabledPlugins({ enable: [], disable: ['ServiceAccount'] }).includes('ServiceAccount'))
  t.ok(
    enabledPlugins({ enable: ['ServiceAccount'], disable: ['ServiceAccount'] }).includes('ServiceAccount'),
    'enabling wins',
  )
  t.strictSame(unknownPlugins({ enable: ['nodeRestriction'], disable: ['Nope'] }), ['nodeRestriction', 'Nope'])
  t.notOk(inertPlugins(kubeadm).includes('NodeRestriction'))
  t.ok(inertPlugins(kubeadm).includes('ResourceQuota'), 'what has no effect here is named')
})

t.test('ServiceAccount gives a Pod an account and its token', async (t) => {
  const plain = pod({})
  t.equal(world.admission.mutate(create('/api/v1/namespaces/team-a/pods', plain)), undefined)
  const spec = plain['spec'] as {
    serviceAccountName: string
    volumes: { name: string }[]
    containers: { volumeMounts: object[] }[]
  }
  t.equal(spec.serviceAccountName, 'default')
  t.match(spec.volumes[0]?.name, /^kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  t.match(spec.volumes, [
    {
      projected: {
        defaultMode: 0o644,
        sources: [
          { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
          { configMap: { name: 'kube-root-ca.crt' } },
          { downwardAPI: {} },
        ],
      },
    },
  ])
  t.match(spec.containers[0]?.volumeMounts, [
    { mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true },
  ])

  const without = pod({ automountServiceAccountToken: false })
  world.admission.mutate(create('/api/v1/namespaces/team-a/pods', without))
  t.equal((without['spec'] as { volumes?: unknown }).volumes, undefined)

  const nobody = world.admission.mutate(create('/api/v1/namespaces/team-a/pods', pod({ serviceAccountName: 'nobody' })))
  t.strictSame(told(nobody), [
    403,
    'admission',
    'pods "p" is forbidden: error looking up service account team-a/nobody: serviceaccount "nobody" not found',
  ])
  const off = createAdmission({ enable: [], disable: ['ServiceAccount'] }, world)
  t.equal(off.mutate(create('/api/v1/namespaces/team-a/pods', pod({ serviceAccountName: 'nobody' }))), undefined)
})

t.test('NamespaceLifecycle', async (t) => {
  const { objects, admission } = recordedWorld()
  t.strictSame(told(admission.mutate(create('/api/v1/namespaces/nowhere/configmaps', configMap()))), [
    404,
    'admission',
    'namespaces "nowhere" not found',
  ])
  objects.put('namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'going' },
    status: { phase: 'Terminating' },
  })
  const refusal = admission.mutate(create('/api/v1/namespaces/going/configmaps', configMap()))
  t.strictSame(told(refusal), [
    403,
    'admission',
    'configmaps "c" is forbidden: unable to create new content in namespace going because it is being terminated',
  ])
  t.match(refusal?.status.details?.causes, [
    { reason: 'NamespaceTerminating', message: 'namespace going is being terminated' },
  ])
})

t.test('a namespace that the cache has not heard of yet', async (t) => {
  const asked = create('/api/v1/namespaces/new/configmaps', configMap())
  const world = (seenAtLook: number, isStored: boolean, disable: string[] = []) => {
    const { objects, authorize } = recordedWorld()
    const questions: string[] = []
    let looks = 0
    const see = objects.get.bind(objects)
    objects.get = (resource, namespace, name) => {
      if (resource !== 'namespaces') return see(resource, namespace, name)
      const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
      return (looks += 1) >= seenAtLook ? object : undefined
    }
    const hasNamespace = async (name: string): Promise<boolean> => {
      questions.push(name)
      // By then it is a matter of moments.
      if (isStored) seenAtLook = looks + 2
      return isStored
    }
    const admission = createAdmission({ enable: [], disable }, { objects, authorize, hasNamespace })
    return { admission, questions, looks: () => looks }
  }
  const soon = world(3, true)
  await soon.admission.ready(asked)
  t.equal(soon.admission.mutate(asked), undefined)
  t.strictSame(soon.questions, [], 'a moment of patience is enough')
  const late = world(Infinity, true)
  await late.admission.ready(asked)
  t.strictSame(late.questions, ['new'], 'the store knows better than the cache')
  t.equal(late.admission.mutate(asked), undefined, 'which is waited for')
  const nowhere = world(Infinity, false)
  await nowhere.admission.ready(asked)
  t.strictSame(nowhere.questions, ['new'])
  t.match(told(nowhere.admission.mutate(asked)), [404])
  const off = world(Infinity, false, ['NamespaceLifecycle'])
  await off.admission.ready(asked)
  t.equal(off.looks(), 0, 'who does not ask does not wait')
})

t.test('which labels a node may set on itself', async (t) => {
  const allowed = [
    'kubernetes.io/hostname',
    'topology.kubernetes.io/zone',
    'node.kubernetes.io/x',
    'a.kubelet.kubernetes.io/x',
    'tier',
    'example.com/x',
    'kubernetes.io.example.com/x',
  ]
  t.strictSame(forbiddenNodeLabels(Object.fromEntries(allowed.map((key) => [key, '']))), [])
  const refused = [
    'a.node-restriction.kubernetes.io/x',
    'foo.k8s.io/x',
    'kubernetes.io/x',
    'node-restriction.kubernetes.io/x',
  ]
  t.strictSame(forbiddenNodeLabels(Object.fromEntries(refused.map((key) => [key, '']))), refused)
  t.strictSame(
    forbiddenNodeLabels({ 'kubernetes.io/x': 'a' }, { 'kubernetes.io/x': 'a' }),
    [],
    'one that stays is no change',
  )
  t.strictSame(forbiddenNodeLabels({}, { 'kubernetes.io/x': 'a' }), ['kubernetes.io/x'], 'taking one away is')
})

t.test('NodeRestriction keeps a kubelet to its Pods and tokens', async (t) => {
  const { objects, admission } = world
  const web = (name: string): KubeObject => objects.get('pods', 'team-a', name) ?? pod({})
  const status = (name: string, change: object): AdmissionRequest => ({
    operation: 'UPDATE',
    request: requestInfo('PATCH', `/api/v1/namespaces/team-a/pods/${name}/status`),
    user: NODE,
    oldObject: web(name),
    object: { ...structuredClone(web(name)), ...change },
  })
  t.equal(admission.mutate(status('web-1', { status: { phase: 'Failed' } })), undefined)
  t.match(told(admission.mutate(status('web-2', {}))), [
    403,
    'admission',
    /can only update pod status for pods with spec.nodeName set to itself$/,
  ])
  t.match(told(admission.mutate(status('web-1', { metadata: { ...web('web-1').metadata, labels: {} } }))), [
    403,
    'admission',
    'pods "web-1" is forbidden: node "worker-1" cannot update labels through pod status',
  ])
  const remove = (name: string): AdmissionRequest => ({
    operation: 'DELETE',
    request: requestInfo('DELETE', `/api/v1/namespaces/team-a/pods/${name}`),
    user: NODE,
    oldObject: web(name),
  })
  t.equal(admission.mutate(remove('web-1')), undefined)
  t.match(told(admission.mutate(remove('web-2'))), [
    403,
    'admission',
    /node "worker-1" can only delete pods with spec.nodeName set to itself/,
  ])

  const token = (name: string, audiences: string[]): AdmissionRequest => {
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid: web(name).metadata.uid }
    const request = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: {},
      spec: { audiences, boundObjectRef },
    }
    return create('/api/v1/namespaces/team-a/serviceaccounts/app/token', request, NODE)
  }
  t.equal(admission.mutate(token('web-1', [])), undefined)
  t.equal(admission.mutate(token('web-1', ['vault'])), undefined, 'an audience of a projected token')
  t.equal(admission.mutate(token('web-1', ['csi-audience'])), undefined, "an audience of a volume's CSI driver")
  t.match(told(admission.mutate(token('web-1', ['other']))), [
    403,
    'admission',
    'serviceaccounts "app" is forbidden: audience "other" not found in pod spec volume, system:node:worker-1 is not authorized to request tokens for this audience',
  ])
  t.match(told(admission.mutate(token('web-2', []))), [
    403,
    'admission',
    /node requested token bound to a pod scheduled on a different node$/,
  ])
  const allowed: Admission = createAdmission({ enable: [], disable: [] }, world)
  t.equal(allowed.mutate(token('web-2', [])), undefined, 'without the plugin nobody minds')
})

t.test('nobody grants what he does not hold', async (t) => {
  const user: User = { username: 'rbac-editor', groups: ['system:authenticated'] }
  const path = '/apis/rbac.authorization.k8s.io/v1/clusterroles'
  const held = role([{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }])
  t.equal(world.admission.mutate(create(path, held, user)), undefined)
  const more = role([{ verbs: ['get', 'list'], apiGroups: [''], resources: ['pods', 'secrets'], resourceNames: ['x'] }])
  t.strictSame(told(world.admission.mutate(create(path, more, user))), [
    403,
    '403-rbac',
    'clusterroles.rbac.authorization.k8s.io "new" is forbidden: user "rbac-editor" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
      '{APIGroups:[""], Resources:["pods"], ResourceNames:["x"], Verbs:["list"]}\n' +
      '{APIGroups:[""], Resources:["secrets"], ResourceNames:["x"], Verbs:["get"]}\n' +
      '{APIGroups:[""], Resources:["secrets"], ResourceNames:["x"], Verbs:["list"]}',
  ])
  t.match(told(world.admission.mutate(create(path, role([], { aggregationRule: {} }), user))), [
    403,
    '403-rbac',
    /must have cluster-admin privileges to use the aggregationRule$/,
  ])
  const masters: User = { username: 'x', groups: ['system:masters'] }
  t.equal(world.admission.mutate(create(path, more, masters)), undefined)
  const unchanged: AdmissionRequest = {
    operation: 'UPDATE',
    request: requestInfo('PUT', `${path}/new`),
    user,
    oldObject: more,
    object: structuredClone(more),
  }
  t.equal(world.admission.mutate(unchanged), undefined, 'leaving the rules alone is no grant')
})
