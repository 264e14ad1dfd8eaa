/** `/metrics` in Prometheus' text format, and `/debug/vars`: the series of etcd that say something of a simulated member. */
import type { Member } from '../member.ts'
import { DEFAULT_QUOTA_BYTES } from '../maintenance/quota.ts'
import { ETCD_VERSION } from '../version.ts'
import { isGet, type HttpExchange } from './http-request.ts'
import type { Mux } from './mux.ts'

const TYPE = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores'

/** The kernel counts in hundredths of a second. */
const STARTED_SECONDS = Math.round(Date.now() / 10 - process.uptime() * 100) / 100

export function handleMetrics(mux: Mux, member: Member): void {
  // Any method gets them.
  mux.handle('/metrics', ({ response }) => {
    response.statusCode = 200
    response.setHeader('content-type', TYPE)
    // In two pieces, so that it goes out in chunks as the real one's does.
    response.write(seriesOf(member))
    response.end()
  })
}

export function handleDebugVars(mux: Mux, member: Member): void {
  mux.handle('/debug/vars', (exchange: HttpExchange) => {
    if (!isGet(exchange)) return
    const { response } = exchange
    const { committedIndex, appliedIndex, term } = member.door.status
    const memory = process.memoryUsage()
    const id = member.memberId.toString(16)
    const vars = {
      cmdline: process.argv.slice(1),
      file_descriptor_limit: 0,
      memstats: { Alloc: memory.heapUsed, Sys: memory.rss, HeapSys: memory.heapTotal },
      'raft.status': {
        id,
        term,
        vote: id,
        commit: committedIndex,
        lead: id,
        raftState: 'StateLeader',
        applied: appliedIndex,
      },
    }
    const lines = Object.entries(vars).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`)
    response.statusCode = 200
    response.setHeader('content-type', 'application/json; charset=utf-8')
    response.write(`{\n${lines.join(',\n')}`)
    response.end('\n}\n')
  })
}

function seriesOf(member: Member): string {
  const { status } = member.door
  const { backend } = member
  const { store, leases, alarms, members } = member.state
  const leads = status.leader === member.memberId
  const gauges: [name: string, value: number | bigint, labels?: string][] = [
    ['etcd_cluster_version', 1, `{cluster_version="${(members.clusterVersion ?? '').replace(/\.\d+$/, '')}"}`],
    ['etcd_debugging_mvcc_compact_revision', store.compactedRevision],
    ['etcd_debugging_mvcc_current_revision', store.revision],
    ['etcd_mvcc_db_total_size_in_bytes', backend.sizeBytes],
    ['etcd_mvcc_db_total_size_in_use_in_bytes', backend.sizeInUseBytes],
    ['etcd_debugging_lease_ttl_total_count', leases.all().length],
    ['etcd_server_has_leader', status.leader === 0n ? 0 : 1],
    ['etcd_server_id', 1, `{server_id="${member.memberId.toString(16)}"}`],
    ['etcd_server_is_leader', leads ? 1 : 0],
    ['etcd_server_is_learner', members.get(member.memberId)?.isLearner ? 1 : 0],
    ['etcd_server_quota_backend_bytes', member.settings.quotaBytes || DEFAULT_QUOTA_BYTES],
    ['etcd_server_proposals_committed_total', status.committedIndex],
    ['etcd_server_proposals_applied_total', status.appliedIndex],
    ['etcd_server_version', 1, `{server_version="${ETCD_VERSION}"}`],
    ['process_resident_memory_bytes', process.memoryUsage.rss()],
    ['process_start_time_seconds', STARTED_SECONDS],
  ]
  for (const { memberId, type } of alarms.get())
    gauges.push(['etcd_debugging_server_alarms', 1, `{alarm_type="${type}",server_id="${memberId.toString(16)}"}`])
  return gauges.map(([name, value, labels = '']) => `# TYPE ${name} gauge\n${name}${labels} ${value}\n`).join('')
}
