/** The checksum by which members find out that their key spaces differ (server/storage/mvcc/hash.go). */
import { toBinary, create } from '@bufbuild/protobuf'
import { KeyValueSchema } from '../../../lib/etcd/kv_pb.ts'
import { crc32c } from '../../../lib/etcd/crc32c.ts'
import { keyBytes, type Store } from '../mvcc/store.ts'
import type { Version } from '../mvcc/key-index.ts'

/** The bucket's name goes in first. */
const BUCKET = Buffer.from('key')
const TOMBSTONE_MARK = 0x74
const REVISION_BYTES = 17

interface Stored {
  key: string
  version: Version
}

/** Of every version up to the revision that a compaction left. Equal to that of a real member with the same history. */
export function keySpaceHash(store: Store, revision: bigint): number {
  const { compactedRevision } = store
  const found: Stored[] = []
  let isAnyAlive = false
  const outlived: Stored[] = []
  for (const [key, history] of store.index.histories()) {
    const upTo = history.filter((version) => version.revision <= revision)
    const last = upTo.at(-1)
    if (last?.kv) isAnyAlive = true
    for (const version of upTo) {
      if (version.revision > compactedRevision) found.push({ key, version })
      // A deletion at the very revision of the compaction is not there for older members, so it counts for nobody.
      else if (version.revision === compactedRevision && !version.kv) continue
      else if (version === last && version.kv) found.push({ key, version })
      // What the compaction left of a key that has been overwritten since.
      else outlived.push({ key, version })
    }
  }
  return hashOf(isAnyAlive ? found : [...found, ...outlived])
}

function hashOf(stored: Stored[]): number {
  stored.sort(({ version: one }, { version: other }) =>
    one.revision === other.revision ? one.sub - other.sub : one.revision < other.revision ? -1 : 1,
  )
  let hash = crc32c(0, BUCKET)
  for (const { key, version } of stored) {
    hash = crc32c(hash, storedKey(version))
    hash = crc32c(hash, toBinary(KeyValueSchema, version.kv ?? create(KeyValueSchema, { key: keyBytes(key) })))
  }
  return hash
}

/** `revision_sub`, both big-endian, and `t` behind a deletion (storage/mvcc/revision.go). */
function storedKey({ revision, sub, kv }: Version): Buffer {
  const bytes = Buffer.alloc(kv ? REVISION_BYTES : REVISION_BYTES + 1)
  bytes.writeBigInt64BE(revision, 0)
  bytes[8] = 0x5f
  bytes.writeBigInt64BE(BigInt(sub), 9)
  if (!kv) bytes[REVISION_BYTES] = TOMBSTONE_MARK
  return bytes
}
