/**
 * The cluster that the recorded answers were asked in, in memory: the bootstrap policy, the aggregated roles, and the objects
 * of state.json in their order, each let in by the admission plugins as system:masters wrote it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { serviceAccountGroups, serviceAccountUsername } from '../../../lib/kube/service-account-user.ts'
import type { User } from '../../../lib/kube/user.ts'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { createAdmission } from '../../../sim/kube-apiserver/admission/admission.ts'
import type { Admission } from '../../../sim/kube-apiserver/admission/admission.ts'
import { createAuthorizer } from '../../../sim/kube-apiserver/authorization/authorizer.ts'
import type { AuthorizationMode, Authorize } from '../../../sim/kube-apiserver/authorization/authorizer.ts'
import { bootstrapPolicy } from '../../../sim/kube-apiserver/authorization/bootstrap-policy.ts'
import { requestInfo } from '../../../sim/kube-apiserver/authorization/request-info.ts'
import { MemoryObjects } from './memory-objects.ts'

/** A recorded table, as this folder holds it. */
export function recorded<Row>(file: string): Row[] {
  const rows: Row[] = JSON.parse(readFileSync(join(packageRoot(), 'test/fidelity/kube-apiserver', file), 'utf8'))
  return rows
}

interface StateStep {
  how: 'POST' | 'STATUS'
  path: string
  object: KubeObject
}

export interface RecordedPolicy {
  setup: 'apiserver-only' | 'with-controller-manager'
  object: KubeObject
}

export interface World {
  objects: MemoryObjects
  authorize: Authorize
  admission: Admission
}

const SUPER_ADMIN: User = { username: 'kubernetes-super-admin', groups: ['system:masters', 'system:authenticated'] }

export function recordedWorld(modes: readonly AuthorizationMode[] = ['Node', 'RBAC']): World {
  const objects = new MemoryObjects()
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
    objects.put('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  }
  for (const object of bootstrapPolicy()) objects.put(`${object.kind.toLowerCase()}s`, object)
  // what kube-controller-manager's aggregation makes of admin, edit and view
  for (const { setup, object } of recorded<RecordedPolicy>('bootstrap-rbac.json')) {
    if (setup === 'with-controller-manager') objects.put('clusterroles', object)
  }
  const authorize = createAuthorizer(modes, objects)
  const admission = createAdmission({ enable: ['NodeRestriction'], disable: [] }, { objects, authorize })
  for (const step of recorded<StateStep>('state.json')) apply(step, objects, admission)
  return { objects, authorize, admission }
}

function apply({ how, path, object }: StateStep, objects: MemoryObjects, admission: Admission): void {
  const request = requestInfo(how === 'POST' ? 'POST' : 'PUT', path)
  if (how === 'POST') {
    const refusal = admission.mutate({ operation: 'CREATE', request, user: SUPER_ADMIN, object })
    if (refusal) throw new Error(`[state_refused] ${path}: ${refusal.status.message}`)
    objects.put(request.resource, withData(object))
    return
  }
  const stored = objects.get(request.resource, request.namespace, request.name)
  if (!stored) throw new Error(`[state_order] ${path}: no such object to give a status to`)
  objects.put(request.resource, { ...stored, status: object })
}

/** What the registry makes of a Secret's stringData. */
function withData(object: KubeObject): KubeObject {
  const { stringData, ...rest } = object
  if (typeof stringData !== 'object' || stringData === null) return object
  const data = Object.entries(stringData).map(([key, value]) => [key, Buffer.from(String(value)).toString('base64')])
  return { ...rest, data: Object.fromEntries(data) }
}

interface Credential {
  kind: string
  name: string
  subject?: [attribute: string, value: string][]
}

/** Who a row's identity is, once authenticated: by the subject of its certificate or the name of its token. */
export function identities(): (identity: string) => User {
  const certificates = new Map(recorded<Credential>('credentials.json').map((each) => [each.name, each.subject ?? []]))
  return (identity) => {
    if (identity === 'anonymous') return { username: 'system:anonymous', groups: ['system:unauthenticated'] }
    const token = TOKEN_USERS[identity]
    if (token) return token
    const subject = certificates.get(identity)
    if (!subject) throw new Error(`[identity_unknown] ${identity}: in no credential`)
    const values = (attribute: string): string[] =>
      subject.filter(([each]) => each === attribute).map(([, value]) => value)
    return { username: values('CN').at(-1) ?? '', groups: [...values('O'), 'system:authenticated'] }
  }
}

function account(namespace: string, name: string): User {
  return {
    username: serviceAccountUsername(namespace, name),
    groups: [...serviceAccountGroups(namespace), 'system:authenticated'],
  }
}

const TOKEN_USERS: Record<string, User> = {
  'token:sa-app': account('team-a', 'app'),
  'token:sa-default': account('team-a', 'default'),
  'token:sa-kube-system-default': account('kube-system', 'default'),
  'token:sa-kube-proxy': account('kube-system', 'kube-proxy'),
  'token:sa-aggregation': account('kube-system', 'clusterrole-aggregation-controller'),
  'token:sa-certificate-controller': account('kube-system', 'certificate-controller'),
  'token:sa-monitoring': account('kube-system', 'monitoring'),
  'token:bootstrap': {
    username: 'system:bootstrap:abcdef',
    groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token', 'system:authenticated'],
  },
}
