/**
 * Kills a member again and again in the middle of writes (kill -9) and looks whether anything is gone that it had
 * acknowledged: `node dist/test/fuzz/etcd-soak.js --kills 1000 --seed 1`. A failure keeps the data directory.
 * With `--members 3` it is a cluster (cluster-soak.ts).
 *
 * Every writer has one request under way at most, so that what it wrote is known to a hair: after a restart its keys are as
 * the last answered request left them, or as the one without an answer would have.
 */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { DB_FILE } from '../../lib/etcd/bbolt-read.ts'
import { readStore } from '../../lib/etcd/disk.ts'
import { GrpcClient } from '../../lib/etcd/grpc-client.ts'
import { KV, Maintenance } from '../../lib/etcd/rpc_pb.ts'
import { WAL_FOLDER, readWal } from '../../lib/etcd/wal-read.ts'
import { BboltFile } from '../../sim/etcd/backend/bbolt-file.ts'
import { MemberPlace, MemberProcess, PLAIN_MEMBER } from '../fidelity/etcd/member-process.ts'
import { clusterSoak, type ClusterSoakResult } from './cluster-soak.ts'
import { Random } from './random.ts'

export interface SoakResult {
  kills: number
  acknowledged: number
  /** Compactions, defragmentations and snapshots that came to their end. */
  disturbances: number
  /** What was lost, and after which kill. */
  failure?: string
}

export interface SoakOptions {
  kills: number
  seed: number
  /** More flags for the member. */
  flags?: readonly string[]
  tell?: (line: string) => void
}

const WRITERS = 8
const MOST_WRITES_BEFORE_A_KILL = 120

const FLAGS = [
  ...PLAIN_MEMBER,
  // So that kills come between the parts of a snapshot as well.
  '--snapshot-count=50',
]

/** Both keys of a writer have one value, or are both gone. */
type Value = string | undefined

class Writer {
  readonly keys: readonly [string, string]
  /** After the last request that was answered. */
  agreed: Value = undefined
  /** What the request under way would make of it. */
  asked: { value: Value } | undefined
  #count = 0

  constructor(name: string) {
    this.keys = [`${name}/a`, `${name}/b`]
  }

  async write(client: GrpcClient, random: Random): Promise<bigint> {
    this.#count += 1
    const padding = 'x'.repeat(random.chance(0.05) ? random.below(30_000) : random.below(300))
    const value = random.chance(0.1) ? undefined : `${this.#count} ${padding}`
    this.asked = { value }
    const success = this.keys.map((key) => {
      const name = { key: Buffer.from(key) }
      if (value === undefined) return { request: { case: 'requestDeleteRange' as const, value: name } }
      return { request: { case: 'requestPut' as const, value: { ...name, value: Buffer.from(value) } } }
    })
    const { header } = await client.unary(KV.method.txn, { success })
    this.agreed = value
    this.asked = undefined
    return header!.revision
  }

  /** What is wrong with what is there. */
  check(found: ReadonlyMap<string, string>): string | undefined {
    const [one, other] = this.keys.map((key) => found.get(key))
    const show = (value: Value): string => (value === undefined ? 'nothing' : value.slice(0, 12).trimEnd())
    if (one !== other) return `${this.keys[0]}: ${show(one)}, but ${this.keys[1]}: ${show(other)}`
    const isAsked = this.asked !== undefined && one === this.asked.value
    if (one !== this.agreed && !isAsked) return `${this.keys[0]}: ${show(one)}, acknowledged was ${show(this.agreed)}`
    this.agreed = one
    this.asked = undefined
    return undefined
  }
}

export async function soak({ kills, seed, flags = [], tell = () => {} }: SoakOptions): Promise<SoakResult> {
  const random = new Random(seed)
  const place = await MemberPlace.create()
  const writers = Array.from({ length: WRITERS }, (_, number) => new Writer(`w${number}`))
  const result: SoakResult = { kills: 0, acknowledged: 0, disturbances: 0 }
  let revision = 0n
  const found = await (async (): Promise<string | undefined> => {
    for (;;) {
      const member = new MemberProcess(place, [...FLAGS, ...flags])
      const client = new GrpcClient({ endpoints: [`http://127.0.0.1:${place.clientPort}`], timeoutMs: 30_000 })
      try {
        if (!(await member.serves())) return `it does not start any more:\n${member.process.lastWords}`
        const all = await client.unary(KV.method.range, { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) })
        const there = new Map(all.kvs.map(({ key, value }) => [text(key), text(value)]))
        const lost = writers.map((writer) => writer.check(there)).find((each) => each !== undefined)
        if (lost) return lost
        if (all.header!.revision < revision) return `revision ${all.header!.revision}, acknowledged was ${revision}`
        if (result.kills === kills) return undefined
        const writes = random.below(MOST_WRITES_BEFORE_A_KILL)
        const before = result.acknowledged
        await Promise.allSettled([
          ...writers.map(async (writer) => {
            for (;;) {
              const now = await writer.write(client, random)
              if (now > revision) revision = now
              result.acknowledged += 1
              if (result.acknowledged - before >= writes) void member.process.kill()
            }
          }),
          disturb(
            client,
            random,
            () => revision,
            () => (result.disturbances += 1),
          ),
        ])
        result.kills += 1
        if (result.kills % 50 === 0) tell(`${result.kills} kills, ${result.acknowledged} writes acknowledged`)
      } finally {
        await Promise.all([client.close().catch(() => {}), member.process.kill()])
      }
      const broken = lookAt(place)
      if (broken) return broken
    }
  })()
  if (found === undefined) place.remove()
  else result.failure = `after kill ${result.kills} of seed ${seed}: ${found}\n${place.folder}`
  return result
}

/** What else goes on while it writes, until it is killed. */
async function disturb(client: GrpcClient, random: Random, revision: () => bigint, count: () => void): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, random.below(60)))
    const what = random.below(3)
    if (what === 0) await client.unary(Maintenance.method.defragment, {})
    else if (what === 1) await snapshotOf(client)
    else {
      const compact = client.unary(KV.method.compact, { revision: revision() - BigInt(random.below(20)) })
      // Compacted already, or not there yet.
      await compact.catch((error: Error) => {
        if (!error.message.includes('mvcc')) throw error
      })
    }
    count()
  }
}

/** Read to its end and thrown away. */
function snapshotOf(client: GrpcClient): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error: Error | undefined): void => (error ? reject(error) : resolve())
    client
      .stream(Maintenance.method.snapshot, { message: () => {}, end })
      .then((stream) => {
        stream.send({})
        stream.end()
      })
      .catch(reject)
  })
}

/** Offline, before anything is repaired: the tree of the db is whole, and the log goes at least as far. */
function lookAt(place: MemberPlace): string | undefined {
  try {
    const copy = join(place.folder, 'copy-of-db')
    copyFileSync(join(place.data, DB_FILE), copy)
    const db = new BboltFile(copy, { fsync: false })
    const index = db.get('meta', 'consistent_index')
    db.close()
    readStore(place.data)
    const { entries, snapshots } = readWal(join(place.data, WAL_FOLDER))
    const last = entries.at(-1)?.index ?? snapshots.at(-1)?.index ?? 0
    const applied = index ? Number(Buffer.from(index).readBigUInt64BE(0)) : 0
    return applied > last ? `the db is at entry ${applied}, the log ends with ${last}` : undefined
  } catch (error) {
    return `on the disk: ${error instanceof Error ? error.message : String(error)}`
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '1000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      'no-fsync': { type: 'boolean', default: false },
      members: { type: 'string', default: '1' },
    },
  })
  const seed = Number(values.seed)
  console.log(`seed ${seed}`)
  const flags = values['no-fsync'] ? ['--unsafe-no-fsync'] : []
  const options = { kills: Number(values.kills), seed, flags, tell: console.log }
  if (values.members === '3') return tellCluster(await clusterSoak(options))
  const { kills, acknowledged, disturbances, failure } = await soak(options)
  conclude(`${kills} kills, ${disturbances} disturbances, ${acknowledged} writes acknowledged`, failure)
}

function tellCluster({ kills, pauses, partitions, wipes, acknowledged, reads, failure }: ClusterSoakResult): void {
  conclude(
    `${kills} kills, ${pauses} pauses, ${partitions} partitions, ${wipes} disks lost, ${acknowledged} writes acknowledged, ${reads} reads`,
    failure,
  )
}

function conclude(figures: string, failure: string | undefined): void {
  console.log(`${figures}, ${failure ? 'and not all are there' : 'all there'}`)
  if (!failure) return
  console.error(failure)
  process.exitCode = 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
