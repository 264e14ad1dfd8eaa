/** An earlier `--json` as the promise of today's run: the regression test of a TLS policy. */
import { readFileSync } from 'node:fs'
import { rowId, type Row } from '../scenario/row.ts'
import type { Outcome } from '../scenario/outcome.ts'

export class BadBaseline extends Error {}

export function readBaseline(file: string): Row[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new BadBaseline(`[baseline_unreadable] --baseline ${file}: ${(error as Error).message}`, { cause: error })
  }
  return text
    .split('\n')
    .map((line, index) => ({ line: line.trim(), number: index + 1 }))
    .filter(({ line }) => line !== '')
    .map(({ line, number }) => {
      try {
        const row = JSON.parse(line) as Row
        if (typeof row.scenario === 'string' && typeof row.posture === 'string' && row.attack) return row
      } catch {
        // Said below, with the line's number.
      }
      throw new BadBaseline(
        `[baseline_line] ${file}:${number}: not a result row (give a file that \`mtls-range attack --json\` wrote)`,
      )
    })
}

/** Rows that differ from the baseline, in words; rows that only one side has are named too. */
export function differences(baseline: readonly Row[], rows: readonly Row[]): string[] {
  const key = (row: Row): string => `${rowId(row)} on ${row.posture}`
  const before = new Map(baseline.map((row) => [key(row), row]))
  const found: string[] = []
  for (const row of rows) {
    const old = before.get(key(row))
    before.delete(key(row))
    if (!old) found.push(`${key(row)}: not in the baseline`)
    else if (fingerprint(old) !== fingerprint(row)) {
      found.push(`${key(row)}: was ${fingerprint(old)}, is ${fingerprint(row)}`)
    }
  }
  return found
}

/** What must stay: kind, who, layer and code of the attack, and the verdict. */
function fingerprint(row: Row): string {
  return `${row.verdict} (${outcomeKey(row.attack)})`
}

function outcomeKey(outcome: Outcome): string {
  return outcome.kind === 'stopped' ? `stopped ${outcome.by} ${outcome.layer} ${outcome.code}` : outcome.kind
}
