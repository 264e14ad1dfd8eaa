/** All that the members of a cluster agree on, and that applying the log changes. */
import { AuthStore } from '../auth/auth-store.ts'
import { Members } from '../cluster/members.ts'
import { Leases } from '../lease/leases.ts'
import { Alarms } from '../maintenance/alarms.ts'
import { Store, type Commit } from '../mvcc/store.ts'

export class State {
  readonly leases: Leases
  readonly store: Store
  readonly auth = new AuthStore()
  readonly alarms = new Alarms()
  readonly members: Members
  readonly #listeners = new Set<(commit: Commit) => void>()

  constructor(options: { maxLearners?: number; shortestTtlSeconds?: bigint } = {}) {
    this.members = new Members(options.maxLearners)
    this.leases = new Leases(options.shortestTtlSeconds)
    this.store = new Store(this.leases)
  }

  /** Called for each revision once it is applied, in order. */
  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(commit: Commit): void {
    for (const listener of this.#listeners) listener(commit)
  }
}
