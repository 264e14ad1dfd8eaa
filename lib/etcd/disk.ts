/** Reads a member's data directory as a thief of the disk does: offline, and with every old value still in it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ENTRY_TYPE } from './raft-entry.ts'
import { decodeRaftRequest, putsOf } from './raft-request.ts'
import { readWal, WAL_FILE } from './wal.ts'

export interface StoredRecord {
  key: string
  value: Uint8Array
  /** Of the entry in the log. */
  index: number
}

/** Every value that anybody ever asked to put and that still lies on the disk, oldest first. */
export async function readStore(dataDir: string): Promise<StoredRecord[]> {
  const { entries } = readWal(await readFile(join(dataDir, WAL_FILE)))
  return entries
    .filter(({ type, data }) => type === ENTRY_TYPE.normal && data.length > 0)
    .flatMap(({ data, index }) =>
      putsOf(decodeRaftRequest(data)).map(({ key, value }) => ({ key: key.toString('utf8'), value, index })),
    )
}
