/**
 * Three members under write load, of which one is killed (kill -9), two are, one loses its disk, one is paused and wakes as what it
 * was, or one is cut off from the others while clients still reach it, again and again: no acknowledged write is lost, no
 * linearizable read is stale, everybody comes back by itself, and in the end all three hold the same. A failure keeps the data
 * directories.
 */
import { rmSync } from 'node:fs'
import { claimOctet, loopbackPlan, type AddressPlan, type OctetClaim } from '../../lib/cluster/addresses.ts'
import { etcdClient } from '../../lib/etcd/client.ts'
import { GrpcClient } from '../../lib/etcd/grpc-client.ts'
import { KV, Maintenance } from '../../lib/etcd/rpc_pb.ts'
import { Wire } from '../../lib/wire/control.ts'
import { FROZEN } from '../../lib/wire/fault.ts'
import { MemberPlace, MemberProcess } from '../fidelity/etcd/member-process.ts'
import { Random } from './random.ts'
import { RegisterWriter, Violation } from './register-writer.ts'

export interface ClusterSoakResult {
  kills: number
  pauses: number
  /** A member whose peers hear nothing of it, nor it of them, while clients still reach it. */
  partitions: number
  /** Disks lost, each with its member killed. */
  wipes: number
  acknowledged: number
  reads: number
  /** What was lost or stale, and after which fault. */
  failure?: string
}

export interface ClusterSoakOptions {
  kills: number
  seed: number
  flags?: readonly string[]
  tell?: (line: string) => void
}

const WRITERS = 6
const MOST_WRITES_BETWEEN = 60
/** No quorum is out of reach for that long. */
const STALL_MS = 120_000
/** What a leader that is gone was asked is answered by nobody. */
const CALL_MS = 3000
const MOST_PAUSE_MS = 2500
/** Beside a member that is cut off: the others have elected by then, and it has nothing true to say any more. */
const LEAST_WRITES_BESIDE = 40
const PEER_PORT = 2380

interface Member {
  name: string
  place: MemberPlace
  process: MemberProcess
  /** Whether it joins those who are there, in place of one that is gone. */
  joins: boolean
}

const NAMES = ['m1', 'm2', 'm3']

/** Members speak to each other by way of the range's own wire; clients reach them past it. */
class Cluster {
  readonly members: Member[] = []
  readonly #flags: readonly string[]
  readonly #claim: OctetClaim
  readonly #plan: AddressPlan
  readonly #wire: Wire

  static async create(flags: readonly string[]): Promise<Cluster> {
    const claim = await claimOctet()
    const plan = loopbackPlan(claim.octet, NAMES)
    const wire = await Wire.start(plan.hosts.map(({ name, face, back }) => ({ name, face, back })))
    for (const name of NAMES) await wire.open(name, PEER_PORT)
    return new Cluster(flags, claim, plan, wire)
  }

  private constructor(flags: readonly string[], claim: OctetClaim, plan: AddressPlan, wire: Wire) {
    this.#flags = flags
    this.#claim = claim
    this.#plan = plan
    this.#wire = wire
  }

  async start(): Promise<void> {
    for (const name of NAMES)
      this.members.push({ name, place: await MemberPlace.create(), process: undefined as never, joins: false })
    for (const member of this.members) this.launch(member)
    await Promise.all(this.members.map(({ process }) => process.serves()))
  }

  launch(member: Member): void {
    const { face, back } = this.#plan.host(member.name)
    const flags = [
      `--name=${member.name}`,
      '--data-dir={data}',
      '--listen-client-urls=http://{client}',
      '--advertise-client-urls=http://{client}',
      `--listen-peer-urls=http://${back}:${PEER_PORT}`,
      `--initial-advertise-peer-urls=${this.#peerUrl(member)}`,
      `--initial-cluster=${this.members.map((each) => `${each.name}=${this.#peerUrl(each)}`).join(',')}`,
      `--initial-cluster-state=${member.joins ? 'existing' : 'new'}`,
      '--heartbeat-interval=50',
      '--election-timeout=500',
      // So that who was away is brought up by a snapshot as well.
      '--snapshot-count=100',
      '--snapshot-catchup-entries=1000',
      // A db that grows without end is behind again by the time it has crossed.
      '--auto-compaction-retention=2s',
      ...this.#flags,
    ]
    member.process = new MemberProcess(member.place, flags, { MTLS_RANGE_FACE: face })
  }

  #peerUrl({ name }: Member): string {
    return `http://${this.#plan.host(name).face}:${PEER_PORT}`
  }

  /** Nothing that is sent between it and the others arrives, nor is it refused. */
  async cutOff({ name }: Member): Promise<void> {
    for (const link of [{ from: name }, { to: name }]) {
      await this.#wire.fault(link, FROZEN)
      await this.#wire.cut(link)
    }
  }

  async reconnect({ name }: Member): Promise<void> {
    for (const link of [{ from: name }, { to: name }]) {
      await this.#wire.mend(link)
      await this.#wire.cut(link)
    }
  }

  /** As an administrator replaces a machine whose disk is gone: `etcdctl member remove`, `member add`, an empty disk. */
  async replace(member: Member): Promise<void> {
    const peerUrl = this.#peerUrl(member)
    const others = this.members.filter((each) => each !== member)
    const endpoints = others.map(({ place }) => `http://127.0.0.1:${place.clientPort}`)
    const etcdctl = etcdClient({ endpoints, timeoutMs: CALL_MS })
    try {
      const isThere = async (): Promise<bigint | undefined> =>
        (await etcdctl.members()).find(({ peerURLs }) => peerURLs.includes(peerUrl))?.ID
      const old = await isThere()
      // Who had no answer looks whether it was done: with the old leader's end an answer is lost.
      await untilDone(async () => {
        if (old !== undefined && (await isThere()) === old) await etcdctl.removeMember(old)
      })
      await untilDone(async () => {
        if ((await isThere()) === undefined) await etcdctl.addMember([peerUrl])
      })
    } finally {
      await etcdctl.close()
    }
    rmSync(member.place.data, { recursive: true })
    member.joins = true
  }

  /** Undefined while nobody leads. */
  async leader(): Promise<Member | undefined> {
    for (const member of this.members) {
      const etcdctl = etcdClient({ endpoints: [`http://127.0.0.1:${member.place.clientPort}`], timeoutMs: CALL_MS })
      try {
        const { leader, header } = await etcdctl.status()
        if (leader === header?.memberId) return member
      } catch {
        // One that has just come back does not answer yet.
      } finally {
        await etcdctl.close()
      }
    }
    return undefined
  }

  client(first: number): GrpcClient {
    const urls = this.members.map(({ place }) => `http://127.0.0.1:${place.clientPort}`)
    return new GrpcClient({ endpoints: [...urls.slice(first), ...urls.slice(0, first)], timeoutMs: CALL_MS })
  }

  async end(keep: boolean): Promise<void> {
    await Promise.all(this.members.map(({ process }) => process.process.kill()))
    await this.#wire.stop()
    await this.#claim.release()
    if (!keep) for (const { place } of this.members) place.remove()
  }
}

export async function clusterSoak(options: ClusterSoakOptions): Promise<ClusterSoakResult> {
  const { kills, seed, flags = [], tell = () => {} } = options
  const random = new Random(seed)
  const cluster = await Cluster.create(flags)
  const result: ClusterSoakResult = { kills: 0, pauses: 0, partitions: 0, wipes: 0, acknowledged: 0, reads: 0 }
  const faults = { isOver: false }
  const writing = async (writer: RegisterWriter, at: number): Promise<void> => {
    const choices = new Random(seed * WRITERS + at)
    const client = cluster.client(at % 3)
    // Reads go to any member by itself.
    const readers = [0, 1, 2].map((first) => cluster.client(first))
    try {
      while (!faults.isOver) {
        try {
          if (choices.chance(0.25)) {
            await writer.read(choices.pick(readers))
            result.reads += 1
          } else {
            await writer.write(client, choices)
            result.acknowledged += 1
          }
        } catch (error) {
          if (error instanceof Violation) throw error
          // Whoever was asked is gone, or has no quorum: what became of it is not known.
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
    } finally {
      for (const each of [client, ...readers]) await each.close()
    }
  }
  try {
    await cluster.start()
    const writers = Array.from({ length: WRITERS }, (_, at) => new RegisterWriter(`w${at}`))
    const work = Promise.all(writers.map((writer, at) => writing(writer, at)))
    const mishaps = (async () => {
      let told = 0
      while (result.kills < kills) {
        await fault(cluster, random, result)
        if (result.kills < told + 20) continue
        told = result.kills
        tell(
          `${result.kills} kills, ${result.pauses} pauses, ${result.partitions} partitions, ${result.wipes} disks lost, ${result.acknowledged} writes`,
        )
      }
    })()
    await Promise.race([mishaps, work])
    faults.isOver = true
    await work
    await agree(cluster, writers)
  } catch (error) {
    const folders = cluster.members.map(({ place }) => place.folder).join(' ')
    result.failure = `after kill ${result.kills} of seed ${seed}: ${(error as Error).message}\n${folders}`
  } finally {
    faults.isOver = true
    await cluster.end(result.failure !== undefined)
  }
  return result
}

/** One thing goes wrong, some writes are made by those who are left, and it is mended. */
async function fault(cluster: Cluster, random: Random, result: ClusterSoakResult): Promise<void> {
  await progress(result, random.below(MOST_WRITES_BETWEEN))
  const hit = random.pick(cluster.members)
  if (random.chance(0.2)) {
    // Long enough for the others to elect another.
    hit.process.process.child.kill('SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, random.below(MOST_PAUSE_MS)))
    hit.process.process.child.kill('SIGCONT')
    result.pauses += 1
    return
  }
  if (random.chance(0.15)) {
    // Who leads has most to say that is not true any more.
    const alone = random.chance(0.5) ? ((await cluster.leader()) ?? hit) : hit
    await cluster.cutOff(alone)
    await progress(result, LEAST_WRITES_BESIDE + random.below(MOST_WRITES_BETWEEN))
    await cluster.reconnect(alone)
    result.partitions += 1
    return
  }
  const others = cluster.members.filter((member) => member !== hit)
  if (random.chance(0.1)) {
    await hit.process.process.kill()
    result.kills += 1
    result.wipes += 1
    await cluster.replace(hit)
    cluster.launch(hit)
    await back(hit)
    return
  }
  const down = random.chance(0.15) ? [hit, random.pick(others)] : [hit]
  await Promise.all(down.map(({ process }) => process.process.kill()))
  result.kills += down.length
  if (down.length === 1) await progress(result, random.below(MOST_WRITES_BETWEEN))
  for (const member of down) cluster.launch(member)
  for (const member of down) await back(member)
}

/** Until it is done once without an error: a cluster that lost its leader refuses for a while. */
async function untilDone(what: () => Promise<void>): Promise<void> {
  const end = Date.now() + STALL_MS
  for (;;) {
    try {
      return await what()
    } catch (error) {
      if (Date.now() > end) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** It serves by itself, however long a machine with other work to do takes. */
async function back({ name, process }: Member): Promise<void> {
  const end = Date.now() + STALL_MS
  for (;;) {
    const serves = await process.serves().catch((error: Error) => {
      if (Date.now() > end) throw error
      return undefined
    })
    if (serves) return
    if (serves === false) throw new Error(`${name} does not start any more:\n${process.process.lastWords}`)
  }
}

async function progress(result: ClusterSoakResult, writes: number): Promise<void> {
  const wanted = result.acknowledged + writes
  const end = Date.now() + STALL_MS
  while (result.acknowledged < wanted) {
    if (Date.now() > end) throw new Error('no write was acknowledged for two minutes')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Everything acknowledged is at every member, and all hold the same. */
async function agree(cluster: Cluster, writers: readonly RegisterWriter[]): Promise<void> {
  const clients = [0, 1, 2].map((first) => cluster.client(first))
  try {
    for (const client of clients) for (const writer of writers) await writer.read(client)
    const { header } = await clients[0]!.unary(KV.method.range, { key: Buffer.from('w0') })
    const { revision } = header!
    const hashes = await Promise.all(clients.map((client) => client.unary(Maintenance.method.hashKV, { revision })))
    const all = hashes.map(({ hash }) => hash)
    if (new Set(all).size > 1) throw new Violation(`at revision ${revision} the members differ: ${all.join(', ')}`)
  } finally {
    for (const client of clients) await client.close()
  }
}
