/** Where a member keeps what it must not forget (the log of etcd's data directory, or a test's). */
import type { Entry, HardState, Snapshot } from '../raft/message.ts'

export interface RaftStorage {
  /** Entries replace what is there from the first one's index on. */
  append(entries: readonly Entry[], state: HardState | undefined): void
  /** Resolves once everything appended so far is on the disk. */
  synced(): Promise<void>
  /** The log up to there is not needed any more to come back. */
  saveSnapshot(snapshot: Snapshot): Promise<void>
}

/** What was found at start. */
export interface StoredRaft {
  hardState: HardState
  /** Entries after the snapshot, or all there are. */
  entries: readonly Entry[]
  snapshot?: Snapshot
}
