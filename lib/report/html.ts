/** One HTML file that needs nothing else: the table, and under each row its evidence. No script, nothing from elsewhere. */
import { isGood, rowId, type Row } from '../scenario/row.ts'
import type { Outcome } from '../scenario/outcome.ts'
import { palette } from './colour.ts'
import { escapeMarkup as html, sentence, type ReportContext } from './finding.ts'
import { outcomeText } from './outcome-text.ts'
import { summary } from './table.ts'

const STYLE = `body{font:14px/1.5 system-ui,sans-serif;margin:2rem;max-width:80rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ddd}
.held{color:#137333}.broken{color:#a50e0e}.unclear,.vacuous{color:#9a6700}.skipped,.not-applicable{color:#666}
.odd{background:#fce8e6}pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:12px;margin:.3rem 0}
@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}th,td{border-color:#333}.odd{background:#3c1c1a}
.held{color:#81c995}.broken{color:#f28b82}.unclear,.vacuous{color:#fdd663}.skipped,.not-applicable{color:#999}}`

export function htmlReport(rows: readonly Row[], { version, scenarios }: ReportContext): string {
  const body = rows.map((row) => {
    const story = scenarios.find(({ id }) => id === row.scenario)?.title ?? ''
    const isNothing = row.verdict === 'not-applicable'
    const cells = [
      `<td><b>${html(rowId(row))}</b><br>${html(story)}: ${html(row.title)}</td>`,
      `<td>${html(row.posture)}</td>`,
      `<td>${html(isNothing ? sentence(row) : outcomeText(row.attack))}${evidence(row.attack)}</td>`,
      `<td>${isNothing ? '' : `${html(`${row.twin.change}: ${outcomeText(row.twin)}`)}${evidence(row.twin)}`}</td>`,
      `<td class="${row.verdict}">${row.verdict}</td>`,
    ]
    return `<tr${isGood(row) ? '' : ' class="odd"'}>${cells.join('')}</tr>\n`
  })
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>mtls-range</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head>
<body><h1>mtls-range ${html(version)}</h1>
<pre>${html(summary(rows, palette({}, {})))}</pre>
<table><thead><tr><th>attack</th><th>posture</th><th>outcome</th><th>twin</th><th>verdict</th></tr></thead>
<tbody>
${body.join('')}</tbody></table></body></html>
`
}

/** What stands behind an outcome, folded away. */
function evidence({ evidence }: Outcome): string {
  if (!evidence) return ''
  const lines = [...evidence.witness, ...evidence.observed, ...evidence.connections].map((each) => JSON.stringify(each))
  if (lines.length === 0) return ''
  return `<details><summary>evidence</summary><pre>${html(lines.join('\n'))}</pre></details>`
}
