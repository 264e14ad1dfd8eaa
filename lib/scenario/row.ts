/** One result row: an attack against a posture. `--json` prints one per line; lib/report/row-schema.json describes it. */
import type { Expectation, Outcome, Verdict } from './outcome.ts'

export interface Row {
  /** `overreach/node-foreign-secret` */
  scenario: string
  variant: string
  posture: string
  title: string
  attack: Outcome
  twin: Outcome & { /** The one fact that differs, in words. */ change: string }
  verdict: Verdict
  /** Absent for a posture that the scenario promises nothing of. */
  expected?: Expectation
  asExpected?: boolean
  milliseconds: number
}

/** `overreach/node-foreign-secret:a` */
export function rowId(row: Pick<Row, 'scenario' | 'variant'>): string {
  return `${row.scenario}:${row.variant}`
}

/** What a row needs to count as good: as expected, and its twin went the other way. */
export function isGood(row: Row): boolean {
  if (row.verdict === 'not-applicable' || row.verdict === 'skipped') return true
  if (row.verdict === 'vacuous' || row.verdict === 'unclear') return false
  return row.asExpected ?? row.verdict === 'held'
}
