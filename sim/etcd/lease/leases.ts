/** Leases as every member knows them: who holds which keys. When one ends is the leader's affair (lease-clock.ts). */
import { ERRORS } from '../errors.ts'

export interface Lease {
  id: bigint
  ttlSeconds: bigint
  /** What a checkpoint left of it, 0 for all of it. */
  remainingSeconds: bigint
  readonly keys: Set<string>
}

export interface LeaseListener {
  granted(lease: Lease): void
  checkpointed?(lease: Lease): void
  removed(lease: Lease): void
}

/** server/lease/lessor.go, MaxLeaseTTL. */
const LONGEST_TTL_SECONDS = 9_000_000_000n

/** etcd raises shorter ones to this with its default timers (recorded): one and a half elections, in whole seconds. */
export const SHORTEST_TTL_SECONDS = 2n

export class Leases {
  readonly #leases = new Map<bigint, Lease>()
  readonly #shortestTtlSeconds: bigint
  readonly #listeners: LeaseListener[] = []

  constructor(shortestTtlSeconds = SHORTEST_TTL_SECONDS) {
    this.#shortestTtlSeconds = shortestTtlSeconds
  }

  /** Whoever counts their time, or keeps them on a disk. */
  heardBy(listener: LeaseListener): void {
    this.#listeners.push(listener)
  }

  /** What a disk held, in place of whatever was here; nobody hears of it. */
  restore(leases: Iterable<Omit<Lease, 'keys'>>): void {
    this.#leases.clear()
    for (const lease of leases) this.#leases.set(lease.id, { ...lease, keys: new Set() })
  }

  /** @throws GrpcError */
  grant(id: bigint, ttlSeconds: bigint): Lease {
    if (id === 0n) throw ERRORS.leaseNotFound()
    if (ttlSeconds > LONGEST_TTL_SECONDS) throw ERRORS.leaseTtlTooLarge()
    if (this.#leases.has(id)) throw ERRORS.leaseExists()
    const ttl = ttlSeconds < this.#shortestTtlSeconds ? this.#shortestTtlSeconds : ttlSeconds
    const lease = { id, ttlSeconds: ttl, remainingSeconds: 0n, keys: new Set<string>() }
    this.#leases.set(id, lease)
    for (const listener of this.#listeners) listener.granted(lease)
    return lease
  }

  get(id: bigint): Lease | undefined {
    return this.#leases.get(id)
  }

  has(id: bigint): boolean {
    return this.#leases.has(id)
  }

  attach(id: bigint, key: string): void {
    this.#leases.get(id)?.keys.add(key)
  }

  detach(id: bigint, key: string): void {
    this.#leases.get(id)?.keys.delete(key)
  }

  /** @throws GrpcError NotFound */
  remove(id: bigint): Lease {
    const lease = this.#leases.get(id)
    if (!lease) throw ERRORS.leaseNotFound()
    this.#leases.delete(id)
    for (const listener of this.#listeners) listener.removed(lease)
    return lease
  }

  checkpoint(id: bigint, remainingSeconds: bigint): void {
    const lease = this.#leases.get(id)
    if (!lease) return
    lease.remainingSeconds = remainingSeconds
    for (const listener of this.#listeners) listener.checkpointed?.(lease)
  }

  all(): Lease[] {
    return [...this.#leases.values()]
  }
}
