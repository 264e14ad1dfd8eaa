/** What the leader's clock makes happen to leases: those that have ended are revoked, long ones are checkpointed. */
import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf'
import { LeaseCheckpointRequestSchema, LeaseRevokeRequestSchema } from '../../../lib/etcd/rpc_pb.ts'
import type { RaftRequestKind } from '../../../lib/etcd/raft-request.ts'
import type { AuthInfo } from '../auth/auth-info.ts'
import type { Door, Reply } from '../consensus/door.ts'
import { log } from '../log.ts'
import type { Counter } from '../metrics/series.ts'
import type { LeaseClock } from './lease-clock.ts'

const TICK_MS = 500

export interface LeaseExpiryParts {
  door: Pick<Door, 'propose' | 'ensureLeadership'>
  clock: LeaseClock
  auth: { enabled: boolean; revision: bigint }
  /** Leases that were revoked because they had ended. */
  expired: Counter
  checkpointsLeases: boolean
}

export class LeaseExpiry {
  readonly #parts: LeaseExpiryParts
  readonly #timer: NodeJS.Timeout
  #isTicking = false

  constructor(parts: LeaseExpiryParts) {
    this.#parts = parts
    this.#timer = setInterval(() => void this.tick().catch(() => {}), TICK_MS)
    this.#timer.unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** Rejects where this member does not lead after all. */
  async tick(): Promise<void> {
    // Whether it leads may take as long to find out as others are silent.
    if (this.#isTicking) return
    this.#isTicking = true
    try {
      await this.#revokeExpired()
    } finally {
      this.#isTicking = false
    }
    const { clock, checkpointsLeases } = this.#parts
    if (!checkpointsLeases) return
    const checkpoints = clock.dueCheckpoints().map(({ id, remainingSeconds }) => ({
      ID: id,
      remainingTTL: remainingSeconds,
    }))
    if (checkpoints.length > 0)
      void this.#propose('leaseCheckpoint', LeaseCheckpointRequestSchema, { checkpoints }).catch(() => {})
  }

  /** server/etcdserver/server.go, revokeExpiredLeases: nobody waits for those that are asked for, and what failed is due again. */
  async #revokeExpired(): Promise<void> {
    const { door, clock, expired } = this.#parts
    const ids = clock.dueExpired()
    if (ids.length === 0) return
    await door.ensureLeadership()
    for (const ID of ids) {
      void this.#propose('leaseRevoke', LeaseRevokeRequestSchema, { ID }).then(
        () => expired.inc(),
        (error: Error) => {
          const fields = { 'lease-id': ID.toString(16).padStart(16, '0'), error: error.message }
          log('warn', 'failed to revoke lease', fields)
        },
      )
    }
  }

  #propose<Desc extends DescMessage>(
    kind: RaftRequestKind,
    schema: Desc,
    init: MessageInitShape<Desc>,
  ): Promise<Reply> {
    const { auth, door } = this.#parts
    // With auth on, root's rights are needed to revoke what others wrote: the member has them (auth/store.go, WithRoot).
    const info: AuthInfo | undefined = auth.enabled ? { username: 'root', revision: auth.revision } : undefined
    const request = create(schema, init)
    return door.propose({ kind, body: toBinary(schema, request), request, info })
  }
}
