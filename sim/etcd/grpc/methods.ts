/** Every method of the v3 API, by its path. */
import { Lock } from '../../../lib/etcd/lock_pb.ts'
import { Election } from '../../../lib/etcd/election_pb.ts'
import { Auth, Cluster, KV, Lease, Maintenance, Watch } from '../../../lib/etcd/rpc_pb.ts'
import type { Member } from '../member.ts'
import { openWatchStream } from '../watch/watch-stream.ts'
import { WatchHub } from '../watch/watch-hub.ts'
import { authService } from './auth-service.ts'
import { clusterService } from './cluster-service.ts'
import { electionService } from './election-service.ts'
import { kvService } from './kv-service.ts'
import { leaseService } from './lease-service.ts'
import { lockService } from './lock-service.ts'
import { maintenanceService } from './maintenance-service.ts'
import { stream, type Method } from './method.ts'

export interface ServiceSettings {
  maxTxnOps: number
  quotaBytes: number
  maxRequestBytes: number
  progressIntervalMs: number
}

export const SERVICES = [KV, Watch, Lease, Cluster, Maintenance, Auth, Lock, Election] as const

/** gRPC's own overhead on top of --max-request-bytes (server/embed: grpcOverheadBytes). */
export const GRPC_OVERHEAD_BYTES = 512 * 1024

export function methods(member: Member, settings: ServiceSettings): ReadonlyMap<string, Method> {
  const hub = new WatchHub(member.state)
  member.metrics.with(() => hub.families)
  const { progressIntervalMs, maxRequestBytes } = settings
  const watching = { progressIntervalMs, maxMessageBytes: maxRequestBytes + GRPC_OVERHEAD_BYTES }
  const all = [
    ...kvService(member, settings),
    stream(Watch.method.watch, (call, out) => openWatchStream(member, hub, watching, call, out)),
    ...leaseService(member),
    ...clusterService(member),
    ...maintenanceService(member, settings),
    ...authService(member),
    ...lockService(member),
    ...electionService(member),
  ]
  return new Map(all.map((method) => [`/${method.desc.parent.typeName}/${method.desc.name}`, method]))
}
