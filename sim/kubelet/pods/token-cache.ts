/** Tokens of a Pod's ServiceAccount, kept until most of their life is over: pkg/kubelet/token/token_manager.go. */
import type { KubeClient } from '../../../lib/kube/client.ts'

export interface TokenAsked {
  namespace: string
  serviceAccount: string
  audience: string | undefined
  expirationSeconds: number
  pod: { name: string; uid: string }
}

interface Kept {
  token: string
  refreshAtMs: number
  expiresAtMs: number
}

/** A token is asked for anew once this share of its life is over, or after a day. */
const LIFE_SHARE = 0.8
const DAY_MS = 24 * 60 * 60 * 1000

/** One Pod's. */
export class TokenCache {
  readonly #kept = new Map<string, Kept>()

  /** A failure is passed over as long as the token at hand is good. */
  async token(client: KubeClient, asked: TokenAsked): Promise<string> {
    const key = `${asked.audience ?? ''} ${asked.expirationSeconds}`
    const kept = this.#kept.get(key)
    const now = Date.now()
    if (kept && now < kept.refreshAtMs) return kept.token
    try {
      const made = await request(client, asked)
      this.#kept.set(key, made)
      return made.token
    } catch (error) {
      if (kept && now < kept.expiresAtMs) return kept.token
      throw error
    }
  }
}

async function request(client: KubeClient, asked: TokenAsked): Promise<Kept> {
  const { namespace, serviceAccount, audience, expirationSeconds, pod } = asked
  const answer = await client.create(`/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`, {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: {},
    spec: {
      audiences: audience === undefined ? [] : [audience],
      expirationSeconds,
      boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: pod.name, uid: pod.uid },
    },
  })
  const { token = '', expirationTimestamp } = (answer['status'] ?? {}) as {
    token?: string
    expirationTimestamp?: string
  }
  const now = Date.now()
  const told = Date.parse(expirationTimestamp ?? '')
  const expiresAtMs = Number.isNaN(told) ? now + expirationSeconds * 1000 : told
  const refreshAtMs = now + Math.min((expiresAtMs - now) * LIFE_SHARE, DAY_MS)
  return { token, refreshAtMs, expiresAtMs }
}
