/** TAP 14 (https://testanything.org/tap-version-14-specification.html): a point per row. */
import type { Row } from '../scenario/row.ts'
import { findingOf, nameOf, sentence } from './finding.ts'

export function tap(rows: readonly Row[]): string {
  const points = rows.map((row, index) => {
    const finding = findingOf(row)
    const isOk = finding === 'pass' || finding === 'skip'
    // A bare # would begin a directive.
    const text = `${isOk ? 'ok' : 'not ok'} ${index + 1} - ${escape(`${nameOf(row)}: ${row.title}`)}`
    if (finding === 'skip') return `${text} # SKIP ${escape(sentence(row))}\n`
    return `${text}\n  ---\n  verdict: ${row.verdict}\n  message: ${JSON.stringify(sentence(row))}\n  ...\n`
  })
  return `TAP version 14\n1..${rows.length}\n${points.join('')}`
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('#', '\\#').replaceAll('\n', ' ')
}
