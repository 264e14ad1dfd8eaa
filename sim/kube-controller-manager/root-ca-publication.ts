/** ConfigMap kube-root-ca.crt in each namespace, as --root-ca-file says: pkg/controller/certificates/rootcacertpublisher. */
import { readFileSync } from 'node:fs'
import { StatusError } from '../../lib/kube/client.ts'
import type { KubeObject } from '../../lib/kube/object.ts'
import { controllerQueue, follow, type Controller } from './controller.ts'

const NAME = 'kube-root-ca.crt'
const DESCRIPTION =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.'

export const rootCaPublication: Controller = {
  name: 'root-ca-certificate-publisher-controller',
  serviceAccount: 'root-ca-cert-publisher',
  start({ flags, informers, client }) {
    const file = flags.string('root-ca-file')
    // before 1.20 only with BoundServiceAccountTokenVolume, whose token volumes the simulation gives Pods of every version
    if (file === '') return
    const data = { 'ca.crt': readFileSync(file, 'utf8') }
    const namespaces = informers.of('/api/v1/namespaces')
    const maps = informers.of('/api/v1/configmaps')
    const queue = controllerQueue('root-ca-certificate-publisher-controller', async (namespace) => {
      await maps.synced
      const found = namespaces.get('', namespace)
      if (!found || found.metadata.deletionTimestamp) return
      const path = `/api/v1/namespaces/${namespace}/configmaps`
      const current = maps.get(namespace, NAME)
      const metadata = { name: NAME, namespace, annotations: { 'kubernetes.io/description': DESCRIPTION } }
      const wanted = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }
      try {
        if (!current) await client.create(path, wanted)
        else if (!isPublished(current, data)) await client.update(`${path}/${NAME}`, { ...current, data })
      } catch (error) {
        // somebody was quicker, or the namespace is on its way out
        if (!(error instanceof StatusError) || !['AlreadyExists', 'NotFound'].includes(error.reason)) throw error
      }
    })
    follow(namespaces, ({ name }) => queue.add(name))
    const again = ({ metadata: { name, namespace = '' } }: KubeObject): void => {
      if (name === NAME) queue.add(namespace)
    }
    maps.on('delete', again)
    maps.on('update', again)
  },
}

function isPublished(map: KubeObject, data: { 'ca.crt': string }): boolean {
  const held = (map['data'] ?? {}) as Record<string, string>
  return Object.keys(held).length === 1 && held['ca.crt'] === data['ca.crt']
}
