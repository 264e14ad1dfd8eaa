/** One member: the key space, its log, its leases, and who watches. Every answer about a write waits for the disk. */
import { createHash, randomBytes } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import { ResponseHeaderSchema, type ResponseHeader } from '../../lib/etcd/rpc_pb.ts'
import { ERRORS } from './errors.ts'
import { Leases } from './leases.ts'
import { Store, type Batch, type Commit } from './mvcc/store.ts'
import { WriteAheadLog } from './write-ahead-log.ts'

export interface MemberSettings {
  name: string
  dataDir: string
  peerUrls: readonly string[]
  clientUrls: readonly string[]
  clusterToken: string
  fsync: boolean
  onFailure: (error: Error) => void
}

const LEASE_TICK_MS = 500

export class Member {
  readonly store = new Store()
  readonly leases = new Leases()
  readonly settings: MemberSettings
  readonly memberId: bigint
  readonly clusterId: bigint
  /** A single member leads from its first term on. */
  readonly raftTerm = 2n
  readonly #log: WriteAheadLog
  readonly #listeners = new Set<(commit: Commit) => void>()
  readonly #timer: NodeJS.Timeout
  #applied = 0n

  constructor(settings: MemberSettings) {
    this.settings = settings
    this.memberId = memberIdOf(settings.peerUrls, settings.clusterToken)
    this.clusterId = clusterIdOf([this.memberId])
    const { log, records } = WriteAheadLog.open(settings.dataDir, settings)
    this.#log = log
    for (const record of records) {
      if (record.kind === 'revision') this.#replay(record)
      else if (record.kind === 'compact') this.store.compact(record.revision)
      else if (record.kind === 'leaseGrant') this.leases.grant(record.id, record.ttlSeconds, Date.now())
      else this.leases.remove(record.id)
    }
    this.#applied = BigInt(records.length)
    this.#timer = setInterval(() => this.#expire(), LEASE_TICK_MS)
    this.#timer.unref()
  }

  get raftIndex(): bigint {
    return this.#applied + 4n
  }

  get sizeBytes(): number {
    return this.#log.bytes
  }

  header(revision: bigint = this.store.revision): ResponseHeader {
    const { clusterId, memberId, raftTerm } = this
    return create(ResponseHeaderSchema, { clusterId, memberId, raftTerm, revision })
  }

  /** Resolves once what a reader sees now would also survive a crash. */
  settled(): Promise<void> {
    return this.#log.synced()
  }

  /** One revision, on the disk and told to the watchers before it resolves. */
  async write<T>(act: (batch: Batch) => T): Promise<{ result: T; revision: bigint }> {
    const { result, commit } = this.store.transact(act)
    if (!commit) return { result, revision: this.store.revision }
    this.#log.append({ kind: 'revision', ...commit })
    this.#applied += 1n
    await this.#log.synced()
    for (const listener of this.#listeners) listener(commit)
    return { result, revision: commit.revision }
  }

  async compact(revision: bigint): Promise<void> {
    this.store.compact(revision)
    this.#log.append({ kind: 'compact', revision })
    await this.#log.synced()
  }

  async grantLease(id: bigint, ttlSeconds: bigint) {
    if (id !== 0n && this.leases.has(id)) throw ERRORS.leaseExists()
    if (ttlSeconds > 9_000_000_000n) throw ERRORS.leaseTtlTooLarge()
    const lease = this.leases.grant(
      id === 0n ? randomBytes(8).readBigInt64BE() & 0x7fffffffffffffffn : id,
      ttlSeconds,
      Date.now(),
    )
    this.#log.append({ kind: 'leaseGrant', id: lease.id, ttlSeconds: lease.ttlSeconds })
    await this.#log.synced()
    return lease
  }

  async revokeLease(id: bigint): Promise<void> {
    const lease = this.leases.get(id)
    if (!lease) throw ERRORS.leaseNotFound()
    this.leases.remove(id)
    this.#log.append({ kind: 'leaseRevoke', id })
    await this.write((batch) => {
      for (const key of [...lease.keys].sort()) batch.delete(key)
    })
  }

  /** Called for each revision once it is durable, in order. */
  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#log.close()
  }

  #replay({ revision, operations }: { revision: bigint; operations: Commit['operations'] }): void {
    this.store.replay(revision, operations)
    for (const { kind, kv } of operations) {
      const key = Buffer.from(kv.key).toString('latin1')
      for (const lease of this.leases.all()) lease.keys.delete(key)
      if (kind === 'put' && kv.lease !== 0n) this.leases.attach(kv.lease, key)
    }
  }

  #expire(): void {
    for (const lease of this.leases.expired(Date.now())) void this.revokeLease(lease.id).catch(() => {})
  }
}

/** etcd's own derivation (server/etcdserver/api/membership/member.go, computeMemberId). */
function memberIdOf(peerUrls: readonly string[], clusterToken: string): bigint {
  const hash = createHash('sha1').update([...peerUrls].sort().join('') + clusterToken)
  return hash.digest().readBigUInt64BE(0)
}

/** membership/cluster.go, genID. */
function clusterIdOf(memberIds: readonly bigint[]): bigint {
  const bytes = Buffer.alloc(8 * memberIds.length)
  const sorted = [...memberIds].sort((one, other) => (one < other ? -1 : 1))
  for (const [index, id] of sorted.entries()) bytes.writeBigUInt64BE(id, index * 8)
  return createHash('sha1').update(bytes).digest().readBigUInt64BE(0)
}
