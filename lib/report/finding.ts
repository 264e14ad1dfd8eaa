/** What the machine-readable reports say of a row, decided once for all of them. */
import { isGood, rowId, type Row } from '../scenario/row.ts'
import type { Expectation } from '../scenario/outcome.ts'
import { outcomeText } from './outcome-text.ts'

export interface ReportContext {
  /** Of this package. */
  version: string
  scenarios: readonly { id: string; title: string; story: string }[]
  /** Where each posture was read from, by name. */
  postures: ReadonlyMap<string, string>
}

export type Finding =
  /** As it should be. */
  | 'pass'
  /** The attack got through, or was stopped otherwise than promised, or its twin did not differ. */
  | 'fail'
  /** Nothing was proved. */
  | 'error'
  | 'skip'

export function findingOf(row: Row): Finding {
  if (row.verdict === 'skipped' || row.verdict === 'not-applicable') return 'skip'
  if (row.verdict === 'unclear') return 'error'
  return isGood(row) ? 'pass' : 'fail'
}

/** `impersonate/anon-apiserver:a on kubeadm` */
export function nameOf(row: Row): string {
  return `${rowId(row)} on ${row.posture}`
}

/** One sentence: verdict, what happened, the twin, and what was promised where that differs. */
export function sentence(row: Row): string {
  if (row.expected && 'notApplicable' in row.expected) return `not applicable: ${row.expected.notApplicable}`
  const twin = row.twin.change === '' ? '' : `; ${row.twin.change}: ${outcomeText(row.twin)}`
  const promised = row.asExpected === false ? `; expected ${expectedText(row.expected)}` : ''
  return `${row.verdict}: ${outcomeText(row.attack)}${twin}${promised}`
}

function expectedText(expected: Expectation | undefined): string {
  if (!expected || 'notApplicable' in expected) return 'nothing'
  return expected.kind === 'through' ? 'through' : `stopped by ${expected.by}, ${expected.layer} (${expected.code})`
}

/** For text and attribute values of XML and HTML; what XML 1.0 cannot hold is left out. */
export function escapeMarkup(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]/gu, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
