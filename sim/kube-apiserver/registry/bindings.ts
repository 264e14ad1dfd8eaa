/** pods/binding, bindings and pods/eviction: pkg/registry/core/pod/storage/{storage,eviction}.go. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { badRequest, conflict, invalid, StatusError } from '../../../lib/kube/status.ts'
import type { Status } from '../../../lib/kube/status.ts'
import { admissionRequest, assertAdmitted } from './api-call.ts'
import type { Answer, ApiCall, RegistryContext } from './api-call.ts'
import { deleteNamed } from './delete.ts'
import { notSupported, required } from './field-errors.ts'
import { podSpecOf, podStatusOf } from './pods.ts'
import { decodeBody } from './request-body.ts'
import { findResource } from './resources.ts'
import { parseLabelSelector } from './selector.ts'
import { modifyObject } from './update.ts'
import { createOptions } from './write-options.ts'

const CREATED: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }

interface Target {
  kind?: string
  name?: string
}

/** Puts a Pod on a node. The name is the URL's, or the body's for the old `bindings` resource. */
export async function bindPod(call: ApiCall, context: RegistryContext): Promise<Answer> {
  const { dryRun } = createOptions(call.query)
  const binding = await decodeBody(await call.body(), call.contentType, { group: '', version: 'v1', kind: 'Binding' })
  const name = call.info.name || binding.metadata.name || ''
  if (binding.metadata.name && binding.metadata.name !== name)
    throw badRequest('name in URL does not match name in Binding object')
  const asked = admissionRequest(call, 'CREATE', { object: binding })
  assertAdmitted(context.admission.mutate(asked) ?? context.admission.validate(asked))
  const { kind = '', name: node = '' } = (binding['target'] as Target | undefined) ?? {}
  const errors = [
    ...(kind !== '' && kind !== 'Node' ? [notSupported('target.kind', kind, ['Node', '<empty>'])] : []),
    ...(node === '' ? [required('target.name')] : []),
  ]
  if (errors.length > 0) throw invalid('Binding', '', name, errors)
  // the registry of Pods does this itself: admission has seen the Binding, not an update of the Pod
  await modifyObject(podCall(call, name), withoutAdmission(context), {
    dryRun,
    change: (pod) => pod,
    prepare: (pod) => assign(pod, binding, node),
  })
  return { code: 201, body: CREATED }
}

function assign(pod: KubeObject, binding: KubeObject, node: string): void {
  const refuse = (why: string): StatusError =>
    conflict({ group: '', resource: 'pods/binding' }, pod.metadata.name ?? '', why)
  const spec = podSpecOf(pod)
  if (binding.metadata.uid && binding.metadata.uid !== pod.metadata.uid) {
    throw refuse(
      `Precondition failed: UID in precondition: ${binding.metadata.uid}, UID in object meta: ${pod.metadata.uid}`,
    )
  }
  if (pod.metadata.deletionTimestamp)
    throw refuse(`pod ${pod.metadata.name} is being deleted, cannot be assigned to a host`)
  if (spec.nodeName) throw refuse(`pod ${pod.metadata.name} is already assigned to node "${spec.nodeName}"`)
  pod['spec'] = { ...spec, nodeName: node }
  pod.metadata.generation = (pod.metadata.generation ?? 0) + 1
  const status = podStatusOf(pod)
  const conditions = ((status['conditions'] as { type?: string }[] | undefined) ?? []).filter(
    ({ type }) => type !== 'PodScheduled',
  )
  const lastTransitionTime = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
  const scheduled = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime }
  pod['status'] = { ...status, conditions: [...conditions, scheduled] }
}

/** Deletes a Pod unless a PodDisruptionBudget forbids it. */
export async function evictPod(call: ApiCall, context: RegistryContext): Promise<Answer> {
  const { info, query } = call
  createOptions(query)
  const expected = { group: 'policy', version: 'v1', kind: 'Eviction' }
  const eviction = await decodeBody(await call.body(), call.contentType, expected)
  if (eviction.metadata.name !== info.name) throw badRequest('name in URL does not match name in Eviction object')
  const asked = admissionRequest(call, 'CREATE', { object: eviction })
  assertAdmitted(context.admission.mutate(asked) ?? context.admission.validate(asked))
  const options = (eviction['deleteOptions'] ?? {}) as { dryRun?: string[]; gracePeriodSeconds?: number }
  assertDisruptable(context, info.namespace, info.name)
  await deleteNamed(podCall(call, info.name), withoutAdmission(context), info.name, {
    dryRun: query.has('dryRun') || (options.dryRun ?? []).length > 0,
    ...(options.gracePeriodSeconds !== undefined && { gracePeriodSeconds: options.gracePeriodSeconds }),
  })
  return { code: 201, body: CREATED }
}

interface Budget {
  spec?: { selector?: { matchLabels?: Record<string, string> } }
  status?: { disruptionsAllowed?: number; observedGeneration?: number }
}

function assertDisruptable({ cache }: RegistryContext, namespace: string, name: string): void {
  const pod = cache.get('pods', namespace, name)
  if (!pod) return
  const { phase } = podStatusOf(pod)
  if (phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending' || pod.metadata.deletionTimestamp) return
  const budgets = cache.list('poddisruptionbudgets', namespace).filter((budget) => selects(budget, pod))
  if (budgets.length > 1) {
    const message = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.'
    throw new StatusError(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] })
  }
  const [budget] = budgets
  if (!budget || ((budget as Budget).status?.disruptionsAllowed ?? 0) > 0) return
  const cause = {
    reason: 'DisruptionBudget',
    message: `The disruption budget ${budget.metadata.name} needs 0 healthy pods and has 0 currently`,
  }
  const message = "Cannot evict pod as it would violate the pod's disruption budget."
  throw new StatusError(429, 'TooManyRequests', message, { causes: [cause] })
}

function selects(budget: KubeObject, pod: KubeObject): boolean {
  const labels = (budget as Budget).spec?.selector?.matchLabels ?? {}
  const wanted = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  return parseLabelSelector(wanted.join(',')).every(({ key, values }) => values[0] === pod.metadata.labels?.[key])
}

function podCall(call: ApiCall, name: string): ApiCall {
  const pods = findResource('', 'v1', 'pods')
  if (!pods) throw new Error('[resource_table] pods: not in the table')
  return { ...call, resource: pods, info: { ...call.info, resource: 'pods', subresource: 'binding', name } }
}

function withoutAdmission(context: RegistryContext): RegistryContext {
  return { ...context, admission: { ready: async () => {}, mutate: () => undefined, validate: () => undefined } }
}
