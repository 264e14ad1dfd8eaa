/** SARIF 2.1.0 (OASIS): a rule per scenario, a result per row, placed at the posture's posture.yaml. */
import { createHash } from 'node:crypto'
import { isAbsolute, join, relative, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isGood, type Row } from '../scenario/row.ts'
import { nameOf, sentence, type ReportContext } from './finding.ts'

export function sarif(rows: readonly Row[], { version, scenarios, postures }: ReportContext): string {
  const ids = [...new Set(rows.map(({ scenario }) => scenario))]
  const rules = ids.map((id) => {
    const scenario = scenarios.find((each) => each.id === id)
    return {
      id,
      name: id.split(/[/-]/).map(capitalised).join(''),
      shortDescription: { text: scenario?.title ?? id },
      fullDescription: { text: scenario?.story ?? id },
    }
  })
  const results = rows.map((row) => ({
    ruleId: row.scenario,
    ruleIndex: ids.indexOf(row.scenario),
    ...kindOf(row),
    message: { text: `${nameOf(row)}: ${sentence(row)}` },
    locations: [
      {
        physicalLocation: { artifactLocation: { uri: uriOf(postures.get(row.posture) ?? row.posture) } },
        logicalLocations: [{ name: row.posture, fullyQualifiedName: `${row.posture}/${row.scenario}:${row.variant}` }],
      },
    ],
    partialFingerprints: { 'mtlsRangeRow/v1': createHash('sha256').update(nameOf(row)).digest('hex') },
  }))
  const driver = { name: 'mtls-range', version, semanticVersion: version, rules }
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [{ tool: { driver }, results, columnKind: 'utf16CodeUnits' }],
  }
  return `${JSON.stringify(log, null, 2)}\n`
}

/** `level` is none unless `kind` is fail (3.27.10). A hole that is known and promised is a warning. */
function kindOf(row: Row): { kind: string; level: string } {
  switch (row.verdict) {
    case 'not-applicable':
    case 'skipped':
      return { kind: 'notApplicable', level: 'none' }
    case 'held':
      return isGood(row) ? { kind: 'pass', level: 'none' } : { kind: 'fail', level: 'error' }
    case 'broken':
      return { kind: 'fail', level: isGood(row) ? 'warning' : 'error' }
    case 'vacuous':
    case 'unclear':
      return { kind: 'open', level: 'none' }
  }
}

/** Relative to where the range runs, as code scanning wants it; a file URL for what lies elsewhere. */
function uriOf(folder: string): string {
  const file = join(folder, 'posture.yaml')
  const path = relative(process.cwd(), file)
  if (path.startsWith('..') || isAbsolute(path)) return pathToFileURL(file).href
  return path.split(sep).map(encodeURIComponent).join('/')
}

function capitalised(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1)
}
