/**
 * Reads a member's data directory as a thief of the disk does: offline, and with everything that still lies on it. A live
 * member's files may be copied in the middle of a write: what cannot be read is left out.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { BboltReader, DB_FILE } from './bbolt-read.ts'
import { decodeKeyValue, parseRevisionKey } from './key-value.ts'
import { ENTRY_TYPE } from './raft-entry.ts'
import { decodeRaftRequest, putsOf } from './raft-request.ts'
import { parseWalSegmentName, readWal, WAL_FOLDER } from './wal-read.ts'

export interface StoredRecord {
  key: string
  value: Uint8Array
  /** `undefined` for one that only the log has: its revision is counted when it is applied. */
  revision: number | undefined
  /** In the db's tree, in a page of it that is free by now, or in the log alone. */
  lies: 'db' | 'free page' | 'log'
}

/** Every value that anybody ever put and that still lies on the disk: by revision, and then what the log alone has. */
export function readStore(dataDir: string): StoredRecord[] {
  const records: StoredRecord[] = []
  const known = new Set<string>()
  const add = (record: StoredRecord, ...names: string[]): void => {
    if (!known.has(names[0]!)) records.push(record)
    for (const name of names) known.add(name)
  }
  for (const record of recordsOfDb(join(dataDir, DB_FILE))) {
    add(record, `${nameOf(record)}@${record.revision}`, nameOf(record))
  }
  for (const record of recordsOfLog(join(dataDir, WAL_FOLDER))) add(record, nameOf(record))
  return records.toSorted((one, other) => (one.revision ?? Infinity) - (other.revision ?? Infinity) || 0)
}

function nameOf({ key, value }: StoredRecord): string {
  return `${key}\0${Buffer.from(value).toString('latin1')}`
}

function* recordsOfDb(file: string): Generator<StoredRecord> {
  if (!existsSync(file)) return
  const reader = attempt(() => new BboltReader(file))
  if (!reader) return
  try {
    const live = attempt(() => [...reader.entries('key')]) ?? []
    for (const element of live) yield* recordOf(element, 'db')
    for (const element of reader.carved()) yield* recordOf(element, 'free page')
  } finally {
    reader.close()
  }
}

function* recordOf(
  { key, value }: { key: Buffer; value: Buffer },
  lies: StoredRecord['lies'],
): Generator<StoredRecord> {
  const at = parseRevisionKey(key)
  if (!at || at.isTombstone) return
  const kv = attempt(() => decodeKeyValue(value))
  if (kv) yield { key: kv.key.toString('utf8'), value: kv.value, revision: at.main, lies }
}

function* recordsOfLog(folder: string): Generator<StoredRecord> {
  if (!existsSync(folder)) return
  const first = readdirSync(folder).flatMap((name) => parseWalSegmentName(name)?.firstIndex ?? [])
  // Old segments are gone from a long log.
  const contents = attempt(() => readWal(folder, { index: Math.max(0, Math.min(...first) - 1) }))
  for (const { type, data } of contents?.entries ?? []) {
    if (type !== ENTRY_TYPE.normal || data.length === 0) continue
    for (const { key, value } of attempt(() => putsOf(decodeRaftRequest(data))) ?? []) {
      yield { key: key.toString('utf8'), value, revision: undefined, lies: 'log' }
    }
  }
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch {
    return undefined
  }
}
