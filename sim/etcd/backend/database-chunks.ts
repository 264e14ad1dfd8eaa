/** A db on its way to somebody: in chunks, and then the SHA-256 of it all (api/v3rpc/maintenance.go, Snapshot). */
import { createHash } from 'node:crypto'
import type { BboltFile } from './bbolt-file.ts'

const CHUNK_BYTES = 32 * 1024

export interface DatabaseChunk {
  blob: Buffer
  remainingBytes: number
}

/** `ended` is called once, read to the end or not. */
export function* databaseChunks(
  { bytes, read, close }: ReturnType<BboltFile['openReader']>,
  ended: () => void,
): Generator<DatabaseChunk> {
  const hash = createHash('sha256')
  try {
    for (let at = 0; at < bytes;) {
      const blob = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, bytes - at))
      const count = read(blob, at)
      if (count === 0) throw new Error(`[snapshot] the db ends at byte ${at} of ${bytes}`)
      at += count
      hash.update(blob.subarray(0, count))
      yield { blob: blob.subarray(0, count), remainingBytes: bytes - at }
    }
    yield { blob: hash.digest(), remainingBytes: 0 }
  } finally {
    close()
    ended()
  }
}
