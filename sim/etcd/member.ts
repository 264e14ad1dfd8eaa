/** One member: what it agrees on with the others, the door through which that changes, and what only its clock knows. */
import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf'
import { ClusterMemberAttrSetRequestSchema, ClusterVersionSetRequestSchema } from '../../lib/etcd/internal_pb.ts'
import { ENTRY_TYPE, encodeConfChange, voters, type RaftEntry } from '../../lib/etcd/raft-entry.ts'
import { encodeV2Put, type RaftRequestKind } from '../../lib/etcd/raft-request.ts'
import { CompactionRequestSchema, ResponseHeaderSchema, type ResponseHeader } from '../../lib/etcd/rpc_pb.ts'
import { Applier } from './apply/applier.ts'
import { State } from './apply/state.ts'
import { authInfoOf, type AuthInfo } from './auth/auth-info.ts'
import { SimpleTokens } from './auth/simple-tokens.ts'
import type { TokenProvider } from './auth/token-provider.ts'
import { Backend, type StoredState } from './backend/backend.ts'
import { StateOnDisk } from './backend/state-on-disk.ts'
import type { Bootstrap } from './cluster/bootstrap.ts'
import type { ClusterMember } from './cluster/members.ts'
import { confChangeOf } from './cluster/membership-change.ts'
import { promote } from './cluster/promotion.ts'
import { AutoCompaction } from './compaction/auto-compaction.ts'
import type { CompactionRule } from './compaction/rules.ts'
import type { Door, Proposal, Reply } from './consensus/door.ts'
import { LeaderLink } from './consensus/leader-link.ts'
import { Replicated } from './consensus/replicated.ts'
import { RequestIds } from './consensus/request-ids.ts'
import type { Call } from './grpc/call.ts'
import { LeaseClock } from './lease/lease-clock.ts'
import { LeaseExpiry } from './lease/lease-expiry.ts'
import { LeaseKeeper } from './lease/lease-keeper.ts'
import { log } from './log.ts'
import { Quota } from './maintenance/quota.ts'
import { MemberMetrics } from './metrics/member-metrics.ts'
import type { PeerDialing } from './peer/peer-connection.ts'
import { CLUSTER_VERSION } from './version.ts'

export interface MemberSettings {
  name: string
  dataDir: string
  peerUrls: readonly string[]
  clientUrls: readonly string[]
  clusterToken: string
  fsync: boolean
  onFailure: (error: Error) => void
  maxRequestBytes?: number
  quotaBytes?: number
  maxLearners?: number
  strictReconfigCheck?: boolean
  tokens?: TokenProvider
  bcryptCost?: number
  certificatesName?: boolean
  checkpointsLeases?: boolean
  heartbeatMs?: number
  electionMs?: number
  snapshotCount?: number
  /** Whose member it is, be it the only one. */
  cluster: MemberCluster
}

export interface MemberCluster {
  bootstrap: Bootstrap
  dialing: PeerDialing
  /** Announced to peers, which mix with neighbouring versions only. */
  version: string
  preVote: boolean
  catchUpEntries: number
  onRemoved: () => void
}

const DEFAULTS = {
  maxRequestBytes: 1.5 * 1024 * 1024,
  quotaBytes: 0,
  maxLearners: 1,
  strictReconfigCheck: true,
  bcryptCost: 10,
  certificatesName: true,
  checkpointsLeases: false,
  heartbeatMs: 100,
  electionMs: 1000,
  snapshotCount: 10_000,
}

/** --auth-token-ttl */
const TOKEN_TTL_MS = 300_000

export class Member {
  readonly settings: Required<MemberSettings>
  readonly state: State
  readonly door: Door
  /** The same, with its ends towards peers. */
  readonly replicated: Replicated
  readonly tokens: TokenProvider
  readonly metrics = new MemberMetrics()
  readonly clock: LeaseClock
  readonly leases: LeaseKeeper
  readonly quota: Quota
  readonly memberId: bigint
  readonly clusterId: bigint
  readonly backend: Backend
  readonly #disk: StateOnDisk
  readonly #ids: RequestIds
  readonly #leader: LeaderLink
  /** While the log is read at start there is no door yet. */
  #term = (): number => 0
  readonly #expiry: LeaseExpiry
  #isClosed = false

  constructor(given: MemberSettings) {
    const settings = { ...DEFAULTS, tokens: new SimpleTokens(TOKEN_TTL_MS), ...given }
    this.settings = settings
    const { heartbeatMs, electionMs } = settings
    // One and a half elections, in whole seconds (server/etcdserver/server.go, NewServer).
    const ticks = Math.floor((3 * Math.floor(electionMs / heartbeatMs)) / 2)
    const shortestTtlSeconds = BigInt(Math.ceil((ticks * heartbeatMs) / 1000))
    this.state = new State({ maxLearners: settings.maxLearners, shortestTtlSeconds })
    this.tokens = settings.tokens
    this.state.auth.heardBy(this.tokens)
    this.#count()
    this.clock = new LeaseClock(this.state.leases)
    const { backend, state: stored } = Backend.open({ ...settings, log, metrics: this.metrics.disk })
    this.backend = backend
    this.#disk = new StateOnDisk(backend, this.state)
    this.quota = new Quota(settings.quotaBytes, () => backend.sizeBytes)
    const ownId = settings.cluster.bootstrap.memberId
    const clusterId = settings.cluster.bootstrap.clusterId
    const metadata = stored.metadata ?? { nodeId: ownId, clusterId }
    if (!stored.metadata) backend.startLog(metadata)
    this.memberId = metadata.nodeId
    this.clusterId = metadata.clusterId
    this.#ids = new RequestIds(this.memberId)
    const { state, tokens, quota } = this
    const applier = new Applier({
      state,
      tokens,
      header: () => this.header(),
      fits: (costBytes) => quota.fits(costBytes),
      applied: (entry, kind) => this.#disk.applied(entry, kind),
    })
    this.replicated = this.#replicated(settings.cluster, applier, stored)
    this.door = this.replicated
    this.#leader = new LeaderLink({
      dialing: settings.cluster.dialing,
      members: state.members,
      leader: () => this.door.status.leader,
      requestTimeoutMs: requestTimeoutMs(settings),
    })
    const { door, clock } = this
    this.leases = new LeaseKeeper({ door, clock, leases: state.leases, leader: this.#leader })
    this.#term = () => this.door.status.term
    this.door.onLeadership((leads) => (leads ? this.clock.promote() : this.clock.demote()))
    const { checkpointsLeases } = settings
    const expired = this.metrics.server.leasesExpired
    this.#expiry = new LeaseExpiry({ door, clock, auth: state.auth, expired, checkpointsLeases })
  }

  #count(): void {
    const { server } = this.metrics
    this.state.onCommit((commit) => server.committed(commit))
    this.state.leases.heardBy({
      granted: ({ ttlSeconds }) => {
        server.leasesGranted.inc()
        server.leaseTtls.observe(Number(ttlSeconds))
      },
      removed: () => server.leasesRevoked.inc(),
    })
  }

  #replicated(cluster: MemberCluster, applier: Applier, stored: StoredState): Replicated {
    const { settings, state, memberId, clusterId, backend } = this
    const { bootstrap, dialing, version } = cluster
    const isBlank = stored.entries.length === 0 && stored.consistentIndex === 0
    const first = isBlank ? bootstrap.first : []
    // Every log of a new cluster begins with its members, in term 1.
    const entries = first.map((member, at): RaftEntry => {
      const data = encodeConfChange(confChangeOf({ kind: 'add', ...member }, 0n))
      return { type: ENTRY_TYPE.confChange, term: 1, index: at + 1, data }
    })
    const hardState = isBlank ? { term: first.length > 0 ? 1 : 0, vote: 0n, commit: first.length } : stored.hardState
    if (entries.length > 0) backend.append(entries, hardState)
    return new Replicated({
      ...settings,
      ...cluster,
      metrics: this.metrics,
      identity: { id: memberId, clusterId, version, peerUrls: settings.peerUrls },
      dialing,
      applier,
      members: state.members,
      storage: backend,
      stored: {
        entries: isBlank ? entries : stored.entries,
        hardState: hardState ?? { term: 0, vote: 0n, commit: 0 },
        ...(stored.snapshot ? { snapshot: stored.snapshot } : {}),
      },
      consistentIndex: stored.consistentIndex,
      confState: isBlank ? voters(...first.map(({ id }) => id)) : this.#disk.confState(),
      peers: isBlank ? bootstrap.peers : state.members.all(),
      requestTimeoutMs: requestTimeoutMs(settings),
      membership: () => this.#disk.membership(),
      reload: () => this.#disk.reload(),
      onPanic: settings.onFailure,
    })
  }

  /** Tells the cluster its name and where clients find it; done once it serves. */
  async publish(): Promise<void> {
    while (!this.#isClosed) {
      try {
        return await this.#publish()
      } catch (error) {
        // Until enough members are there to agree on anything.
        const fields = { 'local-member-id': this.memberId.toString(16), error: (error as Error).message }
        if (!this.#isClosed) log('warn', 'failed to publish local member to cluster through raft', fields)
      }
    }
  }

  async #publish(): Promise<void> {
    const { name, clientUrls, cluster } = this.settings
    if (isBefore35(cluster.version)) return this.#publishInV2()
    const memberAttributes = { name, clientUrls: [...clientUrls] }
    await this.proposeOwn('clusterMemberAttrSet', ClusterMemberAttrSetRequestSchema, {
      memberID: this.memberId,
      memberAttributes,
    })
    if (this.state.members.clusterVersion !== undefined) return
    await this.proposeOwn('clusterVersionSet', ClusterVersionSetRequestSchema, { ver: CLUSTER_VERSION })
  }

  /** Members before 3.5 stop at requests that they do not know. */
  async #publishInV2(): Promise<void> {
    const { name, clientUrls } = this.settings
    const path = `/0/members/${this.memberId.toString(16)}/attributes`
    const value = JSON.stringify({ name, clientURLs: clientUrls })
    await this.door.propose({ kind: 'v2', body: encodeV2Put(this.#ids.next(), path, value) })
  }

  /** The head of a reply, with the revision of now unless another is given. */
  header(revision: bigint = this.state.store.revision): ResponseHeader {
    const header = create(ResponseHeaderSchema)
    header.clusterId = this.clusterId
    header.memberId = this.memberId
    header.raftTerm = BigInt(this.#term())
    header.revision = revision
    return header
  }

  /** Who asks, where that matters. @throws GrpcError Unauthenticated */
  async authInfo(call: Call | undefined): Promise<AuthInfo | undefined> {
    if (!this.state.auth.enabled) return undefined
    const { state, tokens, settings, door } = this
    const applied = (index: bigint): Promise<void> => door.applied(Number(index))
    return authInfoOf({ auth: state.auth, tokens, certificatesName: settings.certificatesName, applied }, call)
  }

  /** For calls that somebody must make, whoever it is. @throws GrpcError */
  async requireAnybody(call: Call): Promise<AuthInfo | undefined> {
    const info = await this.authInfo(call)
    if (this.state.auth.enabled && !info) this.state.auth.requireAdmin(info)
    return info
  }

  async requireAdmin(call: Call): Promise<void> {
    this.state.auth.requireAdmin(await this.authInfo(call))
  }

  /** Makes a voter of a learner; the members thereafter. @throws GrpcError */
  async promote(id: bigint, call: Call): Promise<ClusterMember[]> {
    await this.requireAdmin(call)
    const { door, state } = this
    const leads = (): boolean => door.status.leader === this.memberId
    const strict = this.settings.strictReconfigCheck
    const token = call.metadata('token') ?? call.metadata('authorization')
    const promoted = await promote({ door, members: state.members, leader: this.#leader, leads, strict }, id, token)
    if (leads()) this.metrics.server.promoted.inc()
    return promoted
  }

  /** `bytes` are the request's own, where it came as such. */
  async propose(
    kind: RaftRequestKind,
    request: object,
    bytes: Uint8Array,
    call: Call | undefined,
    info?: AuthInfo,
  ): Promise<Reply> {
    const proposal: Proposal = { kind, body: bytes, request }
    if (this.state.auth.enabled) proposal.info = info ?? (await this.authInfo(call))
    return this.door.propose(proposal)
  }

  /** What the member itself asks for, in nobody's name. */
  async proposeOwn<Desc extends DescMessage>(
    kind: RaftRequestKind,
    schema: Desc,
    init: MessageInitShape<Desc>,
  ): Promise<Reply> {
    const request = create(schema, init)
    return this.door.propose({ kind, body: toBinary(schema, request), request })
  }

  /** An id that nobody else gives out, positive as an int64. */
  newLeaseId(): bigint {
    return BigInt.asUintN(63, this.#ids.next())
  }

  /** --auto-compaction-mode: until it is closed. */
  compactBy(rule: CompactionRule): AutoCompaction {
    return new AutoCompaction({
      rule,
      revision: () => this.state.store.revision,
      compact: (revision) => this.proposeOwn('compaction', CompactionRequestSchema, { revision }),
      leads: () => this.clock.counts,
      log,
    })
  }

  handOver(): Promise<void> {
    return this.door.handOver()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#expiry.close()
    this.door.close()
    this.#leader.close()
    await this.backend.close()
  }
}

/** server/config/config.go, ReqTimeout: a disk, and two elections. */
function requestTimeoutMs({ electionMs }: { electionMs: number }): number {
  return 5000 + 2 * electionMs
}

function isBefore35(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major === 3 && minor < 5
}
