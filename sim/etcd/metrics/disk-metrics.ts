/** How long the disk takes (server/storage/wal/metrics.go, server/storage/backend/metrics.go, api/snap/metrics.go). */
import { doubling, Gauge, Histogram, type Family } from './series.ts'

/** 1 ms to 8 s. */
const SECONDS = doubling(0.001, 14)

export class DiskMetrics {
  readonly walFsync = new Histogram(
    'etcd_disk_wal_fsync_duration_seconds',
    'The latency distributions of fsync called by WAL.',
    SECONDS,
  )
  readonly walWrite = new Histogram(
    'etcd_disk_wal_write_duration_seconds',
    'The latency distributions of write called by WAL.',
    SECONDS,
  )
  readonly walBytes = new Gauge('etcd_disk_wal_write_bytes_total', 'Total number of bytes written in WAL.')
  readonly commit = new Histogram(
    'etcd_disk_backend_commit_duration_seconds',
    'The latency distributions of commit called by backend.',
    SECONDS,
  )
  readonly defragment = new Histogram(
    'etcd_disk_backend_defrag_duration_seconds',
    'The latency distribution of backend defragmentation.',
    doubling(0.1, 13),
  )
  readonly isDefragmenting = new Gauge(
    'etcd_disk_defrag_inflight',
    'Whether or not defrag is active on the member. 1 means active, 0 means not.',
  )
  readonly snapshot = new Histogram(
    'etcd_disk_backend_snapshot_duration_seconds',
    'The latency distribution of backend snapshots.',
    doubling(0.01, 17),
  )
  readonly received = new Histogram(
    'etcd_snap_db_save_total_duration_seconds',
    'The total latency distributions of v3 snapshot save',
    doubling(0.1, 10),
  )

  get families(): Family[] {
    const { walFsync, walWrite, walBytes, commit, defragment, isDefragmenting, snapshot, received } = this
    return [walFsync, walWrite, walBytes, commit, defragment, isDefragmenting, snapshot, received]
  }
}

/** Observes how long `act` takes, where somebody counts. */
export async function timed<T>(histogram: Histogram | undefined, act: () => Promise<T>): Promise<T> {
  const beginMs = performance.now()
  try {
    return await act()
  } finally {
    histogram?.observe((performance.now() - beginMs) / 1000)
  }
}
