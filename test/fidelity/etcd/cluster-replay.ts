/** Puts the recorded calls to three members, and to what is left of them, to ours. */
import type { JsonValue } from '../../../lib/etcd/proto-json.ts'
import type { Difference } from '../hold-rows.ts'
import { replayCall, type GrpcRow } from './grpc-replay.ts'
import { ReplayCluster, type ClusterProfile } from './replay-cluster.ts'
import { same } from './replay-target.ts'

interface CallRow extends Omit<GrpcRow, 'profile'> {
  profile: ClusterProfile
}

interface HttpRow {
  id: string
  profile: ClusterProfile
  request: { method: string; path: string; body?: string }
  answer: { status: number; body: string; type: string }
}

export type ClusterRow = CallRow | HttpRow

/** Moving the lead is over once another has it. */
const MOVES_LEADER = 'Maintenance/MoveLeader'

export class ClusterReplay {
  readonly #clusters = new Map<ClusterProfile, Promise<ReplayCluster>>()

  async replay(row: ClusterRow): Promise<Difference | undefined> {
    const { profile } = row
    this.#clusters.set(profile, this.#clusters.get(profile) ?? ReplayCluster.start(profile))
    const cluster = await this.#clusters.get(profile)!
    if (isHttp(row)) return replayHttp(cluster, row)
    const difference = await replayCall(cluster, row)
    if (row.request.grpc === MOVES_LEADER) await cluster.findLeader()
    return difference
  }

  async end(): Promise<void> {
    for (const started of this.#clusters.values()) await (await started).end()
  }
}

function isHttp(row: ClusterRow): row is HttpRow {
  return 'path' in row.request
}

async function replayHttp(cluster: ReplayCluster, { request, answer }: HttpRow): Promise<Difference | undefined> {
  await cluster.mark()
  const { status, body, response } = await cluster.http(request.method, request.path, request.body)
  const agrees =
    status === answer.status &&
    response.headers['content-type'] === answer.type &&
    same(cluster.resolved(parsed(answer.body)), parsed(body))
  return agrees ? undefined : { expected: JSON.stringify(answer), got: JSON.stringify({ status, body }) }
}

function parsed(body: string): JsonValue {
  try {
    return JSON.parse(body) as JsonValue
  } catch {
    return body
  }
}
