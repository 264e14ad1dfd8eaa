/** The table that people read: what happened first, the verdict beside it. */
import { isGood, rowId, type Row } from '../scenario/row.ts'
import type { Expectation, Outcome } from '../scenario/outcome.ts'
import type { Palette } from './colour.ts'

interface Column {
  title: string
  cell: (row: Row) => string
}

const COLUMNS: readonly Column[] = [
  { title: 'ATTACK', cell: rowId },
  { title: 'POSTURE', cell: (row) => row.posture },
  { title: 'OUTCOME', cell: (row) => cell(row.attack, row.expected) },
  { title: 'TWIN', cell: (row) => (row.verdict === 'not-applicable' ? '' : `${row.twin.change}: ${short(row.twin)}`) },
  { title: 'VERDICT', cell: (row) => (isGood(row) ? row.verdict : `${row.verdict} !`) },
]

export function table(rows: readonly Row[], colour: Palette): string {
  const widths = COLUMNS.map(({ title, cell }) => Math.max(title.length, ...rows.map((row) => cell(row).length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((text, index) => (index === cells.length - 1 ? text : text.padEnd(widths[index] ?? 0)))
      .join('  ')
      .trimEnd()
  const head = colour.bold(line(COLUMNS.map(({ title }) => title)))
  const body = rows.map((row) => {
    const paint = isGood(row)
      ? row.verdict === 'broken'
        ? colour.warn
        : row.verdict === 'held'
          ? colour.good
          : colour.dim
      : colour.bad
    return paint(line(COLUMNS.map(({ cell }) => cell(row))))
  })
  return [head, ...body].join('\n')
}

function cell(outcome: Outcome, expected: Expectation | undefined): string {
  return expected && 'notApplicable' in expected ? `n/a: ${expected.notApplicable}` : short(outcome)
}

/** `403-rbac kube-apiserver Forbidden`, `THROUGH: …` */
function short(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'through':
      return `THROUGH: ${outcome.proof}`
    case 'stopped':
      return `${outcome.by}: ${outcome.layer} ${outcome.code === outcome.layer ? '' : outcome.code}`.trimEnd()
    case 'unclear':
      return `unclear: ${outcome.reason}`
    case 'skipped':
      return `skipped(${outcome.reason})`
  }
}

/** The closing lines: counts, and what each row that is not good did against what was expected. */
export function summary(rows: readonly Row[], colour: Palette): string {
  const count = (verdict: Row['verdict']): number => rows.filter((row) => row.verdict === verdict).length
  const bad = rows.filter((row) => !isGood(row))
  const counts = (['held', 'broken', 'vacuous', 'unclear', 'skipped', 'not-applicable'] as const)
    .map((verdict) => [verdict, count(verdict)] as const)
    .filter(([verdict, number]) => number > 0 || verdict === 'held')
    .map(([verdict, number]) => `${number} ${verdict}`)
    .join(', ')
  const lines = [`${rows.length} rows: ${counts}`]
  for (const row of bad) lines.push(colour.bad(`  ${rowId(row)} on ${row.posture}: ${complaint(row)}`))
  lines.push(bad.length === 0 ? colour.good('every row as expected') : colour.bad(`${bad.length} not as expected`))
  return lines.join('\n')
}

function complaint(row: Row): string {
  if (row.verdict === 'vacuous') return `vacuous: the twin (${row.twin.change}) did not differ: ${short(row.twin)}`
  if (row.verdict === 'unclear') {
    const unclear = row.attack.kind === 'unclear' ? row.attack : row.twin
    return `${short(unclear)}${row.attack.kind === 'unclear' ? '' : ` in the twin (${row.twin.change})`}`
  }
  return `expected ${expectedText(row.expected)}, got ${short(row.attack)}`
}

function expectedText(expected: Expectation | undefined): string {
  if (!expected) return 'no attack through'
  if ('notApplicable' in expected) return 'nothing'
  return expected.kind === 'through' ? 'through' : `${expected.by}: ${expected.layer} ${expected.code}`
}
