/**
 * `member/snap/<term>-<index>.snap` (server/etcdserver/api/snap): how far the log is not needed any more, and who was a
 * member then. The keys themselves are in the db, which is at least as far.
 */
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32c } from '../../../lib/etcd/crc32c.ts'
import { ProtoWriter, readProto } from '../../../lib/etcd/protobuf.ts'
import { decodeRaftSnapshot, encodeRaftSnapshot, type RaftSnapshot } from '../../../lib/etcd/raft-snapshot.ts'

/** etcd's --max-snapshots. */
const MOST_SNAPSHOTS = 5

export function saveSnapshot(folder: string, snapshot: RaftSnapshot, { fsync }: { fsync: boolean }): void {
  const data = encodeRaftSnapshot(snapshot)
  // snappb.Snapshot.
  const bytes = new ProtoWriter(data.length + 24).numberAlways(1, crc32c(0, data)).bytesAlways(2, data).finish()
  const descriptor = openSync(join(folder, `${hex(snapshot.term)}-${hex(snapshot.index)}.snap`), 'w')
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at, bytes.length - at, at)
    if (fsync) fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  for (const name of snapshotNames(folder).slice(MOST_SNAPSHOTS)) rmSync(join(folder, name), { force: true })
}

/** The newest first. A broken one is put aside as `<name>.broken`; `onBroken` hears of it. */
export function* loadSnapshots(
  folder: string,
  onBroken: (name: string, error: string) => void,
): Generator<RaftSnapshot, undefined> {
  for (const name of snapshotNames(folder)) {
    let snapshot: RaftSnapshot
    try {
      snapshot = readSnapshot(join(folder, name))
    } catch (error) {
      onBroken(name, (error as Error).message)
      renameSync(join(folder, name), join(folder, `${name}.broken`))
      continue
    }
    yield snapshot
  }
}

function readSnapshot(file: string): RaftSnapshot {
  let crc = 0
  let data: Buffer = Buffer.alloc(0)
  readProto(readFileSync(file), ({ field, number, bytes }) => {
    if (field === 1) crc = number
    else if (field === 2) data = bytes
  })
  if (data.length === 0 || crc === 0) throw new Error('snap: empty snapshot')
  if (crc32c(0, data) !== crc) throw new Error('snap: crc mismatch')
  return decodeRaftSnapshot(data)
}

/** The newest first. */
function snapshotNames(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^[0-9a-f]{16}-[0-9a-f]{16}\.snap$/.test(name))
    .sort()
    .toReversed()
}

function hex(value: number): string {
  return value.toString(16).padStart(16, '0')
}

export interface MemberAttributes {
  id: bigint
  name: string
  peerUrls: readonly string[]
  clientUrls: readonly string[]
  isLearner?: boolean
}

/** What the v2 store of etcd would have saved: members before 3.6 read it back (membership, GetMembershipInfoInV2Format). */
export function membershipInV2Format(
  members: readonly MemberAttributes[],
  removed: readonly bigint[],
  clusterVersion: string | undefined,
): Buffer {
  const node = (path: string, value: string, children: Record<string, unknown> | null) => ({
    Path: path,
    CreatedIndex: 1,
    ModifiedIndex: 1,
    ExpireTime: '0001-01-01T00:00:00Z',
    Value: value,
    Children: children,
  })
  const named = <T>(list: readonly T[], entry: (each: T) => [string, unknown]) => Object.fromEntries(list.map(entry))
  const memberNodes = named(members, ({ id, name, peerUrls, clientUrls, isLearner }) => {
    const path = `/0/members/${id.toString(16)}`
    const raft = JSON.stringify({ peerURLs: peerUrls, ...(isLearner ? { isLearner } : {}) })
    const own = JSON.stringify({ name, clientURLs: clientUrls })
    const children = {
      ...(name === '' ? {} : { attributes: node(`${path}/attributes`, own, null) }),
      raftAttributes: node(`${path}/raftAttributes`, raft, null),
    }
    return [id.toString(16), node(path, '', children)]
  })
  const removedNodes = named(removed, (id) => {
    const path = `/0/removed_members/${id.toString(16)}`
    return [id.toString(16), node(path, 'removed', null)]
  })
  const cluster = {
    members: node('/0/members', '', memberNodes),
    ...(removed.length > 0 ? { removed_members: node('/0/removed_members', '', removedNodes) } : {}),
    ...(clusterVersion ? { version: node('/0/version', clusterVersion, null) } : {}),
  }
  const store = {
    Root: node('/', '', { 0: node('/0', '', cluster), 1: node('/1', '', {}) }),
    WatcherHub: {
      EventHistory: { Queue: { Events: [], Size: 0, Front: 0, Back: 0, Capacity: 1000 }, StartIndex: 0, LastIndex: 0 },
    },
    CurrentIndex: 1,
    Stats: {},
    CurrentVersion: 2,
  }
  return Buffer.from(JSON.stringify(store))
}
