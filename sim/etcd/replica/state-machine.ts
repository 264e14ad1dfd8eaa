/** What the log is for: it takes one committed entry after the other, the same ones at every member. */
import type { Readable } from 'node:stream'
import type { Entry, Snapshot } from '../raft/message.ts'

export interface StateMachine<Result> {
  /**
   * Of a membership change, `isVoid` says that it was found wanting and changes nothing. `known` is what the proposer gave
   * along, where it was this member.
   */
  apply(entry: Entry, known: unknown): { result: Result; isVoid?: boolean }
  /** By which a proposer finds its own again. */
  requestId(entry: Entry): bigint
  /** For a member that is too far behind: the database as of an entry applied lately, and what else the snapshot says. */
  image(): Promise<{ index: number; term: number; data: Buffer; database: Readable }>
  /** Takes a leader's database in; it becomes this member's own with `restore`. */
  receive(snapshot: Snapshot, database: AsyncIterable<Buffer>): Promise<void>
  restore(snapshot: Snapshot): Promise<void>
  /** Makes sure that the database is on the disk up to the last entry applied: what a snapshot of this member's says. */
  checkpoint(): Promise<Buffer>
}
