/** One of several instances leads, by a Lease that it renews: client-go tools/leaderelection. */
import { setTimeout as delay } from 'node:timers/promises'
import { StatusError, type KubeClient } from './client.ts'
import type { KubeObject } from './object.ts'

export interface LeaderElectionOptions {
  client: KubeClient
  namespace: string
  name: string
  /** `<host>_<uuid>` */
  identity: string
  leaseDurationMs: number
  renewDeadlineMs: number
  retryPeriodMs: number
  onStartedLeading: () => void
  /** Somebody's identity, also the own one. */
  onNewLeader?: (identity: string) => void
  /** A try that failed without deciding anything. */
  onError?: (error: Error, doing: 'retrieving' | 'creating' | 'updating') => void
}

interface LeaseSpec {
  holderIdentity?: string
  leaseDurationSeconds?: number
  acquireTime?: string
  renewTime?: string
  leaseTransitions?: number
  [member: string]: unknown
}

const JITTER = 1.2
const FIRST_RETRY_MS = 20
const LEASES = '/apis/coordination.k8s.io/v1/namespaces'

export class LeaderElector {
  readonly #options: LeaderElectionOptions
  readonly #stop = new AbortController()
  /** The Lease as last seen, and when it was seen to have changed: clocks of others are not trusted. */
  #lease: KubeObject | undefined
  #seenText = ''
  #seenAtMs = 0
  #reported = ''
  #isLeader = false
  #lastError: Error | undefined

  /** @throws Error with client-go's text for durations that do not fit. */
  constructor(options: LeaderElectionOptions) {
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = options
    if (leaseDurationMs <= renewDeadlineMs) throw new Error('leaseDuration must be greater than renewDeadline')
    if (renewDeadlineMs <= JITTER * retryPeriodMs) {
      throw new Error('renewDeadline must be greater than retryPeriod*JitterFactor')
    }
    this.#options = options
  }

  get isLeader(): boolean {
    return this.#isLeader
  }

  /** Resolves when leadership was had and is lost, or after stop(): then with false. */
  async run(): Promise<boolean> {
    const { signal } = this.#stop
    const { retryPeriodMs, renewDeadlineMs } = this.#options
    for (let failures = 0; !signal.aborted && !(await this.#tryAcquireOrRenew());) {
      // client-go waits a whole period also for a server that is not there yet; a cluster stands sooner so
      const hasAnswer = this.#lastError === undefined
      failures = hasAnswer ? 0 : failures + 1
      const waitMs = hasAnswer ? retryPeriodMs : Math.min(FIRST_RETRY_MS * 2 ** failures, retryPeriodMs)
      await delay(waitMs * (1 + Math.random() * (JITTER - 1)), undefined, { signal }).catch(() => {})
    }
    if (signal.aborted) return false
    this.#isLeader = true
    this.#options.onStartedLeading()
    let renewedAtMs = performance.now()
    while (!signal.aborted && performance.now() - renewedAtMs < renewDeadlineMs) {
      await delay(retryPeriodMs, undefined, { signal }).catch(() => {})
      if (signal.aborted) break
      const left = renewDeadlineMs - (performance.now() - renewedAtMs)
      const renewed = await Promise.race([this.#tryAcquireOrRenew(), delay(Math.max(left, 0), false, { ref: false })])
      if (renewed) renewedAtMs = performance.now()
    }
    this.#isLeader = false
    return !signal.aborted
  }

  /** Ends run(). A leader that releases makes room at once instead of after the lease's duration. */
  async stop({ release = false } = {}): Promise<void> {
    const mustRelease = release && this.#isLeader
    this.#stop.abort()
    this.#isLeader = false
    if (!mustRelease || !this.#lease) return
    const now = microTime()
    const { leaseTransitions = 0 } = specOf(this.#lease)
    const spec = { holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now, leaseTransitions }
    await this.#options.client.update(this.#path(), { ...this.#lease, spec }).catch(() => {})
  }

  async #tryAcquireOrRenew(): Promise<boolean> {
    const { client, namespace, name, identity, leaseDurationMs, onError } = this.#options
    let doing: 'retrieving' | 'creating' | 'updating' = 'retrieving'
    this.#lastError = undefined
    const own: LeaseSpec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.floor(leaseDurationMs / 1000),
      acquireTime: microTime(),
      renewTime: microTime(),
      leaseTransitions: 0,
    }
    try {
      const found = await client.get(this.#path()).catch((error: unknown) => {
        if (error instanceof StatusError && error.status === 404) return undefined
        throw error
      })
      if (!found) {
        doing = 'creating'
        const apiVersion = 'coordination.k8s.io/v1'
        const lease = { apiVersion, kind: 'Lease', metadata: { name, namespace }, spec: own }
        this.#observe(await client.create(`${LEASES}/${namespace}/leases`, lease))
        return true
      }
      this.#observe(found)
      const held = specOf(found)
      const isOwn = held.holderIdentity === identity
      const goodForMs = (held.leaseDurationSeconds ?? 0) * 1000
      if (held.holderIdentity && !isOwn && performance.now() - this.#seenAtMs < goodForMs) return false
      own.leaseTransitions = (held.leaseTransitions ?? 0) + (isOwn ? 0 : 1)
      if (isOwn && held.acquireTime !== undefined) own.acquireTime = held.acquireTime
      doing = 'updating'
      this.#observe(await client.update(this.#path(), { ...found, spec: { ...held, ...own } }))
      return true
    } catch (error) {
      this.#lastError = error as Error
      onError?.(error as Error, doing)
      return false
    }
  }

  #observe(lease: KubeObject): void {
    this.#lease = lease
    const text = JSON.stringify(lease['spec'])
    if (text !== this.#seenText) {
      this.#seenText = text
      this.#seenAtMs = performance.now()
    }
    const { holderIdentity = '' } = specOf(lease)
    if (holderIdentity === this.#reported) return
    this.#reported = holderIdentity
    this.#options.onNewLeader?.(holderIdentity)
  }

  #path(): string {
    return `${LEASES}/${this.#options.namespace}/leases/${this.#options.name}`
  }
}

function specOf(lease: KubeObject): LeaseSpec {
  return (lease['spec'] ?? {}) as LeaseSpec
}

/** metav1.MicroTime: six digits after the second. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z')
}
