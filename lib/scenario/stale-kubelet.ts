/** A kubelet that hears no more of the API goes on with what it knew: what is bound to its node since does not run. */
import type { Operator } from '../cluster/operator.ts'
import type { Goal, Service } from './goal.ts'
import type { Staged } from './scenario.ts'

/** A kubelet that hears of a Pod starts it within tenths of a second; one that was cut off once needs a moment to dial again. */
const HEARD_MS = 5000

/** Needs the Secret of `emptySecret`. */
export function staleView(node: string): Goal {
  return { deny: 'a Pod that its kubelet does not hear of', node, asked: heardOfNewPod }
}

/** What a new Pod of the kubelet's is to have in its environment: an administrator creates it before. */
export async function emptySecret(operator: Operator, { namespace, secret: name }: Staged): Promise<void> {
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, data: { value: '' } }
  await operator.create(`/api/v1/namespaces/${namespace}/secrets`, secret)
}

async function heardOfNewPod(operator: Operator, goal: Staged): Promise<Service | undefined> {
  await operator.startCourier(goal)
  try {
    await operator.waitForPod(goal.namespace, `courier-of-${goal.pod}`, HEARD_MS)
    return { by: 'kubelet', text: 'a Pod that was bound since runs' }
  } catch (error) {
    if ((error as Error).message.startsWith('[pod_not_running]')) return undefined
    throw error
  }
}
