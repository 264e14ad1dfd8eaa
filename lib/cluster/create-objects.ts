/** Creates a posture's own objects, as its cluster/*.yaml say. */
import { StatusError } from '../kube/client.ts'
import type { KubeObject } from '../kube/object.ts'
import { parseAllDocuments } from '../settings/yaml.ts'
import { collectionPath } from './object-path.ts'
import type { Operator } from './operator.ts'

/** What must be there before another can be created: a namespace before what lies in it, a Pod's Secrets before the Pod. */
const WAVES: ReadonlyArray<(object: KubeObject) => boolean> = [
  ({ kind }) => kind === 'Namespace',
  ({ kind }) => kind !== 'Namespace' && kind !== 'Pod',
  ({ kind }) => kind === 'Pod',
]

/**
 * What is there already, by kube-apiserver's own bootstrap or from before, stays as it is.
 *
 * @throws Error `[object_refused]` with kube-apiserver's words, `[object_kind]`
 */
export async function createObjects(operator: Operator, texts: readonly string[]): Promise<void> {
  const objects = texts
    .flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as KubeObject | null))
    .filter((object) => object !== null)
  for (const wave of WAVES) await Promise.all(objects.filter(wave).map((object) => create(operator, object)))
}

async function create(operator: Operator, object: KubeObject): Promise<void> {
  try {
    if (object.kind === 'Pod') await operator.createPod(object)
    else await operator.create(collectionPath(object), object)
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    if (error.status === 409) return
    const name = `${object.kind} ${object.metadata.name ?? ''}`.trimEnd()
    throw new Error(`[object_refused] ${name} of cluster/: kube-apiserver says: ${error.message}`, { cause: error })
  }
}
