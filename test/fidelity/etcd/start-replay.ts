/** Starts a member as start.json has it, and tells whether it serves or ends, and with which words. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { MemberPlace, MemberProcess, type LogLine } from './member-process.ts'
import { RecordedPki } from './recorded-pki.ts'

export interface StartRow {
  id: string
  flags: string[]
  state: 'exited' | 'serving'
  exitCode?: number
  /** A line of the log, or of plain text. */
  decisive: string | LogLine
}

/** `undefined` where the member does and says what the row has. */
export async function replayStart(row: StartRow): Promise<{ expected: string; got: string } | undefined> {
  const place = await MemberPlace.create()
  const pki = new RecordedPki(place.pki)
  for (const name of ['server', 'peer']) pki.credential(name)
  writeFileSync(join(place.pki, 'garbage.crt'), GARBAGE)
  writeFileSync(join(place.pki, 'empty'), '')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(join(place.pki, 'ecdsa-unrelated.key'), privateKey.export({ type: 'sec1', format: 'pem' }))
  mkdirSync(join(place.folder, 'work'))
  writeFileSync(join(place.folder, 'work/file'), '')
  if (row.id === 'data-dir-garbage-wal') {
    mkdirSync(join(place.data, 'member/wal'), { recursive: true })
    writeFileSync(join(place.data, 'member/wal', WAL_SEGMENT), 'this is no log')
  }
  // The recording had somebody there.
  const other = createServer()
  if (row.id === 'listen-port-taken') {
    await new Promise<void>((resolve) => other.listen(place.ports.get('metrics'), '127.0.0.1', resolve))
  }
  const member = new MemberProcess(
    place,
    row.flags.map((flag) => flag.replaceAll('{work}', join(place.folder, 'work'))),
  )
  let told = ''
  member.process.child.stdout!.on('data', (chunk: Buffer) => (told += chunk.toString()))
  const serves = await member.serves()
  const state = serves ? 'serving' : 'exited'
  const masked = (text: string): string =>
    place.mask(text.replaceAll(join(place.folder, 'work'), '{work}')).replaceAll(/localhost:\d+/g, 'localhost:$port')
  const log = member.log
    .filter(({ level }) => level !== 'info')
    .map((line) => JSON.parse(masked(JSON.stringify(line))) as LogLine)
  const plain = [...member.plain, ...told.split('\n')].map(masked)
  const found =
    typeof row.decisive === 'string' ? plain.includes(row.decisive) : log.some((line) => holds(line, row.decisive))
  const code = member.process.exited?.code ?? undefined
  await member.process.kill()
  other.close()
  place.remove()
  if (state === row.state && code === row.exitCode && found) return undefined
  const said = typeof row.decisive === 'string' ? plain.slice(0, 3) : log.map(({ msg, error }) => [msg, error])
  return {
    expected: JSON.stringify([row.state, row.exitCode, row.decisive]),
    got: JSON.stringify([state, code, said]),
  }
}

const WAL_SEGMENT = '0000000000000000-0000000000000000.wal'

const GARBAGE = '-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n'

function holds(line: LogLine, wanted: StartRow['decisive']): boolean {
  return Object.entries(wanted).every(([field, value]) => JSON.stringify(line[field]) === JSON.stringify(value))
}
