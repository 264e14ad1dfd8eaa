/**
 * What a user may do at a server that keeps no policy of its own: kube-apiserver is asked by SubjectAccessReview, with the
 * server's own credential. apiserver/plugin/pkg/authorizer/webhook/webhook.go.
 */
import type { KubeClient } from './client.ts'
import type { User } from './user.ts'

export type AccessAttributes =
  | {
      resourceAttributes: {
        verb?: string
        namespace?: string
        group?: string
        version?: string
        resource: string
        subresource?: string
        name?: string
      }
    }
  | { nonResourceAttributes: { path: string; verb: string } }

export interface DelegatedAuthorizationOptions {
  client: KubeClient
  /** The kubelet keeps 5 min and 30 s, other components 10 s each. */
  allowedCacheMs: number
  deniedCacheMs: number
}

export interface AccessDecision {
  allowed: boolean
  reason: string
}

const MOST_CACHED = 1024

export class DelegatedAuthorization {
  readonly #options: DelegatedAuthorizationOptions
  readonly #decisions = new Map<string, { decision: AccessDecision; untilMs: number }>()

  constructor(options: DelegatedAuthorizationOptions) {
    this.#options = options
  }

  /** Rejects (StatusError or Refusal) where kube-apiserver gave no decision; that is neither yes nor no. */
  async authorize(user: User, attributes: AccessAttributes): Promise<AccessDecision> {
    const spec = {
      ...attributes,
      user: user.username,
      groups: user.groups,
      ...(user.extra ? { extra: user.extra } : {}),
      ...(user.uid ? { uid: user.uid } : {}),
    }
    const key = JSON.stringify(spec)
    const known = this.#decisions.get(key)
    if (known && known.untilMs > Date.now()) return known.decision
    const { client, allowedCacheMs, deniedCacheMs } = this.#options
    const review = await client.create('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
      kind: 'SubjectAccessReview',
      apiVersion: 'authorization.k8s.io/v1',
      metadata: {},
      spec,
      status: { allowed: false },
    })
    const { allowed = false, reason = '' } = (review['status'] ?? {}) as { allowed?: boolean; reason?: string }
    const decision = { allowed, reason }
    this.#decisions.delete(key)
    if (this.#decisions.size >= MOST_CACHED) this.#decisions.delete(this.#decisions.keys().next().value!)
    this.#decisions.set(key, { decision, untilMs: Date.now() + (allowed ? allowedCacheMs : deniedCacheMs) })
    return decision
  }
}
