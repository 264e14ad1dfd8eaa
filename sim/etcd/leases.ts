/** Leases: who holds which keys, and when each ends. The clock comes in by argument. */
export interface Lease {
  id: bigint
  ttlSeconds: bigint
  expiresAtMs: number
  keys: Set<string>
}

/** etcd raises shorter ones to this (recorded); the real bound hangs on the election timeout. */
const SHORTEST_TTL_SECONDS = 2n

export class Leases {
  readonly #leases = new Map<bigint, Lease>()

  grant(id: bigint, ttlSeconds: bigint, nowMs: number): Lease {
    const ttl = ttlSeconds < SHORTEST_TTL_SECONDS ? SHORTEST_TTL_SECONDS : ttlSeconds
    const lease = { id, ttlSeconds: ttl, expiresAtMs: nowMs + Number(ttl) * 1000, keys: new Set<string>() }
    this.#leases.set(id, lease)
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

  remove(id: bigint): void {
    this.#leases.delete(id)
  }

  renew(id: bigint, nowMs: number): Lease | undefined {
    const lease = this.#leases.get(id)
    if (lease) lease.expiresAtMs = nowMs + Number(lease.ttlSeconds) * 1000
    return lease
  }

  expired(nowMs: number): Lease[] {
    return [...this.#leases.values()].filter((lease) => lease.expiresAtMs <= nowMs)
  }

  all(): Lease[] {
    return [...this.#leases.values()]
  }
}
