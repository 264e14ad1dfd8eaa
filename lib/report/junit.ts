/** JUnit XML as CI systems read it (the Jenkins xunit schema): a suite per posture, a case per attack. */
import type { Row } from '../scenario/row.ts'
import { escapeMarkup as xml, findingOf, nameOf, sentence, type Finding } from './finding.ts'

export function junit(rows: readonly Row[]): string {
  const suites = [...new Set(rows.map(({ posture }) => posture))].map((posture) => {
    const own = rows.filter((row) => row.posture === posture)
    return `  <testsuite name="${xml(posture)}" ${totals(own)}>\n${own.map(testCase).join('')}  </testsuite>\n`
  })
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="mtls-range" ${totals(rows)}>\n${suites.join('')}</testsuites>\n`
}

function totals(rows: readonly Row[]): string {
  const count = (wanted: Finding): number => rows.filter((row) => findingOf(row) === wanted).length
  const seconds = rows.reduce((sum, row) => sum + row.milliseconds, 0) / 1000
  const counts = `tests="${rows.length}" failures="${count('fail')}" errors="${count('error')}" skipped="${count('skip')}"`
  return `${counts} time="${seconds.toFixed(3)}"`
}

const ELEMENTS = { fail: 'failure', error: 'error', skip: 'skipped' } as const

function testCase(row: Row): string {
  const finding = findingOf(row)
  const seconds = (row.milliseconds / 1000).toFixed(3)
  const head = `    <testcase classname="${xml(`${row.posture}.${row.scenario.replace('/', '.')}`)}" name="${xml(`${nameOf(row)}: ${row.title}`)}" time="${seconds}"`
  const text = xml(sentence(row))
  if (finding === 'pass') return `${head}><system-out>${text}</system-out></testcase>\n`
  const type = finding === 'skip' ? '' : ` type="${xml(row.verdict)}"`
  return `${head}><${ELEMENTS[finding]}${type} message="${text}"/></testcase>\n`
}
