/** What is looked up when somebody asks: of a member, and of its process (prometheus' process collector, pkg/runtime's fds). */
import { readdirSync, readFileSync } from 'node:fs'
import { AlarmType } from '../../../lib/etcd/rpc_pb.ts'
import { DEFAULT_QUOTA_BYTES } from '../maintenance/quota.ts'
import type { Member } from '../member.ts'
import { ETCD_VERSION } from '../version.ts'
import { Counter, Gauge, type Family } from './series.ts'

export function memberReadings(member: Member): Family[] {
  const { backend } = member
  const { store, members, auth } = member.state
  const { leader, committedIndex, appliedIndex } = member.door.status
  const id = member.memberId.toString(16)
  const cluster = (members.clusterVersion ?? '').replace(/\.\d+$/, '')
  const running = 'Which version is running. 1 for'
  return [
    gauge('etcd_cluster_version', `${running} 'cluster_version' label with current cluster version`, 1, {
      cluster_version: cluster,
    }),
    gauge('etcd_server_version', `${running} 'server_version' label with current version.`, 1, {
      server_version: ETCD_VERSION,
    }),
    gauge('etcd_server_id', "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.", 1, {
      server_id: id,
    }),
    gauge('etcd_server_has_leader', 'Whether or not a leader exists. 1 is existence, 0 is not.', leader === 0n ? 0 : 1),
    gauge(
      'etcd_server_is_leader',
      'Whether or not this member is a leader. 1 if is, 0 otherwise.',
      leader === member.memberId ? 1 : 0,
    ),
    gauge(
      'etcd_server_is_learner',
      'Whether or not this member is a learner. 1 if is, 0 otherwise.',
      members.get(member.memberId)?.isLearner ? 1 : 0,
    ),
    gauge(
      'etcd_server_quota_backend_bytes',
      'Current backend storage quota size in bytes.',
      member.settings.quotaBytes || DEFAULT_QUOTA_BYTES,
    ),
    gauge(
      'etcd_server_proposals_committed_total',
      'The total number of consensus proposals committed.',
      committedIndex,
    ),
    gauge('etcd_server_proposals_applied_total', 'The total number of consensus proposals applied.', appliedIndex),
    gauge(
      'etcd_mvcc_db_total_size_in_bytes',
      'Total size of the underlying database physically allocated in bytes.',
      backend.sizeBytes,
    ),
    gauge(
      'etcd_mvcc_db_total_size_in_use_in_bytes',
      'Total size of the underlying database logically in use in bytes.',
      backend.sizeInUseBytes,
    ),
    ...alarmsOf(member),
    gauge('etcd_debugging_mvcc_current_revision', 'The current revision of store.', Number(store.revision)),
    gauge(
      'etcd_debugging_mvcc_compact_revision',
      'The revision of the last compaction in store.',
      Number(store.compactedRevision),
    ),
    gauge('etcd_debugging_auth_revision', 'The current revision of auth store.', Number(auth.revision)),
  ]
}

function alarmsOf({ state }: Member): Family[] {
  const text =
    "Alarms for every member in cluster. 1 for 'server_id' label with current ID. 2 for 'alarm_type' label with type of this alarm"
  const raised = new Gauge('etcd_debugging_server_alarms', text, ['alarm_type', 'server_id'])
  for (const { memberId, type } of state.alarms.get()) raised.set(1, AlarmType[type], memberId.toString(16))
  return [raised]
}

/** The kernel counts in hundredths of a second. */
const STARTED_SECONDS = Math.round(Date.now() / 10 - process.uptime() * 100) / 100

/** 2^64 - 1: no limit. */
const UNLIMITED = 1.8446744073709552e19
const PAGE_BYTES = 4096

export function processReadings(): Family[] {
  const { user, system } = process.cpuUsage()
  const open = readdirSync('/proc/self/fd').length
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const most = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? UNLIMITED)
  const [pages = '0'] = readFileSync('/proc/self/statm', 'utf8').split(' ')
  const cpu = new Counter('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.')
  cpu.inc((user + system) / 1e6)
  return [
    cpu,
    gauge('os_fd_used', 'The number of used file descriptors.', open),
    gauge('os_fd_limit', 'The file descriptor limit.', most),
    gauge('process_open_fds', 'Number of open file descriptors.', open),
    gauge('process_max_fds', 'Maximum number of open file descriptors.', most),
    gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', process.memoryUsage.rss()),
    gauge('process_virtual_memory_bytes', 'Virtual memory size in bytes.', Number(pages) * PAGE_BYTES),
    gauge('process_virtual_memory_max_bytes', 'Maximum amount of virtual memory available in bytes.', UNLIMITED),
    gauge('process_start_time_seconds', 'Start time of the process since unix epoch in seconds.', STARTED_SECONDS),
  ]
}

function gauge(name: string, help: string, value: number, labels: Readonly<Record<string, string>> = {}): Gauge {
  const read = new Gauge(name, help, Object.keys(labels))
  read.set(value, ...Object.values(labels))
  return read
}
