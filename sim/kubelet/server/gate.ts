/** Who is there and whether they may: the filter in front of a kubelet's secure server. pkg/kubelet/server/server.go InstallAuthFilter. */
import type { IncomingHttpHeaders } from 'node:http'
import { DelegatedAuthentication } from '../../../lib/kube/delegated-authentication.ts'
import { DelegatedAuthorization } from '../../../lib/kube/delegated-authorization.ts'
import type { KubeClient } from '../../../lib/kube/client.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { KubeletSettings } from '../settings.ts'
import { nodeAttributes } from './attributes.ts'

export type Verdict =
  | { allowed: true; user: User }
  | { allowed: false; status: 401 | 403 | 500; body: string; user?: User; text: string }

export interface Asked {
  method: string
  path: string
  headers: IncomingHttpHeaders
  peerChain: readonly Buffer[]
}

export class Gate {
  readonly #settings: KubeletSettings
  readonly #authentication: DelegatedAuthentication
  readonly #authorization: DelegatedAuthorization | undefined

  /** `client` speaks to kube-apiserver with the kubelet's own credential; a standalone kubelet has none. */
  constructor(settings: KubeletSettings, client: KubeClient | undefined, clientCaPem: () => string | undefined) {
    this.#settings = settings
    this.#authentication = new DelegatedAuthentication({
      clientCaPem,
      anonymous: settings.anonymous,
      tokenCacheMs: settings.tokenCacheMs,
      ...(client && settings.webhookAuthentication ? { client } : {}),
    })
    const { allowedCacheMs, deniedCacheMs } = settings
    this.#authorization =
      client && settings.authorizationMode === 'Webhook'
        ? new DelegatedAuthorization({ client, allowedCacheMs, deniedCacheMs })
        : undefined
  }

  async judge(asked: Asked): Promise<Verdict> {
    const { user, error } = await this.#authentication.authenticate(asked)
    if (!user) {
      if (error !== undefined) {
        klogS('E', 'server.go:348', 'Unable to authenticate the request due to an error', { err: error })
      }
      return { allowed: false, status: 401, body: 'Unauthorized', text: error ?? 'Unauthorized' }
    }
    if (!this.#authorization) return { allowed: true, user }
    const { fineGrainedAuthorization, nodeName } = this.#settings
    const { verb, subresources } = nodeAttributes(asked.method, asked.path, fineGrainedAuthorization)
    for (const subresource of subresources) {
      const resource = { ...(verb ? { verb } : {}), version: 'v1', resource: 'nodes', subresource, name: nodeName }
      try {
        const { allowed } = await this.#authorization.authorize(user, { resourceAttributes: resource })
        if (allowed) return { allowed: true, user }
      } catch (failure) {
        const { message } = failure as Error
        klogS('E', 'server.go:362', 'Authorization error', {
          err: message,
          user: user.username,
          verb,
          resource: 'nodes',
          subresource,
        })
        const body = `Authorization error (user=${user.username}, verb=${verb}, resource=nodes, subresource=${subresource})`
        return { allowed: false, status: 500, body, user, text: message }
      }
    }
    const text = `Forbidden (user=${user.username}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}])`
    const listed = `[${subresources.map((each) => JSON.stringify(each)).join(',')}]`
    klogS('I', 'server.go:372', 'Forbidden', { user: user.username, verb, resource: 'nodes', 'subresource(s)': listed })
    return { allowed: false, status: 403, body: `${text}\n`, user, text }
  }
}
