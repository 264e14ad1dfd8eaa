/** Creates a posture's own objects, as its cluster/*.yaml say. */
import { StatusError } from '../kube/client.ts'
import type { KubeObject } from '../kube/object.ts'
import { parseAllDocuments } from '../settings/yaml.ts'
import { collectionPath } from './object-path.ts'
import type { Operator } from './operator.ts'

/** What is there already, by kube-apiserver's own bootstrap or from before, stays as it is. */
export async function createObjects(operator: Operator, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    for (const document of parseAllDocuments(text)) {
      const object = document.toJS() as KubeObject | null
      if (!object) continue
      try {
        if (object.kind === 'Pod') await operator.createPod(object)
        else await operator.create(collectionPath(object), object)
      } catch (error) {
        if (error instanceof StatusError && error.status === 409) continue
        if (!(error instanceof StatusError)) throw error
        const name = `${object.kind} ${object.metadata.name ?? ''}`.trimEnd()
        throw new Error(`[object_refused] ${name} of cluster/: kube-apiserver says: ${error.message}`, { cause: error })
      }
    }
  }
}
