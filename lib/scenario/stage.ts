/** Puts a goal into a cluster for one attempt: a fresh canary in objects with names of their own, so that acts do not meet. */
import { createHash, randomBytes } from 'node:crypto'
import type { Operator } from '../cluster/operator.ts'
import type { KubeObject } from '../kube/object.ts'
import type { Variant, Staged } from './scenario.ts'

let staged = 0

/** Where everything of a run lies. */
const NAMESPACE = 'range'

/**
 * A canary starts with a word that is easy to find raw and in base64 at offset 0 (`Y2FuYXJ5`), so that components can
 * witness it crossing a connection; 120 random bits make it unguessable.
 */
export function newCanary(): string {
  return `canary-${randomBytes(15).toString('base64url')}`
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

export async function stage(operator: Operator, variant: Variant, target?: string): Promise<Staged> {
  const { goal } = variant
  const number = String(++staged).padStart(4, '0')
  const canary = newCanary()
  const node = 'node' in goal && goal.node !== undefined ? goal.node : ''
  const namespace = NAMESPACE
  const result: Staged = {
    variant: variant.id,
    ...(target === undefined ? {} : { target }),
    namespace,
    secret: `canary-${number}`,
    pod: `vault-${number}`,
    node,
    canary,
  }
  await operator.ensure('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  if (('read' in goal && goal.read === 'secret') || ('erase' in goal && goal.erase === 'secret')) {
    await operator.create(`/api/v1/namespaces/${namespace}/secrets`, secret(result))
  }
  if (node) {
    // The controller-manager makes it; admission lets no Pod in without.
    await operator.waitFor(`/api/v1/namespaces/${namespace}/serviceaccounts/default`)
    await operator.createPod(
      pod(result, 'read' in goal && goal.read !== 'word' && goal.read !== 'fact' ? goal.read : 'none'),
    )
    await operator.waitForPod(namespace, result.pod)
  }
  return result
}

/** Takes the goal away again, so that a long run's cluster stays small. */
export async function unstage(operator: Operator, goal: Staged): Promise<void> {
  await operator.undo()
  const { namespace, pod, secret } = goal
  await Promise.all([
    goal.node ? operator.delete(`/api/v1/namespaces/${namespace}/pods/${pod}`) : undefined,
    operator.delete(`/api/v1/namespaces/${namespace}/secrets/${secret}`),
  ])
}

function secret(goal: Staged): object {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: goal.secret, namespace: goal.namespace },
    type: 'Opaque',
    data: { value: Buffer.from(goal.canary).toString('base64') },
  }
}

/** A Pod that uses the Secret in both ways that Kubernetes offers, on a node that the administrator chose. */
function pod(goal: Staged, holds: 'secret' | 'stream' | 'pod' | 'none'): KubeObject {
  const usesSecret = holds === 'secret'
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: goal.pod,
      namespace: goal.namespace,
      ...(holds === 'pod' ? { annotations: { 'example.com/note': goal.canary } } : {}),
    },
    spec: {
      nodeName: goal.node,
      containers: [
        {
          name: 'main',
          image: 'registry.example/vault:1',
          command: ['sleep', 'infinity'],
          ...(usesSecret
            ? {
                env: [{ name: 'CANARY', valueFrom: { secretKeyRef: { name: goal.secret, key: 'value' } } }],
                volumeMounts: [{ name: 'canary', mountPath: '/etc/canary', readOnly: true }],
              }
            : {}),
        },
      ],
      ...(usesSecret ? { volumes: [{ name: 'canary', secret: { secretName: goal.secret } }] } : {}),
    },
  }
}
