/** A ServiceAccount `default` in each namespace: pkg/controller/serviceaccount/serviceaccounts_controller.go. */
import { StatusError } from '../../lib/kube/client.ts'
import { controllerQueue, follow, type Controller } from './controller.ts'

export const defaultServiceAccount: Controller = {
  name: 'serviceaccount-controller',
  serviceAccount: 'service-account-controller',
  start({ informers, client }) {
    const namespaces = informers.of('/api/v1/namespaces')
    const accounts = informers.of('/api/v1/serviceaccounts')
    const queue = controllerQueue('serviceaccount-controller', async (namespace) => {
      await accounts.synced
      const found = namespaces.get('', namespace)
      if (!found || found.metadata.deletionTimestamp || accounts.get(namespace, 'default')) return
      const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } }
      try {
        await client.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, account)
      } catch (error) {
        // somebody was quicker, or the namespace is on its way out
        if (!(error instanceof StatusError) || !['AlreadyExists', 'NotFound'].includes(error.reason)) throw error
      }
    })
    follow(namespaces, ({ name }) => queue.add(name))
    accounts.on('delete', ({ metadata: { namespace = '' } }) => queue.add(namespace))
  },
}
