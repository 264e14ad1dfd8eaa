/** Waiting for the votes. */
import { win } from './campaign.ts'
import type { Core } from './core.ts'
import { stepFollower } from './follower.ts'
import { NOBODY, type Message } from './message.ts'

/** False for a proposal, which nobody can take now. */
export function stepCandidate(core: Core, message: Message): boolean {
  const { type, from, term, reject } = message
  const isMine = type === (core.role === 'preCandidate' ? 'preVoteResponse' : 'voteResponse')
  if (type === 'append' || type === 'heartbeat' || type === 'snapshot') {
    // Somebody else has won this term.
    core.becomeFollower(term, from)
    return stepFollower(core, message)
  }
  if (!isMine) return type !== 'propose'
  if (!core.votes.has(from)) core.votes.set(from, !reject)
  const result = core.configuration.result(core.votes)
  if (result === 'won') win(core)
  else if (result === 'lost') core.becomeFollower(core.term, NOBODY)
  return true
}
