/** Who votes and who only listens, and what a majority of them says. */
import { CONF_CHANGE, voters, type ConfChange } from '../../../lib/etcd/raft-entry.ts'
import type { ConfState, NodeId } from './message.ts'

/** What Raft itself wants to know of one. A `nodeId` of 0 changes nothing: it was found wanting when it was applied. */
export type VoterChange = Pick<ConfChange, 'type' | 'nodeId'>

export type VoteResult = 'won' | 'lost' | 'pending'

/** A value: a change makes another one. */
export class Configuration {
  readonly voters: ReadonlySet<NodeId>
  readonly learners: ReadonlySet<NodeId>
  readonly #needed: number

  constructor({ voters, learners }: Pick<ConfState, 'voters' | 'learners'>) {
    this.voters = new Set(voters)
    this.learners = new Set(learners)
    this.#needed = Math.floor(this.voters.size / 2) + 1
  }

  get members(): NodeId[] {
    return [...this.voters, ...this.learners]
  }

  get confState(): ConfState {
    return { ...voters(...[...this.voters].sort(byNumber)), learners: [...this.learners].sort(byNumber) }
  }

  /** @throws Error where nobody would be left to vote. */
  after({ type, nodeId }: VoterChange): Configuration {
    if (type === CONF_CHANGE.updateNode || nodeId === 0n) return this
    const voters = new Set(this.voters)
    const learners = new Set(this.learners)
    voters.delete(nodeId)
    learners.delete(nodeId)
    if (type === CONF_CHANGE.addNode) voters.add(nodeId)
    if (type === CONF_CHANGE.addLearnerNode) learners.add(nodeId)
    if (voters.size === 0) throw new Error('removed all voters')
    return new Configuration({ voters: [...voters], learners: [...learners] })
  }

  /** The highest index that a majority of the voters has. */
  majorityIndex(matchOf: (voter: NodeId) => number): number {
    if (this.voters.size === 0) return 0
    const matches = [...this.voters].map(matchOf).sort((one, other) => other - one)
    return matches[this.#needed - 1]!
  }

  result(votes: ReadonlyMap<NodeId, boolean>): VoteResult {
    let granted = 0
    let refused = 0
    for (const voter of this.voters) {
      const vote = votes.get(voter)
      if (vote === true) granted++
      else if (vote === false) refused++
    }
    if (granted >= this.#needed) return 'won'
    return this.voters.size - refused < this.#needed ? 'lost' : 'pending'
  }
}

function byNumber(one: NodeId, other: NodeId): number {
  return one < other ? -1 : 1
}
