/** What /pods and /runningpods answer. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { witnessCanaries } from '../../../lib/cluster/canary-witness.ts'
import { specOf } from '../pods/pod-spec.ts'
import type { PodWorker } from '../pods/pod-worker.ts'
import { answer, json } from './answer.ts'

export function podList(
  request: IncomingMessage,
  response: ServerResponse,
  connection: { local: string; remote: string },
  items: readonly object[],
): void {
  if (!accepts(request, 'application/json')) {
    return answer(response, 406, '406: Not Acceptable\n\nAvailable representations: application/json')
  }
  const list = { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: items.length > 0 ? items : null }
  witnessCanaries(JSON.stringify(list), connection)
  return json(response, list)
}

/** As the kubelet knows it: its own status in place of the object's. */
export function reported(worker: PodWorker): object {
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = worker.pod
  return { ...rest, status: worker.status }
}

/** What the runtime knows of it. */
export function running({ pod }: PodWorker): object {
  const { name, namespace, uid } = pod.metadata
  const containers = specOf(pod).containers.map(({ name: container, image = '' }) => ({
    name: container,
    image,
    resources: {},
  }))
  return {
    metadata: { name, namespace, uid },
    spec: { containers },
    status: {},
  }
}

function accepts({ headers }: IncomingMessage, type: string): boolean {
  const accept = headers.accept ?? ''
  const [group] = type.split('/')
  return (
    accept === '' || accept.split(',').some((each) => [type, '*/*', `${group}/*`].includes(each.split(';')[0]!.trim()))
  )
}
