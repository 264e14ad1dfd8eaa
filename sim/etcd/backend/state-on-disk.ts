/**
 * Writes to the db what applying the log changes, and reads it back at start. Each part of the state lies where etcd 3.6
 * has it (server/storage/schema), so that real tools and a real member find it.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { RoleSchema } from '../../../lib/etcd/auth_pb.ts'
import { encodeKeyValue, parseRevisionKey, revisionKey, scanKeyValue } from '../../../lib/etcd/key-value.ts'
import { Event_EventType } from '../../../lib/etcd/kv_pb.ts'
import { ProtoWriter, readProto } from '../../../lib/etcd/protobuf.ts'
import { voters, type ConfState, type RaftEntry } from '../../../lib/etcd/raft-entry.ts'
import type { RaftRequestKind } from '../../../lib/etcd/raft-request.ts'
import { AlarmMemberSchema } from '../../../lib/etcd/rpc_pb.ts'
import type { State } from '../apply/state.ts'
import type { Lease } from '../lease/leases.ts'
import type { Version } from '../mvcc/key-index.ts'
import type { Commit } from '../mvcc/store.ts'
import type { Backend } from './backend.ts'
import { StoredVersion } from './stored-version.ts'
import { decodeUser, encodeUser } from './user-record.ts'
import { memberJson, memberOf } from '../cluster/member-json.ts'
import { AUTH, CLUSTER, META, type BucketName } from './schema.ts'
import { membershipInV2Format } from './snap-folder.ts'

export class StateOnDisk {
  readonly #backend: Backend
  readonly #state: State

  /** Fills the state from the db; from then on the db follows it. */
  constructor(backend: Backend, state: State) {
    this.#backend = backend
    this.#state = state
    this.#read()
    state.onCommit((commit) => this.#writeCommit(commit))
    state.store.heardBy({ forgot: (version) => this.#forget(version), compacted: (at) => this.#writeCompaction(at) })
    const write = (lease: Lease): void => this.#writeLease(lease)
    state.leases.heardBy({
      granted: write,
      checkpointed: write,
      removed: ({ id }) => backend.delete('lease', be64(id).toString('latin1')),
    })
    // A real member may have been stopped in the middle of a compaction.
    const scheduled = this.#compactedAt(META.scheduledCompaction)
    if (scheduled > this.#compactedAt(META.finishedCompaction)) state.store.compact(scheduled)
  }

  /** The db has become another one (Backend.takeReceived): the state is what that says, and watchers hear what they missed. */
  reload(): void {
    const { store } = this.#state
    const before = store.revision
    this.#read()
    this.#isReloading = true
    for (const commit of store.since(before + 1n)) this.#state.tell(commit)
    this.#isReloading = false
  }

  #isReloading = false

  #read(): void {
    this.#readMembers()
    this.#readAuth()
    this.#readLeases()
    this.#readKeys()
    this.#readAlarms()
  }

  /** After each entry, and in the same turn of the event loop, so that a batch holds all of it. */
  applied(entry: RaftEntry, kind: RaftRequestKind | 'confChange' | undefined): void {
    if (kind === 'confChange' || kind === 'clusterMemberAttrSet' || kind === 'v2') this.#writeMembers()
    if (kind === 'clusterVersionSet' || kind === 'downgradeInfoSet' || kind === 'v2') this.#writeCluster()
    if (kind === 'alarm') this.#writeAlarms()
    if (kind?.startsWith('auth') || kind === 'confChange') this.#writeAuth()
    this.#backend.applied(entry)
  }

  /** What the members are, for the file that stands for a part of the log (Backend.saveSnapshot). */
  membership(): Buffer {
    const { members } = this.#state
    return membershipInV2Format(members.all(), members.removed(), members.clusterVersion)
  }

  confState(): ConfState {
    const { members } = this.#state
    const confState = voters(...members.voters().map(({ id }) => id))
    return { ...confState, learners: members.all().flatMap(({ id, isLearner }) => (isLearner ? [id] : [])) }
  }

  #writeCommit({ revision, events }: Commit): void {
    if (this.#isReloading) return
    for (const [sub, { type, kv }] of events.entries()) {
      const isTombstone = type === Event_EventType.DELETE
      const value = isTombstone
        ? new ProtoWriter(kv!.key.length + 8).bytes(1, kv!.key).finish()
        : encodeKeyValue({
            key: kv!.key,
            createRevision: Number(kv!.createRevision),
            modRevision: Number(kv!.modRevision),
            version: Number(kv!.version),
            value: kv!.value,
            lease: kv!.lease,
          })
      this.#backend.put('key', revisionKey(Number(revision), sub, isTombstone).toString('latin1'), value)
    }
  }

  #forget({ revision, sub, kv }: Version): void {
    this.#backend.delete('key', revisionKey(Number(revision), sub, kv === undefined).toString('latin1'))
  }

  #writeCompaction(revision: bigint): void {
    const bytes = revisionKey(Number(revision), 0)
    this.#backend.put('meta', META.scheduledCompaction, bytes)
    this.#backend.put('meta', META.finishedCompaction, bytes)
  }

  #readKeys(): void {
    const compacted = this.#compactedAt(META.finishedCompaction)
    const scheduled = this.#compactedAt(META.scheduledCompaction)
    const reached = scheduled > compacted ? scheduled : compacted
    this.#state.store.load((take) => this.#readVersions(take), { compacted, reached })
  }

  #readVersions(take: (key: string, version: Version, lease: bigint) => void): void {
    this.#backend.scan('key', (page, keyStart, start, end) => {
      const at = parseRevisionKey(page, keyStart, start)
      if (!at) throw new Error(`[db_key] bucket key: ${page.toString('hex', keyStart, start)} is no revision`)
      // `etcdutl snapshot restore --bump-revision` leaves an empty one to count on from.
      if (start === end) return
      const { key, lease } = scanKeyValue(page, start, end)
      const revision = BigInt(at.main)
      if (at.isTombstone) take(key, { revision, sub: at.sub, kv: undefined }, 0n)
      else take(key, new StoredVersion(revision, at.sub, page, start, end), lease)
    })
  }

  #compactedAt(key: string): bigint {
    const bytes = this.#backend.get('meta', key)
    return BigInt((bytes && parseRevisionKey(Buffer.from(bytes))?.main) ?? -1)
  }

  /** leasepb.Lease: ID = 1, TTL = 2, RemainingTTL = 3. */
  #writeLease({ id, ttlSeconds, remainingSeconds }: Lease): void {
    const lease = new ProtoWriter(40).bigint(1, id).bigint(2, ttlSeconds).bigint(3, remainingSeconds).finish()
    this.#backend.put('lease', be64(id).toString('latin1'), lease)
  }

  #readLeases(): void {
    const leases = [...this.#backend.entries('lease')].map(([, bytes]) => {
      const lease = { id: 0n, ttlSeconds: 0n, remainingSeconds: 0n }
      readProto(bytes, ({ field, bigint }) => {
        if (field === 1) lease.id = BigInt.asIntN(64, bigint())
        else if (field === 2) lease.ttlSeconds = bigint()
        else if (field === 3) lease.remainingSeconds = bigint()
      })
      return lease
    })
    this.#state.leases.restore(leases)
  }

  #readAlarms(): void {
    const alarms = [...this.#backend.entries('alarm')].map(([bytes]) => {
      const { memberID, alarm } = fromBinary(AlarmMemberSchema, Buffer.from(bytes, 'latin1'))
      return { memberId: memberID, type: alarm }
    })
    this.#state.alarms.restore(alarms)
  }

  #writeAlarms(): void {
    const alarms = this.#state.alarms.get().map(({ memberId, type }): [string, Buffer] => {
      const bytes = toBinary(AlarmMemberSchema, create(AlarmMemberSchema, { memberID: memberId, alarm: type }))
      return [Buffer.from(bytes).toString('latin1'), Buffer.alloc(0)]
    })
    this.#replace('alarm', alarms)
  }

  #writeAuth(): void {
    const { auth } = this.#state
    const users = auth.userNames().map((name): [string, Buffer] => [name, encodeUser(auth.user(name)!)])
    const roles = auth.roleNames().map((name): [string, Buffer] => {
      const role = create(RoleSchema, { name: Buffer.from(name), keyPermission: [...auth.role(name)!.permissions] })
      return [name, Buffer.from(toBinary(RoleSchema, role))]
    })
    this.#replace('authUsers', users.map(named))
    this.#replace('authRoles', roles.map(named))
    this.#put('auth', AUTH.revision, be64(auth.revision))
    if (auth.enabled || this.#backend.get('auth', AUTH.enabled)) {
      this.#put('auth', AUTH.enabled, Buffer.from([auth.enabled ? 1 : 0]))
    }
  }

  #readAuth(): void {
    const users = [...this.#backend.entries('authUsers')].map(([, bytes]) => decodeUser(bytes))
    const roles = [...this.#backend.entries('authRoles')].map(([, bytes]) => {
      const { name, keyPermission } = fromBinary(RoleSchema, bytes)
      return { name: Buffer.from(name).toString('utf8'), permissions: keyPermission }
    })
    const revision = this.#backend.get('auth', AUTH.revision)
    this.#state.auth.restore({
      enabled: this.#backend.get('auth', AUTH.enabled)?.[0] === 1,
      // A member that nobody ever gave a user writes 0 (server/auth/store.go, NewAuthStore).
      revision: (revision && Buffer.from(revision).readBigUInt64BE(0)) || 1n,
      users,
      roles,
    })
  }

  #writeMembers(): void {
    const { members } = this.#state
    const all = members.all()
    this.#replace(
      'members',
      all.map((member): [string, Buffer] => [member.id.toString(16), Buffer.from(memberJson(member))]),
    )
    this.#replace(
      'members_removed',
      members.removed().map((id): [string, Buffer] => [id.toString(16), Buffer.from('removed')]),
    )
    this.#backend.setConfState(this.confState())
  }

  #readMembers(): void {
    const { members } = this.#state
    const found = [...this.#backend.entries('members')].map(([id, json]) => memberOf(id, json))
    members.restore(
      found,
      [...this.#backend.entries('members_removed')].map(([id]) => BigInt(`0x${id}`)),
    )
    members.clusterVersion = this.#backend.get('cluster', CLUSTER.version)?.toString()
    const downgrade = this.#backend.get('cluster', CLUSTER.downgrade)
    if (downgrade) {
      const { enabled, 'target-version': target } = JSON.parse(downgrade.toString()) as Record<string, unknown>
      members.downgradeTarget = enabled === true ? String(target) : undefined
    }
  }

  #writeCluster(): void {
    const { clusterVersion, downgradeTarget } = this.#state.members
    if (clusterVersion) {
      this.#put('cluster', CLUSTER.version, Buffer.from(clusterVersion))
      // Members before 3.6 refuse a file that says whose it is.
      const [major, minor] = clusterVersion.split('.').map(Number)
      if (major === 3 && minor! >= 6) this.#put('meta', META.storageVersion, Buffer.from(`3.${minor}.0`))
    }
    if (downgradeTarget !== undefined || this.#backend.get('cluster', CLUSTER.downgrade)) {
      const info = { 'target-version': downgradeTarget ?? '', enabled: downgradeTarget !== undefined }
      this.#put('cluster', CLUSTER.downgrade, Buffer.from(JSON.stringify(info)))
    }
  }

  /** What is there already is not written again. */
  #put(bucket: BucketName, key: string, value: Buffer): void {
    const there = this.#backend.get(bucket, key)
    if (!there || Buffer.compare(there, value) !== 0) this.#backend.put(bucket, key, value)
  }

  /** The bucket's whole content, of which little has changed. */
  #replace(bucket: BucketName, entries: readonly [key: string, value: Buffer][]): void {
    const wanted = new Map(entries)
    const gone = [...this.#backend.entries(bucket)].flatMap(([key]) => (wanted.has(key) ? [] : [key]))
    for (const key of gone) this.#backend.delete(bucket, key)
    for (const [key, value] of wanted) this.#put(bucket, key, value)
  }
}

/** Names are UTF-8, keys of the db latin1 text. */
function named([name, value]: [string, Buffer]): [string, Buffer] {
  return [Buffer.from(name, 'utf8').toString('latin1'), value]
}

function be64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value))
  return bytes
}
