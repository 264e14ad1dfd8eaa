/** Reads a member's data directory as a thief of the disk does: offline, and with every old revision still in it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readWal, WAL_FILE } from './wal.ts'

export interface StoredRecord {
  key: string
  value: Uint8Array
  revision: bigint
}

/** Every value that was ever put and still lies on the disk, oldest first. */
export async function readStore(dataDir: string): Promise<StoredRecord[]> {
  const { records } = readWal(await readFile(join(dataDir, WAL_FILE)))
  return records.flatMap((record) =>
    record.kind !== 'revision'
      ? []
      : record.operations.flatMap(({ kind, kv }) =>
          kind === 'put'
            ? [{ key: Buffer.from(kv.key).toString('utf8'), value: kv.value, revision: record.revision }]
            : [],
        ),
  )
}
