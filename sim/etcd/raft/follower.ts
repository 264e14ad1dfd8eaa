/** Following: taking the leader's entries, and handing on what only a leader can do. */
import { standForElection } from './campaign.ts'
import { Configuration } from './configuration.ts'
import type { Core } from './core.ts'
import { NOBODY, type Message, type Snapshot } from './message.ts'

/** False for a proposal that found no leader. */
export function stepFollower(core: Core, message: Message): boolean {
  const { type, from } = message
  switch (type) {
    case 'append':
      hear(core, from)
      takeEntries(core, message)
      break
    case 'heartbeat':
      hear(core, from)
      core.log.commitTo(message.commit)
      core.send('heartbeatResponse', from, { context: message.context })
      break
    case 'snapshot':
      hear(core, from)
      takeSnapshot(core, message)
      break
    case 'propose':
    case 'readIndex':
      if (core.leader === NOBODY) return false
      core.send(type, core.leader, { ...message, to: core.leader, term: 0, from: from === NOBODY ? core.id : from })
      break
    case 'transferLeader':
      if (core.leader !== NOBODY) core.send(type, core.leader, { from, term: 0 })
      break
    case 'timeoutNow':
      standForElection(core, 'transfer')
      break
    case 'readIndexResponse':
      if (message.entries.length === 1) {
        core.readStates.push({ index: message.index, context: message.entries[0]!.data })
      }
      break
    default:
  }
  return true
}

function hear(core: Core, leader: Message['from']): void {
  core.electionElapsed = 0
  if (core.leader !== leader) core.becomeFollower(core.term, leader)
}

function takeEntries(core: Core, { from, index, logTerm, entries, commit }: Message): void {
  const { log } = core
  // No leader of this protocol says so; a gap in the log would be the end of it.
  if (entries.some((entry, at) => entry.index !== index + 1 + at)) return
  // An old message: what is committed will not change.
  if (index < log.committed) return core.send('appendResponse', from, { index: log.committed })
  const last = log.take(index, logTerm, entries)
  if (last !== undefined) {
    log.commitTo(Math.min(commit, last))
    return core.send('appendResponse', from, { index: last })
  }
  const hint = log.lastNotAbove(Math.min(index, log.lastIndex), logTerm)
  core.send('appendResponse', from, { index, reject: true, rejectHint: hint.index, logTerm: hint.term })
}

function takeSnapshot(core: Core, { from, snapshot }: Message): void {
  if (snapshot && restore(core, snapshot)) core.send('appendResponse', from, { index: core.log.lastIndex })
  else core.send('appendResponse', from, { index: core.log.committed })
}

function restore(core: Core, snapshot: Snapshot): boolean {
  const { log } = core
  const { index, term, confState } = snapshot
  if (index <= log.committed) return false
  // Whoever is not in it was sent it by mistake.
  if (!confState.voters.includes(core.id) && !confState.learners.includes(core.id)) return false
  if (log.termAt(index) === term) {
    log.commitTo(index)
    return false
  }
  log.restore(snapshot)
  core.setConfiguration(new Configuration(confState))
  return true
}
