/** What happened, what may be promised, and what the two together mean. Three different types on purpose. */
import type { Layer } from '../tls/layer.ts'

export interface Through {
  kind: 'through'
  /** What the attacker holds that only a broken defence lets it hold. */
  proof: string
}

export interface Stopped {
  kind: 'stopped'
  /** The component, or `operating system`, that stopped it. */
  by: string
  layer: Layer
  /** `Unauthorized`, `Forbidden`, an alert's name, `ECONNREFUSED`, … */
  code: string
}

/** The act's end is not known: a hang, a crash, a reset without a witness. Never evidence of a defence. */
export interface Unclear {
  kind: 'unclear'
  reason: string
}

/** What this platform cannot do. Printed and counted, never silent. */
export interface Skipped {
  kind: 'skipped'
  reason: string
}

export interface NotApplicable {
  notApplicable: string
}

/** What one run of the act came to. */
export type Outcome = (Through | (Stopped & { text?: string }) | Unclear | Skipped) & { evidence?: Evidence }

/** What a scenario promises of a posture. Nobody can promise `unclear`. */
export type Expectation = { kind: 'through' } | Stopped | NotApplicable

export interface Evidence {
  /** Witness lines joined to the attempt by the very connection in the wire's ledger. */
  witness: object[]
  /** Connections of the attempt as the wire's ledger holds them. */
  connections: object[]
  /** What the attacker itself saw, in order. */
  observed: object[]
  /** SHA-256 of the run's canary, hex. */
  canarySha256: string
  capture?: string
}

export type Verdict = 'held' | 'broken' | 'vacuous' | 'unclear' | 'skipped' | 'not-applicable'

/** `held`: stopped, and the twin got through. `broken`: through, and the twin was stopped. */
export function verdictOf(attack: Outcome, twin: Outcome): Verdict {
  if (attack.kind === 'skipped' || twin.kind === 'skipped') return 'skipped'
  if (attack.kind === 'unclear' || twin.kind === 'unclear') return 'unclear'
  if (attack.kind === twin.kind) return 'vacuous'
  return attack.kind === 'stopped' ? 'held' : 'broken'
}

/** Equal in kind and, for a stop, in who, layer and code. */
export function asExpected(expected: Expectation, outcome: Outcome): boolean {
  if ('notApplicable' in expected) return false
  if (expected.kind === 'through') return outcome.kind === 'through'
  return (
    outcome.kind === 'stopped' &&
    outcome.by === expected.by &&
    outcome.layer === expected.layer &&
    outcome.code === expected.code
  )
}
