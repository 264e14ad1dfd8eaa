/** What passes between the range and an attacker's process: JSON messages over the child's IPC channel. */
import type { Fault } from '../wire/fault.ts'
import type { Loot, NetworkFacts, Observation } from './world.ts'

/** The order that starts an act. */
export interface AttemptOrder {
  kind: 'attempt'
  /** File URL of the compiled scenario. */
  scenario: string
  variant: string
  network: NetworkFacts
  goal: { namespace: string; secret: string; pod: string; node: string }
  mark: string
  target?: string
  /** The folder that is a machine's root, and whom to become on it; root of it is whom its files belong to already. */
  machine?: { uid?: number; root: string }
}

/** What the attacker asks of the range while it acts. */
export type AttackerCall =
  | { kind: 'call'; id: number; call: 'meanwhile' }
  /** Stop the tap and lay the capture into the foothold. */
  | { kind: 'call'; id: number; call: 'capture' }
  /** Let that go wrong on the foothold's link, for those who dial from now on. */
  | { kind: 'call'; id: number; call: 'disturb'; faults: readonly Fault[] }
  /** Send the foothold's link to this address instead. */
  | { kind: 'call'; id: number; call: 'divert'; address: string; port: number }

export interface AttackerResult {
  kind: 'result'
  /** Base64. */
  loot: string[]
  /** Set where the act itself threw: a fault of the scenario, never a defence. */
  fault?: string
}

/** Told as it happens: an act that never ends has been seen as far as it came. */
export interface Observed {
  kind: 'observed'
  observation: Observation
}

export type FromAttacker = AttackerCall | AttackerResult | Observed | { kind: 'ready' }
export type ToAttacker = AttemptOrder | { kind: 'answer'; id: number; error?: string }

export function encodeLoot(loot: Loot): string[] {
  return loot.map((piece) => Buffer.from(piece as Uint8Array).toString('base64'))
}
