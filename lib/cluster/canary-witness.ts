/**
 * Both ends of a link say when a canary crosses it, so that a tap which found nothing has proved something. A component
 * is not told the run's canaries: it knows them by their shape, and says only their SHA-256.
 */
import { createHash } from 'node:crypto'
import { isWitnessed, witness } from './witness.ts'

/** Raw, and in base64 from offset 0 as Kubernetes' JSON carries a Secret's value: 27 bytes, so 36 digits, no padding. */
const RAW = /canary-[A-Za-z0-9_-]{20}/g
const BASE64 = /Y2FuYXJ5[A-Za-z0-9+/]{28}/g

/**
 * Looks for canaries in bytes that passed on a connection, and witnesses each one. Call it with whole messages where one
 * has them. Costs one search of the bytes in a range, nothing outside of one.
 */
export function witnessCanaries(bytes: Uint8Array | string, ends: { local: string; remote: string }): void {
  if (!isWitnessed) return
  const chunk = typeof bytes === 'string' ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!chunk.includes('canary-') && !chunk.includes('Y2FuYXJ5')) return
  const text = typeof chunk === 'string' ? chunk : chunk.toString('latin1')
  const found = new Set<string>(text.match(RAW))
  for (const encoded of text.match(BASE64) ?? []) found.add(Buffer.from(encoded, 'base64').toString('latin1'))
  for (const canary of found) {
    const sha256 = createHash('sha256').update(canary).digest('hex')
    witness({ about: 'stream', decision: 'allow', ...ends, text: `canary sha256:${sha256}` })
  }
}
