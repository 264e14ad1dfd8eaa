/** Markdown (GitHub's tables), for a pull request's comment or a job's summary. */
import { isGood, rowId, type Row } from '../scenario/row.ts'
import { outcomeText } from './outcome-text.ts'
import { sentence } from './finding.ts'
import { palette } from './colour.ts'
import { summary } from './table.ts'

export function markdown(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const isNothing = row.verdict === 'not-applicable'
    const outcome = isNothing ? sentence(row) : outcomeText(row.attack)
    const twin = isNothing ? '' : `${row.twin.change}: ${outcomeText(row.twin)}`
    return `| ${[`\`${rowId(row)}\``, row.posture, outcome, twin, isGood(row) ? row.verdict : `**${row.verdict}**`].map(cell).join(' | ')} |`
  })
  const head = '| attack | posture | outcome | twin | verdict |\n| --- | --- | --- | --- | --- |'
  const closing = summary(rows, palette({}, {}))
    .split('\n')
    .map((line) => (line.startsWith('  ') ? `- ${cell(line.trim())}` : cell(line)))
  return `# mtls-range\n\n${head}\n${lines.join('\n')}\n\n${closing.join('\n')}\n`
}

function cell(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ')
}
