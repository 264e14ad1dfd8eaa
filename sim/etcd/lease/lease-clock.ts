/** When leases end: kept by the leader alone, since nothing that every member applies may look at a clock. */
import type { Lease, LeaseListener, Leases } from './leases.ts'

/** How much of a long lease may be lost with a leader (server/lease/lessor.go, defaultLeaseCheckpointInterval). */
const CHECKPOINT_INTERVAL_MS = 5 * 60_000

/** How long until one that has ended is told of again, as its revocation may have failed (defaultExpiredleaseRetryInterval). */
const EXPIRED_AGAIN_MS = 3000

interface Deadline {
  endsAtMs: number
  /** When it is told of as expired. */
  expiryAtMs: number
  checkpointAtMs: number
}

export interface Checkpoint {
  id: bigint
  remainingSeconds: bigint
}

export class LeaseClock implements LeaseListener {
  readonly #leases: Leases
  readonly #now: () => number
  readonly #deadlines = new Map<bigint, Deadline>()
  #counts = false

  constructor(leases: Leases, now: () => number = Date.now) {
    this.#leases = leases
    this.#now = now
    leases.heardBy(this)
  }

  /** This member leads from now on: every lease begins anew, with what its last checkpoint left of it. */
  promote(extendMs = 0): void {
    this.#counts = true
    for (const lease of this.#leases.all()) this.#start(lease, extendMs)
  }

  /** Whether this member leads, as far as it knows. */
  get counts(): boolean {
    return this.#counts
  }

  demote(): void {
    this.#counts = false
    this.#deadlines.clear()
  }

  granted(lease: Lease): void {
    if (this.#counts) this.#start(lease)
  }

  removed({ id }: Lease): void {
    this.#deadlines.delete(id)
  }

  /** The TTL that it has again, in seconds; undefined for one that has ended or never was. */
  renew(id: bigint): bigint | undefined {
    const lease = this.#leases.get(id)
    if (!lease || this.remainingMs(id) <= 0) return undefined
    lease.remainingSeconds = 0n
    this.#start(lease)
    return lease.ttlSeconds
  }

  /** Never ends where this member does not lead. */
  remainingMs(id: bigint): number {
    const deadline = this.#deadlines.get(id)
    return deadline ? deadline.endsAtMs - this.#now() : Number.POSITIVE_INFINITY
  }

  /** Those that have ended, for whoever revokes them; one that is still there later is due again. */
  dueExpired(): bigint[] {
    const now = this.#now()
    const due: bigint[] = []
    for (const [id, deadline] of this.#deadlines) {
      if (deadline.expiryAtMs > now) continue
      deadline.expiryAtMs = now + EXPIRED_AGAIN_MS
      due.push(id)
    }
    return due
  }

  /** What is left of the leases whose time has come to be told to the other members; each is due again later. */
  dueCheckpoints(): Checkpoint[] {
    const now = this.#now()
    const due: Checkpoint[] = []
    for (const [id, deadline] of this.#deadlines) {
      if (deadline.checkpointAtMs > now || deadline.endsAtMs <= now) continue
      deadline.checkpointAtMs = now + CHECKPOINT_INTERVAL_MS
      due.push({ id, remainingSeconds: BigInt(Math.ceil((deadline.endsAtMs - now) / 1000)) })
    }
    return due
  }

  /** In the order in which they end. */
  inOrder(): Lease[] {
    return this.#leases.all().toSorted((one, other) => this.remainingMs(one.id) - this.remainingMs(other.id) || 0)
  }

  #start({ id, ttlSeconds, remainingSeconds }: Lease, extendMs = 0): void {
    const seconds = remainingSeconds > 0n ? remainingSeconds : ttlSeconds
    const now = this.#now()
    const endsAtMs = now + Number(seconds) * 1000 + extendMs
    const isLong = endsAtMs - now > CHECKPOINT_INTERVAL_MS
    this.#deadlines.set(id, {
      endsAtMs,
      expiryAtMs: endsAtMs,
      checkpointAtMs: isLong ? now + CHECKPOINT_INTERVAL_MS : Number.POSITIVE_INFINITY,
    })
  }
}
