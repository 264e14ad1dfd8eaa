/** Voting for somebody else. */
import type { Core } from './core.ts'
import { hexOf, NOBODY, type Message, type NodeId } from './message.ts'

/** Answers a MsgVote or MsgPreVote of this term, or a MsgPreVote of a higher one. */
export function answerVote(core: Core, { type, from, term, index, logTerm }: Message): void {
  const isPre = type === 'preVote'
  const mayVote =
    core.vote === from ||
    (core.vote === NOBODY && core.leader === NOBODY) ||
    // A pre-vote binds nobody.
    (isPre && term > core.term)
  const grants = mayVote && core.log.isUpToDate(index, logTerm)
  tellOfVote(core, grants, isPre ? 'MsgPreVote' : 'MsgVote', from, { index, logTerm })
  const response = isPre ? 'preVoteResponse' : 'voteResponse'
  // A grant names the term that it is for; a refusal, the voter's own, so that the other can catch up.
  if (!grants) return core.send(response, from, { reject: true })
  core.send(response, from, { term })
  if (isPre) return
  core.electionElapsed = 0
  core.vote = from
}

function tellOfVote(
  core: Core,
  grants: boolean,
  name: string,
  from: NodeId,
  { index, logTerm }: Pick<Message, 'index' | 'logTerm'>,
): void {
  const { log, vote, term } = core
  core.tell(
    `[logterm: ${log.lastTerm}, index: ${log.lastIndex}, vote: ${hexOf(vote)}] ${grants ? 'cast' : 'rejected'} ${name} ` +
      `${grants ? 'for' : 'from'} ${hexOf(from)} [logterm: ${logTerm}, index: ${index}] at term ${term}`,
  )
}
