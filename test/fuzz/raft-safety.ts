/** What Raft promises (Ongaro and Ousterhout, figure 3), checked against everything that the members of a simulated world do. */
import type { Entry, NodeId } from '../../sim/etcd/raft/message.ts'
import type { Raft } from '../../sim/etcd/raft/raft.ts'

export class RaftSafety {
  /** By term. */
  readonly #leaders = new Map<number, NodeId>()
  /** By index: what was applied there, and the term of whoever first said so. */
  readonly #committed: ({ term: number; data: Buffer; inTerm: number } | undefined)[] = []
  /** By index and term: the data, and the term of the entry before. */
  readonly #entries = new Map<string, { before: number | undefined; data: Buffer }>()
  readonly #leading = new Map<NodeId, number>()

  get committedIndex(): number {
    return this.#committed.length - 1
  }

  get leaderCount(): number {
    return this.#leaders.size
  }

  /** Called whenever a member may have changed its role. @throws Error where two lead one term, or one lacks what is committed. */
  checkLeader(raft: Raft): void {
    if (raft.role !== 'leader' || this.#leading.get(raft.id) === raft.term) return
    this.#leading.set(raft.id, raft.term)
    const other = this.#leaders.get(raft.term)
    if (other !== undefined && other !== raft.id) {
      throw new Error(`election safety: ${other} and ${raft.id} both lead term ${raft.term}`)
    }
    this.#leaders.set(raft.term, raft.id)
    for (let index = raft.log.firstIndex; index <= this.committedIndex; index++) {
      const committed = this.#committed[index]
      if (!committed || committed.inTerm >= raft.term || raft.log.termAt(index) === committed.term) continue
      throw new Error(`leader completeness: ${raft.id} leads term ${raft.term} without the committed entry ${index}`)
    }
  }

  /** Called with entries that a member writes. @throws Error where two logs agree in one entry and not in the one before. */
  checkEntries(raft: Raft, entries: readonly Entry[]): void {
    for (const { index, term, data } of entries) {
      const before = raft.log.termAt(index - 1)
      const key = `${index}/${term}`
      const known = this.#entries.get(key)
      if (!known) {
        this.#entries.set(key, { before, data })
        continue
      }
      const sameBefore = known.before === before || known.before === undefined || before === undefined
      if (known.data.equals(data) && sameBefore) continue
      throw new Error(`log matching: ${raft.id} has another entry ${index} of term ${term}, or another one before it`)
    }
  }

  /** Called with entries that a member applies. @throws Error where another one applied something else there. */
  checkApplied(raft: Raft, entries: readonly Entry[]): void {
    for (const { index, term, data } of entries) {
      const known = this.#committed[index]
      if (!known) this.#committed[index] = { term, data, inTerm: raft.term }
      else if (known.term !== term || !known.data.equals(data)) {
        throw new Error(`state machine safety: ${raft.id} applies another entry ${index} than was applied before`)
      }
    }
  }
}
