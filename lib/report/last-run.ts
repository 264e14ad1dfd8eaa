/**
 * The newest row of each attack on each posture, kept between runs so that `explain` can show evidence:
 * `$XDG_STATE_HOME/mtls-range/last-run.jsonl` (`~/.local/state` where that is unset). Rows hold no key and no canary.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { rowId, type Row } from '../scenario/row.ts'

export interface KeptRow {
  /** RFC 3339: when the run ended. */
  at: string
  row: Row
}

/** Undefined for a user without a home. */
export function lastRunFile(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const state = env['XDG_STATE_HOME'] || (env['HOME'] && join(env['HOME'], '.local/state'))
  return state ? join(state, 'mtls-range', 'last-run.jsonl') : undefined
}

/** By `aim/name:variant posture`; empty where nothing was kept, or what was kept cannot be read. */
export function readLastRun(file: string | undefined): Map<string, KeptRow> {
  const kept = new Map<string, KeptRow>()
  if (file === undefined) return kept
  try {
    for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
      const each = JSON.parse(line) as KeptRow
      kept.set(keyOf(each.row), each)
    }
  } catch {
    // No run yet, or one that was cut off while it wrote: the next one writes it whole.
  }
  return kept
}

/** Replaces the rows of these attacks and keeps the others. @throws NodeJS.ErrnoException where the file cannot be written. */
export function keepRows(file: string, rows: readonly Row[], at: Date = new Date()): void {
  const kept = readLastRun(file)
  for (const row of rows) if (row.verdict !== 'not-applicable') kept.set(keyOf(row), { at: at.toISOString(), row })
  mkdirSync(dirname(file), { recursive: true })
  const written = `${file}.${process.pid}`
  writeFileSync(written, [...kept.values()].map((each) => `${JSON.stringify(each)}\n`).join(''))
  renameSync(written, file)
}

export function keyOf(row: Pick<Row, 'scenario' | 'variant' | 'posture'>): string {
  return `${rowId(row)} ${row.posture}`
}
