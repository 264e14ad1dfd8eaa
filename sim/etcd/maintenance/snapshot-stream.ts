/** How a snapshot is cut for its stream: 32 KiB at a time, and the SHA-256 of all of it last (v3rpc/maintenance.go). */
import { createHash } from 'node:crypto'

const CHUNK_BYTES = 32 * 1024

export interface SnapshotChunk {
  blob: Buffer
  remainingBytes: number
}

export function* snapshotChunks(database: Buffer): Generator<SnapshotChunk> {
  for (let at = 0; at < database.length; at += CHUNK_BYTES) {
    const blob = database.subarray(at, at + CHUNK_BYTES)
    yield { blob, remainingBytes: database.length - at - blob.length }
  }
  yield { blob: createHash('sha256').update(database).digest(), remainingBytes: 0 }
}
