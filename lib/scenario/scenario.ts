/**
 * The record that a scenario file exports. Its path below scenarios/ is its id (`overreach/node-foreign-secret`); it is
 * discovered, never registered. Every attack is one act, tried from a foothold against each posture, and tried once more
 * with exactly one fact changed so that it must go the other way.
 */
import type { Foothold } from '../attacker/foothold.ts'
import type { Loot, World } from '../attacker/world.ts'
import type { Expectation } from './outcome.ts'
import type { Goal } from './goal.ts'
import type { Operator } from '../cluster/operator.ts'

export type { Foothold } from '../attacker/foothold.ts'
export type { Expectation } from './outcome.ts'
export type { Goal } from './goal.ts'

/** One fact that differs between the attack and its twin. */
export type Change =
  /** Drop one control, or a pair of which each alone only shifts the layer (ATTACKS.md section 14). */
  | { weaken: string | readonly [string, string] }
  | { restore: string | readonly [string, string] }
  | { foothold: Foothold }
  /** The same act, aimed elsewhere; `attempt` reads it from `world.target`. */
  | { target: string }

/** Change by the outcome that the attack had: the twin of a stop must get through, and the other way round. */
export interface Twin {
  through?: Change
  stopped?: Change
}

/** `open`, `kubeadm`, `hardened`: the shipped postures. */
export type PostureName = string

export interface Variant {
  id: string
  /** One line in words: what this variant does that its siblings do not. */
  title: string
  foothold: Foothold
  goal: Goal
  /** Control ids that are dropped before the attack as well: the misconfiguration the attack is about. */
  premise?: readonly string[]
  /** What `attempt` aims at, where siblings differ in it. */
  target?: string
  expect: Readonly<Record<PostureName, Expectation>>
  /** A twin for every posture, or one by posture where the deciding control differs. */
  twin: Twin | Readonly<Record<PostureName, Twin>>
  /** Members of etcd that the act needs, where one does not do: on fewer it is skipped. */
  etcdMembers?: number
  /**
   * Set where what a successful act does to a cluster cannot be undone: the next act gets another. Components whose last
   * words match ended by the act's doing; any other death is a fault.
   */
  ruins?: { lastWords?: RegExp }
  /** Controls whose drop changes nothing here, as ATTACKS.md section 14 says; asserted by test. */
  unmoved?: readonly string[]
}

export interface Scenario {
  title: string
  story: string
  refs: readonly string[]
  /** CIS Kubernetes Benchmark 1.12 ids of the controls that matter. */
  cis?: readonly string[]
  /** MITRE ATT&CK technique ids. */
  attack?: readonly string[]
  /** Ids of the variants that a newcomer is shown first (`attack --tour`). */
  tour?: readonly string[]
  variants: readonly Variant[]
  /** What honest people had done before the attacker came: the act rests on it, so a failure is the range's own. */
  prepare?: (operator: Operator, goal: Staged) => Promise<void>
  /** What honest people and components do while the attacker acts, such as an administrator's exec. */
  meanwhile?: (operator: Operator, goal: Staged) => Promise<void>
  /** The act. Runs in the attacker's own process; returns whatever it got hold of, refused or not. */
  attempt: (world: World, variant: string) => Promise<Loot>
}

/** Where a goal was put for one run: names only, the canary itself stays with the range and the cluster. */
export interface Staged {
  variant: string
  /** What this run aims at, where siblings or a twin differ in it. */
  target?: string
  namespace: string
  secret: string
  pod: string
  node: string
  /** The canary, for honest people who type it; never sent to the attacker. */
  canary: string
}

/** Checks the record's shape as TypeScript sees it and gives it back. */
export function scenario(record: Scenario): Scenario {
  return record
}
