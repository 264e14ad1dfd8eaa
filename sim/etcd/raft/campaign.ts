/** Standing for election. */
import { ENTRY_TYPE } from '../../../lib/etcd/raft-entry.ts'
import type { Core } from './core.ts'
import { broadcastAppend } from './replication.ts'
import type { Message } from './message.ts'

/** Tells voters that the leader itself wants this election, so that they do not stand by it. */
const CAMPAIGN_TRANSFER = 'CampaignTransfer'

export type Campaign = 'preElection' | 'election' | 'transfer'

/** The election timeout has passed, or the leader has asked for it. */
export function standForElection(core: Core, campaign: Campaign): void {
  const { log } = core
  if (core.role === 'leader' || !core.mayCampaign) return
  // A change that is committed may take this member out.
  const changes = log.slice(log.applied + 1, log.committed).some(({ type }) => type !== ENTRY_TYPE.normal)
  if (changes)
    return core.tell(
      `cannot campaign at term ${core.term} since there are still pending configuration changes to apply`,
    )
  runCampaign(core, campaign)
}

function runCampaign(core: Core, campaign: Campaign): void {
  const isPre = campaign === 'preElection'
  if (isPre) core.becomePreCandidate()
  else core.becomeCandidate()
  core.votes.set(core.id, true)
  if (core.configuration.result(core.votes) === 'won') return win(core)
  const { lastIndex: index, lastTerm: logTerm } = core.log
  const term = isPre ? core.term + 1 : core.term
  const context = campaign === 'transfer' ? { context: Buffer.from(CAMPAIGN_TRANSFER) } : {}
  for (const id of core.configuration.voters) {
    if (id !== core.id) core.send(isPre ? 'preVote' : 'vote', id, { term, index, logTerm, ...context })
  }
}

export function win(core: Core): void {
  if (core.role === 'preCandidate') return runCampaign(core, 'election')
  core.becomeLeader()
  broadcastAppend(core)
}

export function isForcedByTransfer({ context }: Message): boolean {
  return context.toString('latin1') === CAMPAIGN_TRANSFER
}
