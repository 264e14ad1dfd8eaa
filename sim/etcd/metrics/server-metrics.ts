/** Raft, leases, keys and health of a member (server/etcdserver/metrics.go, storage/mvcc/metrics.go, lease/metrics.go, etcdhttp/health.go). */
import type { Commit } from '../mvcc/store.ts'
import { Event_EventType } from '../../../lib/etcd/kv_pb.ts'
import { Counter, doubling, Gauge, Histogram, type Family } from './series.ts'

export class ServerMetrics {
  readonly #leaderChanges = new Counter('etcd_server_leader_changes_seen_total', 'The number of leader changes seen.')
  readonly proposalsPending = new Gauge(
    'etcd_server_proposals_pending',
    'The current number of pending proposals to commit.',
  )
  readonly proposalsFailed = new Counter(
    'etcd_server_proposals_failed_total',
    'The total number of failed proposals seen.',
  )
  readonly readIndexesFailed = new Counter(
    'etcd_server_read_indexes_failed_total',
    'The total number of failed read indexes seen.',
  )
  readonly snapshotApplying = new Gauge(
    'etcd_server_snapshot_apply_in_progress_total',
    '1 if the server is applying the incoming snapshot. 0 if none.',
  )
  readonly promoted = new Counter(
    'etcd_server_learner_promote_successes',
    'The total number of successful learner promotions while this member is leader.',
  )
  readonly leasesExpired = new Counter(
    'etcd_debugging_server_lease_expired_total',
    'The total number of expired leases.',
  )
  readonly leasesGranted = new Counter('etcd_debugging_lease_granted_total', 'The total number of granted leases.')
  readonly leasesRevoked = new Counter('etcd_debugging_lease_revoked_total', 'The total number of revoked leases.')
  readonly leaseTtls = new Histogram(
    'etcd_debugging_lease_ttl_total',
    'Bucketed histogram of lease TTLs.',
    doubling(1, 24),
  )
  readonly ranges = new Counter('etcd_mvcc_range_total', 'Total number of ranges seen by this member.')
  readonly #puts = new Counter('etcd_mvcc_put_total', 'Total number of puts seen by this member.')
  readonly #deletes = new Counter('etcd_mvcc_delete_total', 'Total number of deletes seen by this member.')
  readonly #txns = new Counter('etcd_mvcc_txn_total', 'Total number of txns seen by this member.')
  readonly #healthy = new Counter('etcd_server_health_success', 'The total number of successful health checks')
  readonly #unhealthy = new Counter('etcd_server_health_failures', 'The total number of failed health checks')
  readonly #check = new Gauge('etcd_server_healthcheck', 'The result of each kind of healthcheck.', ['name', 'type'])
  readonly #checks = new Counter('etcd_server_healthchecks_total', 'The total number of each kind of healthcheck.', [
    'name',
    'status',
    'type',
  ])
  #leader = 0n

  get families(): Family[] {
    return [
      ...[this.#leaderChanges, this.proposalsPending, this.proposalsFailed, this.readIndexesFailed],
      ...[this.snapshotApplying, this.promoted, this.leasesExpired, this.leasesGranted, this.leasesRevoked],
      ...[this.leaseTtls, this.ranges, this.#puts, this.#deletes, this.#txns],
      ...[this.#healthy, this.#unhealthy, this.#check, this.#checks],
    ]
  }

  /** Whoever leads by now; 0n: nobody. */
  led(leader: bigint): void {
    if (leader !== 0n && leader !== this.#leader) this.#leaderChanges.inc()
    this.#leader = leader
  }

  committed({ events }: Commit): void {
    const puts = events.filter(({ type }) => type === Event_EventType.PUT).length
    this.#puts.inc(puts)
    this.#deletes.inc(events.length - puts)
    if (events.length > 1) this.#txns.inc()
  }

  /** `/health` */
  judged(isHealthy: boolean): void {
    const counter = isHealthy ? this.#healthy : this.#unhealthy
    counter.inc()
  }

  /** One check of `/livez` or `/readyz`. */
  checked(type: string, name: string, isHealthy: boolean): void {
    this.#check.set(isHealthy ? 1 : 0, name, type)
    this.#checks.inc(1, name, isHealthy ? 'success' : 'error', type)
  }
}
