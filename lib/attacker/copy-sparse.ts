/** Copies a file and leaves its holes holes: a member's log is laid out at 64 MB and holds a few kilobytes. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'

const CHUNK_BYTES = 256 * 1024
const NOUGHT = Buffer.alloc(CHUNK_BYTES)

export function copySparse(from: string, to: string): void {
  const source = openSync(from, 'r')
  const target = openSync(to, 'wx', 0o600)
  try {
    const { size } = fstatSync(source)
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    for (let at = 0; at < size; at += CHUNK_BYTES) {
      const bytes = chunk.subarray(0, readSync(source, chunk, 0, CHUNK_BYTES, at))
      if (bytes.equals(NOUGHT.subarray(0, bytes.length))) continue
      for (let done = 0; done < bytes.length;) {
        done += writeSync(target, bytes, done, bytes.length - done, at + done)
      }
    }
    ftruncateSync(target, size)
  } finally {
    closeSync(source)
    closeSync(target)
  }
}
