/** `--report FORMAT=FILE`: which formats there are, and writing them. */
import { writeFileSync } from 'node:fs'
import { nearest } from '../settings/near.ts'
import type { Row } from '../scenario/row.ts'
import type { ReportContext } from './finding.ts'
import { htmlReport } from './html.ts'
import { junit } from './junit.ts'
import { markdown } from './markdown.ts'
import { sarif } from './sarif.ts'
import { tap } from './tap.ts'

const FORMATS = { junit, sarif, tap, markdown, html: htmlReport } as const

export type ReportFormat = keyof typeof FORMATS

export const REPORT_FORMATS = Object.keys(FORMATS) as ReportFormat[]

export interface Report {
  format: ReportFormat
  file: string
}

/** @throws Error `[report_format]` */
export function parseReport(word: string): Report {
  const [, name = '', file = ''] = /^([^=]*)=(.+)$/.exec(word) ?? []
  const format = REPORT_FORMATS.find((each) => each === name)
  if (format) return { format, file }
  const near = nearest(name, REPORT_FORMATS)
  const hint = near === undefined ? `formats are ${REPORT_FORMATS.join(', ')}` : `did you mean ${near}?`
  throw new Error(`[report_format] --report ${word}: must be FORMAT=FILE (${hint})`)
}

/** @throws Error `[report_unwritable]` */
export function writeReport({ format, file }: Report, rows: readonly Row[], context: ReportContext): void {
  try {
    writeFileSync(file, FORMATS[format](rows, context))
  } catch (error) {
    throw new Error(`[report_unwritable] --report ${format}=${file}: ${(error as Error).message}`, { cause: error })
  }
}
