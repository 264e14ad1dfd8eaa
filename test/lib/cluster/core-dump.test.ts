/** A process's memory in a file, and what is found in it. */
import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { keyPairsIn, randomUuidsIn } from '../../../lib/attacker/memory-image.ts'
import { dumpCore } from '../../../lib/cluster/core-dump.ts'
import { authority } from '../tls/tls-world.ts'

t.test('holds the key of a process, in segments where the header says', async (t) => {
  const folder = t.testdir()
  const pair = await (await authority()).client()
  const stranger = await (await authority()).client()
  writeFileSync(join(folder, 'pair.pem'), pair.cert + pair.key + stranger.cert)
  const program = `const held = require('node:fs').readFileSync(process.argv[1], 'utf8'); process.stdout.write('.'); setInterval(() => held, 1e6)`
  const child = spawn(process.execPath, ['-e', program, join(folder, 'pair.pem')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill())
  await once(child.stdout, 'data')
  const file = join(folder, 'core')
  await dumpCore(child.pid!, file, 0o640)

  const core = readFileSync(file)
  t.strictSame(keyPairsIn(core), [pair], 'its own certificate alone')
  t.equal(statSync(file).mode & 0o777, 0o640)
  t.equal(core.toString('latin1', 1, 4), 'ELF')
  const segments = Array.from({ length: core.readUInt16LE(56) }, (_, index) => {
    const at = 64 + index * 56
    return { offset: Number(core.readBigUInt64LE(at + 8)), bytes: Number(core.readBigUInt64LE(at + 32)) }
  })
  t.equal(segments.at(-1)!.offset + segments.at(-1)!.bytes, core.length)
  const at = core.indexOf(pair.key.slice(0, 60))
  t.ok(segments.some(({ offset, bytes }) => offset <= at && at < offset + bytes))
})

t.test('of a process that is not there is none', async (t) => {
  await t.rejects(dumpCore(2 ** 22 + 1, join(t.testdir(), 'core'), 0o600), { code: 'ENOENT' })
})

t.test('where it cannot be written nothing stays open', async (t) => {
  const memories = (): string[] =>
    readdirSync('/proc/self/fd')
      .map((fd) => `/proc/self/fd/${fd}`)
      // Reading the folder took one as well.
      .filter((path) => existsSync(path) && readlinkSync(path).endsWith('/mem'))
  await t.rejects(dumpCore(process.pid, join(t.testdir(), 'nowhere', 'core'), 0o600), { code: 'ENOENT' })
  t.strictSame(memories(), [])
})

t.test('a key without its certificate, cut short or of another kind is no pair', async (t) => {
  const { cert, key } = await (await authority()).client()
  const other = await (await authority()).client()
  t.strictSame(keyPairsIn(Buffer.from(key + other.cert)), [])
  t.strictSame(keyPairsIn(Buffer.from(cert + key.slice(0, 80))), [])
  t.strictSame(keyPairsIn(Buffer.from(`${cert}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----`)), [])
  t.strictSame(
    keyPairsIn(Buffer.concat([Buffer.alloc(100, 0xff), Buffer.from(key), Buffer.alloc(9), Buffer.from(cert + key)])),
    [{ cert, key }],
  )
})

t.test('of random UUIDs those come first that stand alone', (t) => {
  const [named, sent, stored, alone] = Array.from({ length: 4 }, () => randomUUID()) as [string, string, string, string]
  const image = `\0${named}\0{"uid":"${named}"}\r\nAudit-Id: ${sent}\r\n\0*$${stored}2\0${stored}\0\0${alone}\0`
  t.strictSame(randomUuidsIn(Buffer.from(image)), [alone, named, sent, stored])
  t.strictSame(
    randomUuidsIn(Buffer.from(`${alone.toUpperCase()} ${alone.slice(0, -1)}`)),
    [],
    'cut short, or of another kind',
  )
  t.end()
})
