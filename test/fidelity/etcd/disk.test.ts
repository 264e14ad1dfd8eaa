/**
 * disk.json: where values lie on the disk of a member, and what a reader of its db sees, step by step as recorded. Two rows of
 * the recording are what etcdctl 3.6 says of `snapshot save`; test/real has the etcdctl that is there save one.
 */
import t from 'tap'
import { spawnSync } from 'node:child_process'
import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { BboltReader, DB_FILE } from '../../../lib/etcd/bbolt-read.ts'
import { GrpcClient } from '../../../lib/etcd/grpc-client.ts'
import { decodeKeyValue, parseRevisionKey } from '../../../lib/etcd/key-value.ts'
import { Auth, KV, Maintenance } from '../../../lib/etcd/rpc_pb.ts'
import { flagSet, MemberPlace, MemberProcess } from './member-process.ts'
import { recorded, RecordedPki } from './recorded-pki.ts'

interface Row {
  id: string
  what: string
  answer: unknown
}

interface Reading {
  buckets: Record<string, number>
  other_entries: string[]
  revisions: string[]
}

const rows = new Map(recorded<Row>('disk.json').map((row) => [row.id, row]))

/** How long a value may take to the db, on a machine that is busy. */
const COMMIT_DEADLINE_MS = 10_000

const VALUES = {
  overwritten: 'PLAIN-FIRST-VALUE',
  present: 'PLAIN-SECOND-VALUE',
  deleted: 'PLAIN-DELETED-VALUE',
  secret: 'k8s\0 a Secret in plain',
  last: 'PLAIN-LAST-BEFORE-KILL',
}

t.test('disk.json', async (t) => {
  const place = await MemberPlace.create()
  t.teardown(() => place.remove())
  const pki = new RecordedPki(place.pki)
  for (const name of ['server', 'peer']) pki.credential(name)
  const files = (): string[] =>
    readdirSync(place.data, { recursive: true, withFileTypes: true }).map((entry) =>
      relative(place.data, join(entry.parentPath, entry.name)),
    )
  /** The files that hold it in plain. How often depends on which pages are free. */
  const search = (text: string): string[] =>
    files()
      .filter(
        (file) => statSync(join(place.data, file)).isFile() && readFileSync(join(place.data, file)).includes(text),
      )
      .sort()
  const lies = (names: Record<string, string>): Record<string, string[]> =>
    Object.fromEntries(Object.entries(names).map(([name, text]) => [name, search(text)]))
  const modes = (): Record<string, string> => {
    const described = ['.', ...files()].map((file) => {
      const { mode, size } = statSync(join(place.data, file))
      const isFolder = (mode & 0o170000) === 0o040000
      const bits = Array.from('rwxrwxrwx')
        .map((bit, at) => (mode & (1 << (8 - at)) ? bit : '-'))
        .join('')
      return [file, isFolder ? `d${bits}` : `-${bits} ${size} bytes`]
    })
    return Object.fromEntries(described) as Record<string, string>
  }
  let memberId = ''
  const read = (file: string): Reading => {
    const copy = join(place.folder, 'copy-of-db')
    copyFileSync(file, copy)
    const reader = new BboltReader(copy)
    const buckets: Record<string, number> = {}
    const other: string[] = []
    const revisions: string[] = []
    for (const bucket of [...reader.buckets().keys()].sort()) {
      const entries = [...reader.entries(bucket)]
      buckets[bucket] = entries.length
      for (const { key, value } of entries) {
        if (bucket === 'key') revisions.push(shown(key, value))
        else other.push(`${bucket}/${key.toString('latin1')}`.replace(memberId, '$m1_hex'))
      }
    }
    reader.close()
    return { buckets, other_entries: other.sort(), revisions: revisions.sort() }
  }
  const db = join(place.data, DB_FILE)
  const answer = (id: string): unknown => rows.get(id)!.answer
  const filesOf = (counts: unknown): string[] => Object.keys(counts as object).sort()
  const filesOfEach = (id: string): Record<string, string[]> =>
    Object.fromEntries(
      Object.entries(answer(id) as Record<string, object>).map(([name, counts]) => [name, filesOf(counts)]),
    )
  const inDb = async (text: string): Promise<void> => {
    const deadline = Date.now() + COMMIT_DEADLINE_MS
    while (!readFileSync(db).includes(text)) {
      if (Date.now() > deadline) throw new Error(`${text} does not come to the db`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const start = async (): Promise<{ member: MemberProcess; client: GrpcClient }> => {
    const member = new MemberProcess(place, flagSet('mtls'))
    t.teardown(() => member.process.kill())
    t.ok(await member.serves(), 'it serves')
    const client = new GrpcClient({
      endpoints: [`https://127.0.0.1:${place.clientPort}`],
      caPem: () => pki.pem('etcd-ca.crt'),
      keyPair: () => pki.credential('healthcheck-client'),
      timeoutMs: 30_000,
    })
    return { member, client }
  }
  const { member, client } = await start()
  const put = (key: string, value: string) =>
    client.unary(KV.method.put, { key: Buffer.from(key), value: Buffer.from(value) })

  const first = await put('disk/one', VALUES.overwritten)
  memberId = first.header!.memberId.toString(16)
  for (const file of filesOf(answer('value-right-after-put'))) t.ok(search(VALUES.overwritten).includes(file), file)
  await inDb(VALUES.overwritten)
  t.strictSame(search(VALUES.overwritten), filesOf(answer('value-after-commit')), 'value-after-commit')
  t.strictSame(search('disk/one'), filesOf(answer('key-name')), 'key-name')
  const isLike = (id: string): void => {
    const wanted = answer(id) as Record<string, string>
    const found = modes()
    // How many pages it took to come there is not part of the matter.
    const without = (all: Record<string, string>) => ({
      ...all,
      'member/snap/db': all['member/snap/db']!.split(' ')[0],
    })
    t.strictSame(without(found), without(wanted), id)
    const bytes = (all: Record<string, string>): number => Number(all['member/snap/db']!.split(' ')[1])
    t.ok(Math.abs(bytes(found) - bytes(wanted)) <= 65_536, `${id}: ${bytes(found)} bytes, recorded ${bytes(wanted)}`)
  }
  isLike('modes')

  await put('disk/one', VALUES.present)
  await put('disk/two', VALUES.deleted)
  await client.unary(KV.method.deleteRange, { key: Buffer.from('disk/two') })
  await put('/registry/secrets/default/s1', VALUES.secret)
  await inDb(VALUES.secret)
  const names = {
    'deleted value': VALUES.deleted,
    'overwritten value': VALUES.overwritten,
    'present value': VALUES.present,
    secret: VALUES.secret,
  }
  const lie = (id: string): void => void t.strictSame(lies(names), filesOfEach(id), id)
  const old = await client.unary(KV.method.range, { key: Buffer.from('disk/one'), revision: first.header!.revision })
  const { key, value, version } = old.kvs[0]!
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  const shownOld = { key: base64(key), value: base64(value), version: String(version) }
  t.strictSame(shownOld, answer('old-revision-by-api'), 'old-revision-by-api')
  lie('overwritten-and-deleted-before-compaction')
  t.strictSame(read(db), answer('db-reader-before-compaction'), 'db-reader-before-compaction')

  await client.unary(KV.method.compact, { revision: 6n, physical: true })
  await untilRead(() => read(db).buckets['key'] === 2)
  lie('after-compaction')
  t.strictSame(read(db), answer('db-reader-after-compaction'), 'db-reader-after-compaction')
  for (let count = 0; count < 30; count += 1) await put(`disk/fill-${count}`, 'f'.repeat(300))
  await inDb('disk/fill-29')
  lie('after-compaction-and-writes')
  await client.unary(Maintenance.method.defragment, {})
  lie('after-defragment')
  isLike('modes-after-defragment')

  await client.unary(Auth.method.userAdd, { name: 'diskuser', password: 'PLAIN-PASSWORD' })
  await inDb('diskuser')
  t.strictSame(search('PLAIN-PASSWORD'), filesOf(answer('password')), 'password')
  t.strictSame(search('$2a$'), filesOf(answer('password-hash')), 'password-hash')
  t.strictSame(search('diskuser'), filesOf(answer('user-name')), 'user-name')

  const chunks: Buffer[] = []
  await new Promise<void>((resolve, reject) => {
    const message = ({ blob }: { blob: Uint8Array }): void => void chunks.push(Buffer.from(blob))
    const end = (error: Error | undefined): void => (error ? reject(error) : resolve())
    void client.stream(Maintenance.method.snapshot, { message, end }).then((stream) => {
      stream.send({})
      stream.end()
    }, reject)
  })
  const snapshot = Buffer.concat(chunks)
  t.equal(snapshot.length % 512, 32)
  const holds = (text: string): boolean => snapshot.includes(text)
  const values = answer('snapshot-values') as Record<string, number>
  for (const [name, text] of Object.entries({ ...names, 'bcrypt hash': '$2a$' }))
    t.equal(holds(text), values[name]! > 0, name)
  for (const [id, bytes] of [
    ['snapshot-reader', snapshot.subarray(0, -32)],
    ['snapshot-reader-with-trailer', snapshot],
  ] as const) {
    writeFileSync(join(place.folder, 'snapshot'), bytes)
    t.strictSame(read(join(place.folder, 'snapshot')), answer(id), id)
  }

  const flock = spawnSync('flock', ['--nonblock', db, 'true'])
  if (flock.error) t.comment('flock is not installed: db-locked was not looked at')
  else t.equal(flock.status, 1, 'db-locked')

  await put('disk/last', VALUES.last)
  await member.process.kill()
  await client.close()
  for (const file of filesOf(answer('after-kill-9'))) t.ok(search(VALUES.last).includes(file), `after-kill-9: ${file}`)
  const again = await start()
  const { kvs } = await again.client.unary(KV.method.range, { key: Buffer.from('disk/last') })
  t.equal(Buffer.from(kvs[0]!.value).toString(), VALUES.last, 'after-kill-9-restart')
  await again.client.close()
  await again.member.process.stop()
  const end = answer('after-sigterm') as { ended_by: string; last_messages: string[] }
  const said = again.member.log.map(({ msg }) => msg)
  t.strictSame(said.slice(-end.last_messages.length), end.last_messages, 'after-sigterm')
  t.equal(`signal: ${again.member.process.exited?.signal === 'SIGTERM' ? 'terminated' : 'other'}`, end.ended_by)
  t.strictSame(read(db), answer('db-after-stop'), 'db-after-stop')
})

async function untilRead(look: () => boolean): Promise<void> {
  const deadline = Date.now() + COMMIT_DEADLINE_MS
  while (!look() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** As the recorder wrote it: revision, key and the first 60 characters of the value, quoted as Go does. */
function shown(key: Buffer, value: Buffer): string {
  const { main, sub, isTombstone } = parseRevisionKey(key)!
  const { key: name, value: content } = decodeKeyValue(value)
  const text = content.toString('latin1')
  const short = text.length > 60 ? `${text.slice(0, 60)}...` : text
  const quoted = `"${short.replaceAll('\0', String.raw`\x00`)}"`
  return `${main}_${sub}${isTombstone ? ' tombstone' : ''} ${name.toString('latin1')} = ${quoted}`
}
