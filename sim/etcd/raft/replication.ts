/** A leader's copying: what each member is sent, and when an entry is committed. */
import type { Core } from './core.ts'
import { NO_BYTES, type Message, type NodeId } from './message.ts'
import type { Progress } from './progress.ts'
import { contextOf } from './read-requests.ts'

export function broadcastAppend(core: Core): void {
  for (const id of core.progress.keys()) if (id !== core.id) sendAppend(core, id)
}

/** One message; false where there is nothing to send, or not now. */
export function sendAppend(core: Core, to: NodeId, evenEmpty = true): boolean {
  const { log, options } = core
  const progress = core.progress.get(to)
  if (!progress || progress.isPaused) return false
  const index = progress.next - 1
  const logTerm = log.termAt(index)
  if (logTerm === undefined) return sendSnapshot(core, to, progress)
  const entries = log.slice(progress.next, log.lastIndex, options.mostMessageBytes)
  if (entries.length === 0 && !evenEmpty) return false
  core.send('append', to, { index, logTerm, entries, commit: log.committed })
  progress.sent(entries)
  return true
}

function sendSnapshot(core: Core, to: NodeId, progress: Progress): boolean {
  // Nobody would be there to take it.
  if (!progress.recentlyActive) return false
  const snapshot = core.options.snapshot()
  if (!snapshot) return false
  progress.waitForSnapshot(snapshot.index)
  core.send('snapshot', to, { snapshot })
  return true
}

export function broadcastHeartbeat(core: Core, context: Buffer = core.reads.lastContext ?? NO_BYTES): void {
  for (const [id, { match }] of core.progress) {
    // A member must not commit what it may not have.
    if (id !== core.id) core.send('heartbeat', id, { commit: Math.min(match, core.log.committed), context })
  }
}

export function takeAppendResponse(core: Core, progress: Progress, message: Message): void {
  const { from, index, reject, rejectHint, logTerm } = message
  const { log } = core
  progress.recentlyActive = true
  if (reject) {
    // With the term of its last candidate for a match, whole terms are skipped at once.
    const hint = logTerm > 0 ? log.lastNotAbove(Math.min(rejectHint, log.lastIndex), logTerm).index : rejectHint
    if (progress.refused(index, hint)) sendAppend(core, from)
    return
  }
  // More than this log holds: no true answer of this term.
  if (index > log.lastIndex) return
  const wasPaused = progress.isPaused
  const isNews = progress.acknowledged(index)
  if (!isNews && !(progress.state === 'probe' && progress.match === index)) return
  if (progress.state === 'probe') progress.replicate()
  else if (progress.state === 'snapshot' && progress.match + 1 >= log.firstIndex) progress.replicate()
  if (commitIfMajority(core)) broadcastAppend(core)
  else if (wasPaused) sendAppend(core, from)
  while (sendAppend(core, from, false));
  if (from === core.transferee && progress.match === log.lastIndex) core.send('timeoutNow', from)
}

/** An entry of an earlier term is never committed by counting, only by one of this term after it (section 5.4.2). */
export function commitIfMajority(core: Core): boolean {
  const { log, configuration, progress } = core
  const index = configuration.majorityIndex((id) => progress.get(id)?.match ?? 0)
  if (index <= log.committed || log.termAt(index) !== core.term) return false
  log.commitTo(index)
  // The first commit of this term shows that this leader knows of all before it.
  for (const request of core.earlyReads.splice(0)) readAtCommit(core, request)
  return true
}

/** A read that may be answered from what is committed now, once a majority confirms this leader. */
export function readAtCommit(core: Core, request: Message): void {
  const { log, configuration } = core
  if (configuration.voters.size === 1 && configuration.voters.has(core.id))
    return answerRead(core, request, log.committed)
  core.reads.add(request, log.committed, core.id)
  broadcastHeartbeat(core, contextOf(request))
}

export function answerRead(core: Core, request: Message, index: number): void {
  const { from } = request
  if (from === 0n || from === core.id) core.readStates.push({ index, context: contextOf(request) })
  else core.send('readIndexResponse', from, { index, entries: request.entries })
}
