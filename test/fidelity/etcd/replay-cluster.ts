/** The three members of a recorded profile, of which calls name one by what it is: leader, follower, or the only one left. */
import { once } from 'node:events'
import { request as askHttps } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { GrpcClient } from '../../../lib/etcd/grpc-client.ts'
import { KV, Maintenance, type StatusResponse } from '../../../lib/etcd/rpc_pb.ts'
import { PeerCluster, type MemberName } from './peer-cluster.ts'
import { ReplayTarget, type GrpcAnswer, type GrpcCall } from './replay-target.ts'

const NAMES = ['m1', 'm2', 'm3'] as const
/** As long as the recorded calls were given, and more. */
const CALL_MS = 20_000
const LEADER_MS = 15_000

export type ClusterProfile = 'cluster' | 'no-quorum' | 'lost-quorum'

export class ReplayCluster extends ReplayTarget {
  readonly #cluster: PeerCluster
  readonly #clients = new Map<MemberName, GrpcClient>()

  static async start(profile: ClusterProfile): Promise<ReplayCluster> {
    const replay = new ReplayCluster(await PeerCluster.start())
    await replay.#meet()
    if (profile === 'cluster') {
      await replay.#wellKnown()
      await replay.call({ grpc: 'KV/Put', message: { key: 'Y3Bm', value: 'dg==' } })
    } else {
      await replay.call({ grpc: 'KV/Put', member: '$leader', message: { key: 'cQ==', value: 'dg==' } })
      await replay.#lose(profile)
    }
    return replay
  }

  private constructor(cluster: PeerCluster) {
    super()
    this.#cluster = cluster
  }

  async end(): Promise<void> {
    for (const client of this.#clients.values()) await client.close()
    await this.#cluster.end()
  }

  override client(_credential?: string, member = '$leader'): GrpcClient {
    const name = member.startsWith('$') ? (this.variables.get(member.slice(1)) ?? 'm1') : member
    return this.#clientOf(name as MemberName)
  }

  /** Members are listed by their ids, which ports decide. */
  override async call(request: GrpcCall, credential?: string): Promise<GrpcAnswer> {
    const answer = await super.call(request, credential)
    const { members } = (answer.reply ?? {}) as { members?: { peerURLs: string[] }[] }
    members?.sort(({ peerURLs: [one = ''] }, { peerURLs: [other = ''] }) => (one < other ? -1 : 1))
    return answer
  }

  /** As that member has it, whether a quorum is there or not. */
  override async revision(): Promise<bigint> {
    const request = { key: new Uint8Array([120]), countOnly: true, serializable: true }
    const { header } = await this.client(undefined, this.variables.has('survivor') ? '$survivor' : '$leader').unary(
      KV.method.range,
      request,
    )
    return header!.revision
  }

  /** Who leads now. */
  async findLeader(): Promise<void> {
    const end = Date.now() + LEADER_MS
    while (Date.now() < end) {
      const { leader } = await this.#status('m1')
      const found = NAMES.find((name) => this.#cluster.member(name).id === leader)
      if (found) {
        this.variables.set('leader', found)
        const follower = NAMES.find((name) => name !== found)!
        this.variables.set('follower', follower)
        return void this.variables.set('follower_id', String(this.#cluster.member(follower).id))
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error('nobody leads')
  }

  /** An HTTP request to the gateway's port of the only one left. */
  async http(
    method: string,
    path: string,
    body = '',
  ): Promise<{ status: number; body: string; response: IncomingMessage }> {
    const [host = '', port = ''] = this.#cluster.member(this.variables.get('survivor') as MemberName).client.split(':')
    const pair = this.#cluster.pki.credential('healthcheck-client')
    const asked = askHttps({ host, port, method, path, rejectUnauthorized: false, agent: false, ...pair })
    asked.end(body)
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    let text = ''
    for await (const piece of response) text += String(piece)
    return { status: response.statusCode ?? 0, body: text, response }
  }

  protected override portOf(name: string): string | undefined {
    const [, member, port] = /^(m\d)_(peer|client)$/.exec(name) ?? []
    return member === undefined ? undefined : this.#cluster.member(member as MemberName)[port as 'peer' | 'client']
  }

  async #meet(): Promise<void> {
    this.variables.set('cluster_id', String(this.#cluster.clusterId))
    for (const name of NAMES) this.variables.set(`${name}_id`, String(this.#cluster.member(name).id))
    await this.findLeader()
  }

  /** Members have to be in touch for five seconds before who they are may change: what is refused anyhow shows when. */
  async #wellKnown(): Promise<void> {
    const request = { grpc: 'Cluster/MemberAdd', message: { peerURLs: ['https://$m2_peer'] } }
    const end = Date.now() + LEADER_MS
    while ((await this.call(request)).message === 'etcdserver: unhealthy cluster' && Date.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 100))
  }

  /** The one left still knows who led: it finds out in its own time. */
  async #lose(profile: ClusterProfile): Promise<void> {
    if (profile === 'no-quorum' && this.variables.get('leader') === 'm1') {
      // The one that was left when the rows were recorded was m1, which followed.
      await this.call({ grpc: 'Maintenance/MoveLeader', member: '$leader', message: { targetID: '$m2_id' } })
      await this.findLeader()
    }
    const survivor = this.variables.get(profile === 'no-quorum' ? 'follower' : 'leader') as MemberName
    this.variables.set('survivor', survivor)
    this.variables.delete('leader')
    await Promise.all(NAMES.filter((name) => name !== survivor).map((name) => this.#cluster.kill(name)))
  }

  #status(name: MemberName): Promise<StatusResponse> {
    return this.#clientOf(name).unary(Maintenance.method.status, {})
  }

  #clientOf(name: MemberName): GrpcClient {
    const known = this.#clients.get(name)
    if (known) return known
    const client = new GrpcClient({
      endpoints: [`https://${this.#cluster.member(name).client}`],
      keyPair: () => this.#cluster.pki.credential('healthcheck-client'),
      insecureSkipVerify: true,
      timeoutMs: CALL_MS,
    })
    this.#clients.set(name, client)
    return client
  }
}
