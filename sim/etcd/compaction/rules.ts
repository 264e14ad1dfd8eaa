/** When --auto-compaction-mode compacts, and up to which revision (server/etcdserver/api/v3compactor). */
import { parseDurationMs } from '../../../lib/settings/duration.ts'

/** Asked once per interval, first what is there now, then what is due at its end. */
export interface CompactionRule {
  mode: 'periodic' | 'revision'
  intervalMs: number
  /** How the log names what is kept. */
  retention: { periodMs: number } | { revisions: bigint }
  /** An interval begins at this revision. */
  begin: (revision: bigint) => void
  /** What to compact at its end, if anything. */
  due: (revision: bigint, nowMs: number) => bigint | undefined
  /** It was compacted, or had been before. */
  compacted: (revision: bigint, nowMs: number) => void
}

const HOUR_MS = 3_600_000
/** A tenth of the period, or of an hour where that is longer (retryDivisor). */
const INTERVALS_OF_PERIOD = 10
const REVISION_INTERVAL_MS = 5 * 60_000
const NS_OF_MS = 1e6

/**
 * Undefined where nothing is ever compacted: a retention of 0. A bare number is hours, or revisions; a duration given as
 * revisions counts its nanoseconds, as embed.parseCompactionRetention has it. @throws Error
 */
export function compactionRuleOf(
  mode: 'periodic' | 'revision',
  retention: string,
  startedMs: number,
): CompactionRule | undefined {
  const isNumber = /^\+?\d+$/.test(retention)
  const isPeriodic = mode === 'periodic'
  let amount: number
  try {
    amount = isNumber ? Number(retention) * (isPeriodic ? HOUR_MS : 1) : durationOf(retention, isPeriodic)
  } catch (error) {
    throw new Error(`error parsing CompactionRetention: ${(error as Error).message}`, { cause: error })
  }
  if (amount === 0) return undefined
  return isPeriodic ? periodicRule(amount, startedMs) : revisionRule(BigInt(amount))
}

function durationOf(text: string, isPeriodic: boolean): number {
  const ms = parseDurationMs(text)
  return isPeriodic ? ms : Math.round(ms * NS_OF_MS)
}

/** What was there a period ago: after the first period once per period, or per hour where that is shorter. */
function periodicRule(periodMs: number, startedMs: number): CompactionRule {
  const compactMs = Math.min(periodMs, HOUR_MS)
  const intervalMs = compactMs / INTERVALS_OF_PERIOD
  const most = Math.floor(periodMs / intervalMs) + 1
  const revisions: bigint[] = []
  let last = 0n
  let lastMs = startedMs
  let waitMs = periodMs
  return {
    mode: 'periodic',
    intervalMs,
    retention: { periodMs },
    begin: (revision) => {
      revisions.push(revision)
      if (revisions.length > most) revisions.shift()
    },
    due: (_, nowMs) => {
      const [oldest] = revisions
      if (oldest === undefined || nowMs - lastMs < waitMs || oldest === last) return undefined
      waitMs = compactMs
      return oldest
    },
    compacted: (revision, nowMs) => {
      last = revision
      lastMs = nowMs
    },
  }
}

/** All but the latest revisions, every five minutes. */
function revisionRule(revisions: bigint): CompactionRule {
  let last = 0n
  return {
    mode: 'revision',
    intervalMs: REVISION_INTERVAL_MS,
    retention: { revisions },
    begin: () => {},
    due: (revision) => {
      const upTo = revision - revisions
      return upTo <= 0n || upTo === last ? undefined : upTo
    },
    compacted: (revision) => (last = revision),
  }
}
