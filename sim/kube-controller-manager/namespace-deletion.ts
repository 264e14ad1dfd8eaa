/** Empties a namespace that is being deleted, then lets it go: pkg/controller/namespace/deletion/namespaced_resources_deleter.go. */
import { StatusError, type KubeClient } from '../../lib/kube/client.ts'
import type { KubeList, KubeObject } from '../../lib/kube/object.ts'
import { controllerQueue, follow, type Controller } from './controller.ts'

interface ApiResource {
  name: string
  namespaced: boolean
  verbs: string[]
}

const FINALIZER = 'kubernetes'
const AGAIN_MS = 500

export const namespaceDeletion: Controller = {
  name: 'namespace-controller',
  serviceAccount: 'namespace-controller',
  start({ informers, client }) {
    const namespaces = informers.of('/api/v1/namespaces')
    const queue = controllerQueue('namespace-controller', async (name) => {
      const namespace = namespaces.get('', name)
      const finalizers = finalizersOf(namespace)
      if (!namespace?.metadata.deletionTimestamp || !finalizers.includes(FINALIZER)) return
      if ((await empty(client, name)) > 0) return queue.addAfter(name, AGAIN_MS)
      const spec = { ...(namespace['spec'] as object), finalizers: finalizers.filter((each) => each !== FINALIZER) }
      try {
        await client.update(`/api/v1/namespaces/${name}/finalize`, { ...namespace, spec })
      } catch (error) {
        if (!(error instanceof StatusError) || ![404, 409].includes(error.status)) throw error
        if (error.status === 409) queue.addAfter(name, AGAIN_MS)
      }
    })
    follow(namespaces, ({ name }) => queue.add(name))
  },
}

function finalizersOf(namespace: KubeObject | undefined): string[] {
  return (namespace?.['spec'] as { finalizers?: string[] } | undefined)?.finalizers ?? []
}

/** How many objects are left, because they end gracefully. */
async function empty(client: KubeClient, namespace: string): Promise<number> {
  let left = 0
  for (const { base, resource } of await deletable(client)) {
    const path = `${base}/namespaces/${namespace}/${resource.name}`
    if (((await client.json({ path })) as KubeList).items.length === 0) continue
    if (resource.verbs.includes('deletecollection')) await client.delete(path)
    else {
      const { items } = (await client.json({ path })) as KubeList
      for (const { metadata } of items) await client.delete(`${path}/${metadata.name}`)
    }
    left += ((await client.json({ path })) as KubeList).items.length
  }
  return left
}

async function deletable(client: KubeClient): Promise<{ base: string; resource: ApiResource }[]> {
  const { groups } = (await client.json({ path: '/apis' })) as {
    groups: { preferredVersion: { groupVersion: string } }[]
  }
  const bases = ['/api/v1', ...groups.map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`)]
  const found: { base: string; resource: ApiResource }[] = []
  for (const base of bases) {
    const { resources } = (await client.json({ path: base })) as { resources: ApiResource[] }
    for (const resource of resources) {
      if (!resource.namespaced || resource.name.includes('/')) continue
      if (resource.verbs.includes('list') && resource.verbs.includes('delete')) found.push({ base, resource })
    }
  }
  return found
}
