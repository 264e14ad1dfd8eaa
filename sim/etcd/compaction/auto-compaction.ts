/** --auto-compaction-mode at work: a clock, the leader's right to compact, and what the log says of it. */
import { durationText } from '../../../lib/settings/duration.ts'
import { ERRORS } from '../errors.ts'
import type { Fields, Level } from '../log.ts'
import type { CompactionRule } from './rules.ts'

export interface AutoCompactionOptions {
  rule: CompactionRule
  revision: () => bigint
  compact: (revision: bigint) => Promise<unknown>
  /** Of all members one compacts: the others' turn passes. */
  leads: () => boolean
  log: (level: Level, msg: string, fields: Fields) => void
  nowMs?: () => number
}

export class AutoCompaction {
  readonly #options: Required<AutoCompactionOptions>
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: AutoCompactionOptions) {
    this.#options = { nowMs: Date.now, ...options }
    this.#begin()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #begin(): void {
    if (this.#isClosed) return
    const { rule, revision } = this.#options
    rule.begin(revision())
    this.#timer = setTimeout(() => void this.endInterval().then(() => this.#begin()), rule.intervalMs)
    this.#timer.unref()
  }

  async endInterval(): Promise<void> {
    const { rule, revision, leads, nowMs } = this.#options
    const upTo = leads() ? rule.due(revision(), nowMs()) : undefined
    if (upTo !== undefined) await this.#compact(upTo)
  }

  async #compact(revision: bigint): Promise<void> {
    const { rule, compact, log, nowMs } = this.#options
    const { mode, retention, intervalMs } = rule
    const fields = {
      revision: Number(revision),
      ...('periodMs' in retention
        ? { 'compact-period': durationText(retention.periodMs) }
        : { 'revision-compaction-retention': Number(retention.revisions) }),
    }
    log('info', `starting auto ${mode} compaction`, fields)
    const beginMs = nowMs()
    try {
      await compact(revision).catch(ignoreCompacted)
      rule.compacted(revision, nowMs())
      log('info', `completed auto ${mode} compaction`, { ...fields, took: durationText(nowMs() - beginMs) })
    } catch (error) {
      const retry = { 'retry-interval': durationText(intervalMs), error: (error as Error).message }
      log('warn', `failed auto ${mode} compaction`, { ...fields, ...retry })
    }
  }
}

/** Somebody was quicker. */
function ignoreCompacted(error: Error): void {
  if (error.message !== ERRORS.compacted().message) throw error
}
