/** The disk of a member: pages, log, snapshots; what a crash at any point leaves, and what broken bytes do. */
import t from 'tap'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { PAGE_BYTES } from '../../../lib/etcd/bbolt-page.ts'
import { BboltError, BboltReader, newestMeta } from '../../../lib/etcd/bbolt-read.ts'
import { crc32c } from '../../../lib/etcd/crc32c.ts'
import { decodeKeyValue, encodeKeyValue, parseRevisionKey, revisionKey } from '../../../lib/etcd/key-value.ts'
import { ENTRY_TYPE, voters, type RaftEntry } from '../../../lib/etcd/raft-entry.ts'
import { decodeRaftRequest, encodeRaftRequest, putsOf } from '../../../lib/etcd/raft-request.ts'
import { parseWalSegmentName, readWal, WalError, walSegmentName } from '../../../lib/etcd/wal-read.ts'
import { encodeWalRecord, readWalRecord, WAL_RECORD } from '../../../lib/etcd/wal-record.ts'
import { Backend, type BackendSettings } from '../../../sim/etcd/backend/backend.ts'
import { BboltFile } from '../../../sim/etcd/backend/bbolt-file.ts'
import { PageSpace } from '../../../sim/etcd/backend/page-space.ts'
import { membershipInV2Format } from '../../../sim/etcd/backend/snap-folder.ts'
import { WriteAheadLog } from '../../../sim/etcd/backend/write-ahead-log.ts'
import { DiskMetrics } from '../../../sim/etcd/metrics/disk-metrics.ts'
import { soak } from '../../fuzz/etcd-soak.ts'
import { mutateBytes } from '../../fuzz/mutate.ts'
import { Random } from '../../fuzz/random.ts'

const fsync = false

function fail(error: Error): void {
  throw error
}

type Model = Map<string, Map<string, Buffer>>

function contentOf(file: string): Model {
  const reader = new BboltReader(file)
  try {
    const names = [...reader.buckets().keys()]
    return new Map(names.map((name) => [name, entriesOf(reader, name)]))
  } finally {
    reader.close()
  }
}

function entriesOf(reader: BboltReader, bucket: string): Map<string, Buffer> {
  return new Map([...reader.entries(bucket)].map(({ key, value }) => [key.toString('latin1'), Buffer.from(value)]))
}

function copyOf(model: Model): Model {
  return new Map([...model].map(([name, entries]) => [name, new Map(entries)]))
}

/** Why two states differ, or undefined. */
function difference(found: Model, wanted: Model): string | undefined {
  for (const [name, entries] of wanted) {
    const have = found.get(name) ?? new Map<string, Buffer>()
    if (have.size !== entries.size) return `${name}: ${have.size} entries, not ${entries.size}`
    if ([...have.keys()].some((key, at, keys) => at > 0 && keys[at - 1]! >= key)) return `${name}: out of order`
    for (const [key, value] of entries) if (!have.get(key)?.equals(value)) return `${name}: ${key} differs`
  }
  return undefined
}

/** Puts and deletes at random, in a bucket where keys only grow and two where they come from anywhere. */
function change(
  db: BboltFile,
  model: Model,
  random: Random,
  { operations, deletes }: { operations: number; deletes: number },
) {
  for (let count = 0; count < operations; count += 1) {
    const bucket = random.pick(['key', 'users', 'meta'])
    const entries = model.get(bucket)!
    if (random.chance(deletes) && entries.size > 0) {
      // Neighbours, so that pages become empty.
      const keys = [...entries.keys()]
      const start = random.below(keys.length)
      for (const key of keys.slice(start, start + random.below(30))) {
        db.delete(bucket, key)
        entries.delete(key)
      }
      continue
    }
    const key =
      bucket === 'key'
        ? revisionKey(model.size + nextRevision++, 0).toString('latin1')
        : `${bucket}-${random.below(2000)}`
    const value = Buffer.alloc(random.chance(0.01) ? random.below(20_000) : random.below(300), random.below(256))
    db.put(bucket, key, value)
    entries.set(key, value)
  }
}

let nextRevision = 1

t.test('db: a tree of pages agrees with a map, and every commit leaves the one before it whole', async (t) => {
  const random = new Random(20)
  const folder = t.testdir()
  const file = join(folder, 'db')
  let db = new BboltFile(file, { fsync })
  const model: Model = new Map(['key', 'users', 'meta'].map((name) => [name, new Map<string, Buffer>()]))
  let before = copyOf(model)
  let largest = 0
  for (let round = 0; round < 120; round += 1) {
    // It grows, shrinks to almost nothing, and grows again.
    change(db, model, random, { operations: random.below(150), deletes: round % 60 > 40 ? 0.5 : 0.03 })
    for (const [bucket, entries] of model) {
      const key = [...entries.keys()][random.below(entries.size)]
      if (key !== undefined && !entries.get(key)!.equals(db.get(bucket, key)!))
        t.fail(`round ${round}: get ${bucket}/${key}`)
    }
    if (db.operations === 0) continue
    if (round % 2) db.commitSync()
    else await db.commit()
    largest = Math.max(largest, db.sizeInUseBytes)
    const why = difference(contentOf(file), model)
    if (why) return t.fail(`round ${round}: ${why}`)
    // A crash while the new meta page was written: bbolt takes the other one, whose pages must all be there still.
    const crashed = join(folder, 'crashed')
    copyFileSync(file, crashed)
    spoilNewestMeta(crashed)
    const old = difference(contentOf(crashed), before)
    if (old) return t.fail(`round ${round}, the state before: ${old}`)
    before = copyOf(model)
    if (round % 20 === 19) {
      db.close()
      // Walks the whole tree: no page is used twice.
      db = new BboltFile(file, { fsync })
    }
  }
  const revisions = [...model.get('key')!.keys()]
  const from = revisions[revisions.length >> 1]!
  t.strictSame(
    [...db.entries('key', from)].map(([key]) => key),
    revisions.filter((key) => key >= from),
    'read from a key on',
  )
  t.equal([...db.entries('key', '\xff')].length, 0)
  t.ok(largest > 50 * PAGE_BYTES, 'the tree grew beyond a few pages')
  db.close()
})

function spoilNewestMeta(file: string): void {
  const bytes = readFileSync(file)
  const meta = newestMeta((into, position) => bytes.copy(into, 0, position, position + into.length))!
  bytes[(meta.transaction % 2) * PAGE_BYTES + 40]! ^= 1
  writeFileSync(file, bytes)
}

t.test('db: free pages', async (t) => {
  const space = new PageSpace(10, [3, 4, 5, 8])
  t.equal(space.allocate(1), 3, 'the lowest')
  t.equal(space.allocate(2), 4, 'in a row')
  t.equal(space.allocate(2), 10, 'behind the end where no two lie together')
  space.giveUp(6, 2)
  space.committed(7)
  t.equal(space.allocate(1), 8)
  space.release(6)
  t.equal(space.allocate(1), 12, 'somebody reads transaction 6, which needs what 7 gave up')
  space.release(7)
  t.strictSame([space.allocate(1), space.allocate(1)], [6, 7])
})

t.test('db: a reader sees one state, whatever is written meanwhile', async (t) => {
  const folder = t.testdir()
  const db = new BboltFile(join(folder, 'db'), { fsync })
  const random = new Random(4)
  const model: Model = new Map(['key', 'users', 'meta'].map((name) => [name, new Map<string, Buffer>()]))
  change(db, model, random, { operations: 400, deletes: 0.02 })
  db.commitSync()
  const seen = copyOf(model)
  const reader = db.openReader()
  const chunk = Buffer.alloc(3 * PAGE_BYTES)
  const pieces: Buffer[] = []
  for (let at = 0; at < reader.bytes;) {
    const count = Math.min(reader.read(chunk, at), reader.bytes - at)
    pieces.push(Buffer.from(chunk.subarray(0, count)))
    at += count
    change(db, model, random, { operations: 60, deletes: 0.3 })
    db.commitSync()
  }
  reader.close()
  writeFileSync(join(folder, 'copy'), Buffer.concat(pieces))
  t.equal(difference(contentOf(join(folder, 'copy')), seen), undefined)
  t.equal(difference(contentOf(join(folder, 'db')), model), undefined)
  db.close()
})

t.test('db: its pages are used again', async (t) => {
  const file = join(t.testdir(), 'db')
  const db = new BboltFile(file, { fsync })
  for (let round = 0; round < 200; round += 1) {
    for (let key = 0; key < 20; key += 1) db.put('meta', `k${key}`, Buffer.alloc(200, round))
    db.commitSync()
  }
  t.ok(db.sizeBytes < 16 * PAGE_BYTES, `${db.sizeBytes} bytes after 200 commits of two pages`)
  db.close()
})

t.test('db: broken bytes are an error that says so, and never the end of the process', async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'db')
  const db = new BboltFile(file, { fsync })
  for (let key = 0; key < 800; key += 1) db.put('key', revisionKey(key, 0).toString('latin1'), Buffer.alloc(100, key))
  db.put('meta', 'consistent_index', Buffer.alloc(8))
  db.commitSync()
  const highWater = db.sizeBytes
  db.close()
  const whole = readFileSync(file).subarray(0, highWater)
  const random = new Random(5)
  const said = new Set<string>()
  for (let round = 0; round < 200; round += 1) {
    let bytes = Buffer.from(whole)
    // Heads of pages are where it hurts.
    if (random.chance(0.7))
      bytes[random.below(highWater / PAGE_BYTES) * PAGE_BYTES + random.below(64)]! ^= 1 << random.below(8)
    else bytes = mutateBytes(random, bytes) as typeof bytes
    const broken = join(folder, 'broken')
    writeFileSync(broken, bytes)
    for (const act of [() => contentOf(broken), () => openAndUse(broken)]) {
      try {
        act()
      } catch (error) {
        if (!(error instanceof BboltError) && !(error instanceof RangeError)) throw error
        said.add(error.message.replaceAll(/\d+/g, 'N'))
      }
    }
  }
  t.ok(said.has('invalid database') || said.size > 3, [...said].join('; '))
  writeFileSync(join(folder, 'garbage'), Buffer.alloc(20_000, 0x41))
  t.throws(() => new BboltFile(join(folder, 'garbage'), { fsync }), { name: 'BboltError', message: 'invalid database' })
  writeFileSync(join(folder, 'short'), whole.subarray(0, PAGE_BYTES * 3))
  t.throws(() => new BboltFile(join(folder, 'short'), { fsync }), {
    name: 'BboltError',
    message: /file size too small/,
  })
})

function openAndUse(file: string): void {
  const db = new BboltFile(file, { fsync })
  try {
    for (const bucket of db.bucketNames) for (const [key] of db.entries(bucket)) db.get(bucket, key)
    for (let key = 0; key < 5; key += 1) db.delete('key', revisionKey(key * 100, 0).toString('latin1'))
    db.put('key', revisionKey(9000, 0).toString('latin1'), Buffer.alloc(10))
    db.commitSync()
  } finally {
    db.close()
  }
}

function entry(index: number, data = `entry ${index}`, term = 2): RaftEntry {
  return { type: ENTRY_TYPE.normal, term, index, data: Buffer.from(data) }
}

const METADATA = { nodeId: 0xbdae_9bbc_11dd_390dn, clusterId: 7n }

t.test('log: the bytes that etcd writes', async (t) => {
  // walpb.Record{type: 2, crc, data: "abc"}: 12 bytes and 4 of padding, which the top byte of the length says.
  const { frame, crc } = encodeWalRecord(WAL_RECORD.entry, Buffer.from('abc'), 0)
  t.equal(crc, 0x364b3fb7, 'CRC-32C of "abc"')
  t.equal(frame.toString('hex'), '0d00000000000083080210b7ffacb2031a03616263000000')
  t.equal(crc32c(crc32c(0, Buffer.from('ab')), Buffer.from('c')), crc, 'it goes on')
  t.match(readWalRecord(frame, 0, 0), { kind: 'record', next: 24, crc, record: { type: 2, data: Buffer.from('abc') } })
  t.equal(walSegmentName(1, 255), '0000000000000001-00000000000000ff.wal')
  t.strictSame(parseWalSegmentName(walSegmentName(1, 255)), { sequence: 1, firstIndex: 255 })
  t.equal(parseWalSegmentName('0.tmp'), undefined)
})

t.test('log: what was acknowledged is there again, over segments and restarts', async (t) => {
  const folder = join(t.testdir(), 'wal')
  const settings = { fsync: true, onFailure: fail, segmentBytes: 4096 }
  let log = WriteAheadLog.create(folder, METADATA, settings)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  t.equal(statSync(join(folder, walSegmentName(0, 0))).size, 4096)
  const wanted: string[] = []
  for (let index = 1; index <= 300; index += 1) {
    log.append([entry(index, 'x'.repeat(index % 90))], { term: 2, vote: 5n, commit: index - 1 })
    wanted.push('x'.repeat(index % 90))
    if (index % 10 === 0) await Promise.all([log.synced(), log.synced()])
    if (index % 70 !== 0) continue
    await log.close()
    const contents = readWal(folder)
    t.equal(contents.tail.isTorn, false)
    log = WriteAheadLog.reopen(folder, contents, settings)
  }
  await log.markSnapshot({ index: 150, term: 2, confState: voters(5n) })
  const contents = readWal(folder)
  t.strictSame(contents.metadata, METADATA)
  t.strictSame(contents.state, { term: 2, vote: 5n, commit: 299 })
  t.strictSame(
    contents.entries.map(({ data }) => data.toString()),
    wanted,
  )
  t.strictSame(
    contents.snapshots.map(({ index }) => index),
    [0, 150],
  )
  t.ok(contents.segments.length > 5, `${contents.segments.length} segments`)
  const behind = readWal(folder, { index: 150 })
  t.equal(behind.entries[0]!.index, 151)
  t.ok(behind.segments.length < contents.segments.length, 'segments before the snapshot are not read')
  log.release(290)
  t.ok(readdirSync(folder).filter(parseWalSegmentName).length < contents.segments.length)
  t.throws(() => readWal(folder), { message: "wal: file not found which matches the snapshot index '0'" })
  t.equal(readWal(folder, { index: 295 }).entries.length, 5)
  // An entry written again takes the place of the old one and of all behind it.
  log.append([entry(298, 'again', 3)])
  await log.close()
  t.strictSame(
    readWal(folder, { index: 295 }).entries.map(({ index, term }) => `${index}@${term}`),
    ['296@2', '297@2', '298@3'],
  )
  t.notOk(
    readdirSync(folder).some((name) => name.endsWith('.tmp')),
    'the spare segment goes with the member',
  )
})

t.test('log: a torn end is cut off, wherever it was torn; a flipped bit is an error', async (t) => {
  const dataDir = t.testdir()
  const folder = join(dataDir, 'wal')
  const settings = { fsync, onFailure: fail }
  const log = WriteAheadLog.create(folder, METADATA, settings)
  log.append([entry(1), entry(2, 'kept')])
  await log.synced()
  const kept = readWal(folder).tail.offset
  log.append([entry(3, 'torn '.repeat(300))])
  await log.synced()
  const { offset } = readWal(folder).tail
  await log.close()
  const name = walSegmentName(0, 0)
  const whole = readFileSync(join(folder, name)).subarray(0, offset)
  const left = (bytes: Buffer): string => {
    writeFileSync(join(folder, name), bytes)
    try {
      const { entries, tail } = readWal(folder)
      return `${entries.length} ${tail.offset === kept ? 'at the end' : tail.offset} ${tail.isTorn}`
    } catch (error) {
      return error instanceof WalError ? error.message.replace(/: in file .*/, '') : String(error)
    }
  }
  // As a crash leaves it: the file ends, or goes on with the zeros that it was laid out with.
  for (let at = kept + 1; at < offset; at += 7) {
    const cut = left(whole.subarray(0, at))
    if (cut !== '2 at the end true') return t.fail(`cut at ${at}: ${cut}`)
  }
  for (let sector = Math.ceil(kept / 512) * 512; sector + 512 < offset; sector += 512) {
    const holed = Buffer.from(whole)
    holed.fill(0, sector, sector + 512)
    t.equal(left(holed), '2 at the end true', `a sector that was not written, at ${sector}`)
  }
  const flip = (at: number): string => {
    const flipped = Buffer.from(whole)
    flipped[at]! ^= 0x40
    return left(flipped)
  }
  t.match(flip(offset - 20), /^walpb: crc mismatch: expected: [0-9a-f]+ computed: [0-9a-f]+$/)
  t.match(flip(kept - 4), /crc mismatch|2 at the end/, 'in an entry that was acknowledged, or its padding')
  t.match(flip(kept + 2), /^wal: max entry size limit exceeded, recBytes: \d+$/, 'a length that has changed')

  writeFileSync(join(folder, name), whole.subarray(0, offset - 5))
  const again = WriteAheadLog.reopen(folder, readWal(folder), settings)
  t.ok(existsSync(join(folder, `${name}.broken`)), 'what was there is put aside')
  again.append([entry(3, 'instead')])
  await again.close()
  t.strictSame(
    readWal(folder).entries.map(({ data }) => data.toString()),
    ['entry 1', 'kept', 'instead'],
  )
})

t.test('log: broken bytes are an error that says so, or a shorter log, and never the end of the process', async (t) => {
  const folder = join(t.testdir(), 'wal')
  const log = WriteAheadLog.create(folder, METADATA, { fsync, onFailure: fail })
  for (let index = 1; index < 60; index += 1) log.append([entry(index)], { term: 2, vote: 1n, commit: index })
  await log.close()
  const file = join(folder, walSegmentName(0, 0))
  const whole = readFileSync(file).subarray(0, readWal(folder).tail.offset)
  const random = new Random(6)
  let refused = 0
  for (let round = 0; round < 500; round += 1) {
    writeFileSync(file, mutateBytes(random, whole))
    try {
      const { entries } = readWal(folder)
      if (entries.some(({ data, index }) => data.toString() !== `entry ${index}`))
        t.fail(`round ${round}: a wrong entry`)
    } catch (error) {
      if (!(error instanceof WalError)) throw error
      refused += 1
    }
  }
  t.ok(refused > 100, `${refused} of 500 refused`)
})

function settings(dataDir: string): BackendSettings {
  return { dataDir, fsync, onFailure: fail }
}

/** One put, as a member logs and applies it. */
async function put(backend: Backend, index: number, key: string, value: string): Promise<void> {
  const body = Buffer.concat([
    Buffer.from([0x0a, key.length]),
    Buffer.from(key),
    Buffer.from([0x12, value.length]),
    Buffer.from(value),
  ])
  const data = encodeRaftRequest({ id: BigInt(index), kind: 'put', body })
  backend.append([{ type: ENTRY_TYPE.normal, term: 2, index, data }], { term: 2, vote: 1n, commit: index })
  await backend.synced()
  applyPut(backend, index, key, value)
}

function applyPut(backend: Backend, index: number, key: string, value: string): void {
  const kv = {
    key: Buffer.from(key),
    createRevision: index,
    modRevision: index,
    version: 1,
    value: Buffer.from(value),
    lease: 0n,
  }
  backend.put('key', revisionKey(index, 0).toString('latin1'), encodeKeyValue(kv))
  backend.applied({ index, term: 2 })
}

function valuesOf(backend: Backend): string[] {
  return [...backend.entries('key')].map(([key, bytes]) => {
    const { key: name, value } = decodeKeyValue(bytes as Buffer)
    return `${parseRevisionKey(Buffer.from(key, 'latin1'))!.main} ${name.toString()}=${value.toString()}`
  })
}

t.test('backend: after a crash the db has all up to an index, and the log the rest', async (t) => {
  const folder = t.testdir()
  const dataDir = join(folder, 'data')
  const { backend, state } = Backend.open(settings(dataDir))
  t.strictSame(
    { ...state, entries: state.entries.length },
    {
      metadata: undefined,
      hardState: undefined,
      snapshot: undefined,
      entries: 0,
      consistentIndex: 0,
    },
  )
  backend.startLog(METADATA)
  backend.setConfState(voters(METADATA.nodeId))
  for (let index = 1; index <= 20; index += 1) await put(backend, index, `k${index}`, `v${index}`)
  await backend.commit()
  for (let index = 21; index <= 30; index += 1) await put(backend, index, `k${index}`, `v${index}`)

  // As kill -9 leaves it: the files as they are, the batch of 21 to 30 lost.
  cpSync(dataDir, join(folder, 'crashed'), { recursive: true })
  const { backend: again, state: found } = Backend.open(settings(join(folder, 'crashed')))
  t.equal(found.consistentIndex, 20)
  t.strictSame(found.metadata, METADATA)
  t.strictSame(found.hardState, { term: 2, vote: 1n, commit: 30 })
  t.equal(valuesOf(again).length, 20)
  for (const { index, data } of found.entries.filter((each) => each.index > found.consistentIndex)) {
    for (const { key, value } of putsOf(decodeRaftRequest(data)))
      applyPut(again, index, key.toString(), value.toString())
  }
  t.strictSame(valuesOf(again), valuesOf(backend))
  t.equal(again.get('meta', 'confState')?.toString(), `{"voters":[${METADATA.nodeId}],"auto_leave":false}`)
  await again.close()

  const members = membershipInV2Format(
    [{ id: METADATA.nodeId, name: 'm1', peerUrls: ['http://p'], clientUrls: ['http://c'] }],
    [],
    '3.6.0',
  )
  await backend.commit()
  await backend.saveSnapshot({ index: 30, term: 2, confState: voters(METADATA.nodeId), data: members })
  await put(backend, 31, 'k31', 'v31')
  await backend.close()
  t.match(readdirSync(join(dataDir, 'member/snap')).sort(), ['0000000000000002-000000000000001e.snap', 'db'])
  const { backend: third, state: last } = Backend.open(settings(dataDir))
  t.match(last.snapshot, { index: 30, term: 2, confState: voters(METADATA.nodeId), data: members })
  t.strictSame(
    last.entries.map(({ index }) => index),
    [31],
  )
  await third.close()

  // A snapshot is worth nothing without the db that it stands for.
  rmSync(join(dataDir, 'member/snap/db'))
  t.throws(() => Backend.open(settings(dataDir)), { message: /^database file \(.*db\) of the backend is missing$/ })
  rmSync(join(dataDir, 'member/snap/db'), { force: true })
  truncateSync(join(dataDir, 'member/snap/0000000000000002-000000000000001e.snap'), 100)
  const { backend: fourth, state: whole } = Backend.open(settings(dataDir))
  t.equal(whole.snapshot, undefined, 'a broken snapshot is put aside')
  t.equal(whole.entries.length, 31, 'and the whole log read')
  await fourth.close()
})

t.test('backend: a snapshot is the file and its hash; a defragmented file has forgotten', async (t) => {
  const folder = t.testdir()
  const dataDir = join(folder, 'data')
  const { backend } = Backend.open(settings(dataDir))
  backend.startLog(METADATA)
  for (let index = 1; index <= 3000; index += 1)
    applyPut(backend, index, `k${index}`, `deleted value ${index} `.repeat(5))
  await backend.commit()
  for (let index = 1; index <= 2900; index += 1) backend.delete('key', revisionKey(index, 0).toString('latin1'))
  const { bytes, chunks } = await backend.snapshot()
  // Written while the snapshot is read.
  for (let index = 3001; index <= 3400; index += 1) applyPut(backend, index, `k${index}`, 'later')
  await backend.commit()
  const pieces = [...chunks]
  t.equal(pieces.at(-2)!.remainingBytes, 0)
  const file = Buffer.concat(pieces.slice(0, -1).map(({ blob }) => blob))
  t.equal(file.length, bytes)
  t.strictSame(pieces.at(-1)!.blob, createHash('sha256').update(file).digest())
  writeFileSync(join(folder, 'snapshot'), file)
  t.equal(contentOf(join(folder, 'snapshot')).get('key')!.size, 100)
  const db = join(dataDir, 'member/snap/db')
  t.ok(readFileSync(db).includes('deleted value 2000 '), 'what was deleted lies in free pages yet')
  const carved = new BboltReader(db)
  t.ok(
    [...carved.carved()].some(({ value }) => value.includes('deleted value 2000 ')),
    'where a reader of every page finds it',
  )
  carved.close()

  const before = backend.sizeBytes
  const hash = backend.hash()
  const values = valuesOf(backend)
  const { chunks: old } = await backend.snapshot()
  await backend.defragment()
  t.ok(backend.sizeBytes < before / 5, `${before} bytes became ${backend.sizeBytes}`)
  t.notOk(readFileSync(db).includes('deleted value 2000 '))
  t.equal(backend.hash(), hash)
  t.strictSame(valuesOf(backend), values)
  t.equal(
    [...old].reduce((sum, { blob }) => sum + blob.length, -32),
    before,
    'a reader goes on with the old file',
  )
  const flock = spawnSync('flock', ['--nonblock', db, 'true'])
  if (!flock.error) t.equal(flock.status, 1, 'nobody else opens the db of a running member')
  applyPut(backend, 3401, 'after', 'it goes on')
  await backend.close()
  const { backend: again } = Backend.open(settings(dataDir))
  t.strictSame(valuesOf(again), [...values, '3401 after=it goes on'])
  t.strictSame(readdirSync(join(dataDir, 'member/snap')), ['db'])
  await again.close()
})

t.test('backend: a defragmentation that fails is not under way for ever', async (t) => {
  const dataDir = join(t.testdir(), 'data')
  const metrics = new DiskMetrics()
  const { backend } = Backend.open({ ...settings(dataDir), metrics })
  backend.startLog(METADATA)
  mkdirSync(join(dataDir, `member/snap/db.tmp.${process.pid}`))
  await t.rejects(backend.defragment(), { code: 'ERR_FS_EISDIR' })
  t.match(metrics.isDefragmenting.render(), /^etcd_disk_defrag_inflight 0$/m)
})

t.test("backend: another member's db becomes its own, also where a crash came between", async (t) => {
  const folder = t.testdir()
  const sender = Backend.open(settings(join(folder, 'sender'))).backend
  sender.startLog(METADATA)
  for (let index = 1; index <= 50; index += 1) applyPut(sender, index, `k${index}`, 'sent')
  const { chunks } = await sender.snapshot()
  const pieces = [...chunks].slice(0, -1)
  async function* database(): AsyncGenerator<Uint8Array> {
    for (const { blob } of pieces) yield blob
  }
  const dataDir = join(folder, 'data')
  const { backend } = Backend.open(settings(dataDir))
  backend.startLog(METADATA)
  applyPut(backend, 3, 'own', 'old')
  await backend.receive(50, database())
  t.match(readdirSync(join(dataDir, 'member/snap')).sort(), ['0000000000000032.snap.db', 'db'])
  t.equal(valuesOf(backend).length, 1, 'not yet')
  const snapshot = { index: 50, term: 2, confState: voters(1n), data: Buffer.from('{}') }
  backend.append([], { term: 2, vote: 0n, commit: 50 })
  await backend.saveSnapshot(snapshot)
  cpSync(dataDir, join(folder, 'crashed'), { recursive: true })
  await backend.takeReceived(50)
  t.strictSame(valuesOf(backend), valuesOf(sender))
  // One that was overtaken by a newer one, before anybody took it.
  await backend.receive(60, database())
  await backend.receive(70, database())
  await backend.saveSnapshot({ ...snapshot, index: 70 })
  const names = readdirSync(join(dataDir, 'member/snap')).filter((name) => name.endsWith('.db'))
  t.strictSame(names, ['0000000000000046.snap.db'], 'nobody will take the older one')
  await backend.close()
  const { backend: again, state } = Backend.open(settings(join(folder, 'crashed')))
  t.equal(state.consistentIndex, 50)
  t.match(state.snapshot, { index: 50 })
  t.strictSame(valuesOf(again), valuesOf(sender))
  await again.close()
  await sender.close()
})

t.test('backend: 12 times kill -9 in the middle of writes, compactions, snapshots and defragmentation', async (t) => {
  const { kills, acknowledged, disturbances, failure } = await soak({ kills: 12, seed: 3 })
  t.equal(failure, undefined)
  t.equal(kills, 12)
  t.ok(acknowledged > 100, `${acknowledged} writes acknowledged`)
  t.ok(disturbances > 5, `${disturbances} disturbances`)
})
