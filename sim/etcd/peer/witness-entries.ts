/** What both ends of a stream between members say of the entries that crossed it. */
import { witnessCanaries } from '../../../lib/cluster/canary-witness.ts'
import { isWitnessed } from '../../../lib/cluster/witness.ts'
import { endsOf } from '../../../lib/tls/plain.ts'
import type { Socket } from 'node:net'
import type { Message } from '../raft/message.ts'

export function witnessEntries({ entries }: Message, socket: Socket | null): void {
  if (!isWitnessed || !socket || entries.length === 0) return
  const ends = endsOf(socket)
  for (const { data } of entries) witnessCanaries(data, ends)
}
