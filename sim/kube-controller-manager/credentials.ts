/**
 * Whose name a controller writes in. With --use-service-account-credentials each has a ServiceAccount in kube-system, whose
 * token it asks for (controller-manager/pkg/clientbuilder/client_builder_dynamic.go); without, all are
 * system:kube-controller-manager.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { ControllerFacts } from '../../lib/cluster/controller-process.ts'
import { StatusError, type KubeClient } from '../../lib/kube/client.ts'
import { klogS } from '../../lib/kube/klog.ts'
import type { KubeObject } from '../../lib/kube/object.ts'

const TOKEN_SECONDS = 3600
/** Asked for anew when that much of a token's life is over. */
const RENEW_AT = 0.8
const RETRY_MS = 500
const ACCOUNTS = '/api/v1/namespaces/kube-system/serviceaccounts'

/** Waits for as long as it takes kube-apiserver to give a token. */
export async function controllerClient(facts: ControllerFacts, account: string): Promise<KubeClient> {
  const { client, clientFor, flags, kubeconfig } = facts
  if (!flags.bool('use-service-account-credentials')) return client
  const user = { token: await tokenOf(client, account) }
  const renew = setInterval(
    () => void tokenOf(client, account).then((token) => (user.token = token)),
    TOKEN_SECONDS * 1000 * RENEW_AT,
  )
  renew.unref()
  return clientFor({ cluster: kubeconfig.cluster, user }, `/system:serviceaccount:kube-system:${account}`)
}

async function tokenOf(client: KubeClient, account: string): Promise<string> {
  for (;;) {
    try {
      await ensureAccount(client, account)
      const request = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        metadata: { name: account, namespace: 'kube-system' },
        spec: { audiences: null, expirationSeconds: TOKEN_SECONDS },
      }
      const answer: KubeObject = await client.create(`${ACCOUNTS}/${account}/token`, request)
      const { token } = (answer['status'] ?? {}) as { token?: string }
      if (token !== undefined) return token
      throw new Error('the answer holds no token')
    } catch (error) {
      const err = `Get token for ${account}: ${(error as Error).message}`
      klogS('E', 'client_builder_dynamic.go:135', 'get or create service account failed', { err })
      await delay(RETRY_MS)
    }
  }
}

async function ensureAccount(client: KubeClient, name: string): Promise<void> {
  try {
    await client.get(`${ACCOUNTS}/${name}`)
  } catch (error) {
    if (!(error instanceof StatusError) || error.status !== 404) throw error
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: 'kube-system' } }
    await client.create(ACCOUNTS, account).catch((refused: unknown) => {
      if (!(refused instanceof StatusError) || refused.reason !== 'AlreadyExists') throw refused
    })
  }
}
