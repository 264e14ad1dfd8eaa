/**
 * How the range drives the wire: JSON, one message a line, over the descriptor that MTLS_RANGE_CONTROL_FD names. The
 * range asks, the wire answers each question once; when the channel closes, the wire ends.
 */
import type { DivertTarget, WireHost } from './carrier.ts'
import type { Fault } from './fault.ts'
import type { LedgerEntry, LedgerQuery, View } from './ledger.ts'
import type { LinkFilter } from './link.ts'
import type { TapFacts, TapOptions } from './tap.ts'

export const CONTROL_FD = 'MTLS_RANGE_CONTROL_FD'

/** What the wire can be asked, and what it answers. */
export interface Commands {
  hosts: { ask: { hosts: readonly WireHost[] }; answer: null }
  open: { ask: { host: string; port: number }; answer: null }
  close: { ask: { host: string; port: number }; answer: null }
  allow: { ask: { rules: readonly LinkFilter[] | null }; answer: null }
  tap: { ask: { filter: LinkFilter; file: string; options: TapOptions }; answer: number }
  untap: { ask: { handle: number }; answer: TapFacts }
  divert: { ask: { filter: LinkFilter; target: DivertTarget }; answer: null }
  undivert: { ask: { filter: LinkFilter }; answer: null }
  fault: { ask: { filter: LinkFilter; faults: readonly Fault[] }; answer: null }
  mend: { ask: { filter: LinkFilter }; answer: null }
  cut: { ask: { filter: LinkFilter }; answer: number }
  lastId: { ask: object; answer: number }
  ledger: { ask: { query: LedgerQuery; settleWithinMs?: number }; answer: LedgerEntry[] }
  find: { ask: { views: readonly View[] }; answer: Array<LedgerEntry | null> }
}

export type CommandName = keyof Commands

export type Question = { [Name in CommandName]: { id: number; name: Name; ask: Commands[Name]['ask'] } }[CommandName]

export type Answer = { id: number; answer: unknown } | { id: number; error: { code: string; message: string } }

/** Cuts what arrives into lines. */
export function lines(onLine: (line: string) => void): (chunk: string) => void {
  let rest = ''
  return (chunk) => {
    const whole = (rest + chunk).split('\n')
    rest = whole.pop() ?? ''
    for (const line of whole) if (line !== '') onLine(line)
  }
}

// Both ends are one build of this package: no foreign message comes over the channel, so types are taken on trust.

export function parseQuestion(line: string): Question {
  return JSON.parse(line)
}

export function parseAnswer(line: string): Answer {
  return JSON.parse(line)
}
