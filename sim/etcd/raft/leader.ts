/** Leading: proposals, answers of the members, reads, and handing over. */
import { ENTRY_TYPE } from '../../../lib/etcd/raft-entry.ts'
import type { Core } from './core.ts'
import { NO_BYTES, NOBODY, type Message } from './message.ts'
import {
  answerRead,
  broadcastAppend,
  broadcastHeartbeat,
  readAtCommit,
  sendAppend,
  takeAppendResponse,
} from './replication.ts'

/** False for a proposal that is not taken. */
export function stepLeader(core: Core, message: Message): boolean {
  switch (message.type) {
    case 'beat':
      broadcastHeartbeat(core)
      return true
    case 'checkQuorum':
      checkQuorum(core)
      return true
    case 'propose':
      return propose(core, message)
    case 'readIndex':
      if (core.log.termAt(core.log.committed) === core.term) readAtCommit(core, message)
      else core.earlyReads.push(message)
      return true
    default:
  }
  const progress = core.progress.get(message.from)
  if (!progress) return true
  switch (message.type) {
    case 'appendResponse':
      takeAppendResponse(core, progress, message)
      break
    case 'heartbeatResponse':
      progress.recentlyActive = true
      progress.heard()
      if (progress.match < core.log.lastIndex || progress.state === 'probe') sendAppend(core, message.from)
      if (message.context.length > 0) {
        const proven = core.reads.acknowledge(message.from, message.context, core.configuration)
        for (const { request, index } of proven) answerRead(core, request, index)
      }
      break
    case 'snapshotStatus':
      if (progress.state !== 'snapshot') break
      if (message.reject) progress.snapshotFailed()
      else progress.probe()
      // Its answer, or the next heartbeat, says when to go on.
      progress.pause()
      break
    case 'unreachable':
      // What was sent optimistically may be lost.
      if (progress.state === 'replicate') progress.probe()
      break
    case 'transferLeader':
      transfer(core, message)
      break
    default:
  }
  return true
}

function propose(core: Core, { entries }: Message): boolean {
  if (!core.progress.has(core.id) || core.transferee !== NOBODY) return false
  const taken = entries.map(({ type, data }, at) => {
    if (type === ENTRY_TYPE.normal) return { type, data }
    if (core.pendingConfIndex > core.log.applied) {
      core.tell(`ignoring conf change at config: possible unapplied conf change at index ${core.pendingConfIndex}`)
      return { type: ENTRY_TYPE.normal, data: NO_BYTES }
    }
    core.pendingConfIndex = core.log.lastIndex + at + 1
    return { type, data }
  })
  core.appendAsLeader(taken)
  broadcastAppend(core)
  return true
}

function checkQuorum(core: Core): void {
  const active = new Map([...core.progress].map(([id, { recentlyActive }]) => [id, recentlyActive || id === core.id]))
  if (core.configuration.result(active) !== 'won') {
    core.tell('stepped down to follower since quorum is not active')
    return core.becomeFollower(core.term, NOBODY)
  }
  for (const progress of core.progress.values()) progress.recentlyActive = false
}

function transfer(core: Core, { from: transferee }: Message): void {
  if (core.configuration.learners.has(transferee) || transferee === core.id || transferee === core.transferee) return
  // It has one election timeout for it.
  core.electionElapsed = 0
  core.transferee = transferee
  const progress = core.progress.get(transferee)!
  core.tell(`[term ${core.term}] starts to transfer leadership to ${transferee.toString(16)}`)
  if (progress.match === core.log.lastIndex) core.send('timeoutNow', transferee)
  else sendAppend(core, transferee)
}
