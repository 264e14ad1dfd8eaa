/** What an attacker is after, and how a range proves that it got it. */
import type { Operator } from '../cluster/operator.ts'
import type { Staged } from './scenario.ts'

export type Goal =
  /**
   * Read a canary. It lies in a Secret that a Pod on `node` mounts at /etc/canary/value and has in its environment as
   * CANARY: whoever can read the Secret, run a command in the Pod or listen on the right wire holds it. Without `node`
   * no Pod uses the Secret.
   */
  | { read: 'secret'; node?: string }
  /** Read a canary that only an honest person types or prints in the course of `meanwhile`. */
  | { read: 'stream'; node: string }
  /** Read a canary that stands in a Pod's annotation: whoever watches Pods is sent it. */
  | { read: 'pod'; node: string }
  /** Read a canary that an honest person's tool says or shows in the course of `meanwhile`; `what` names it. */
  | { read: 'word'; what: string; node?: string }
  /**
   * Find out a fact about the cluster that nobody told; `known` is the text that says it, as an administrator is told, or
   * undefined where not even he is.
   */
  | { read: 'fact'; what: string; known: (operator: Operator) => Promise<string | undefined> }
  /** Destroy the Secret, or the Pod on that node: gone, as an administrator sees it. */
  | { erase: 'secret' }
  | { erase: 'pod'; node: string }
  /** Leave a mark in the cluster; `placed` looks for it with an administrator's eyes. */
  | { write: string; node?: string; placed: (operator: Operator, staged: Staged, mark: string) => Promise<boolean> }
  /** Carry off what nobody but the defender can have made, and for this attacker alone; `shown` looks for it. */
  | { show: string; shown: (operator: Operator, loot: readonly Buffer[], mark: string) => Promise<boolean> }
  /**
   * Keep honest people from being served. `asked` asks in their place while what the attacker set up still stands, and says
   * whose answer came; nobody's is the proof.
   */
  | { deny: string; node?: string; asked: (operator: Operator, staged: Staged) => Promise<Service | undefined> }

/** An honest person was served in spite of it all: whoever served him says so. */
export interface Service {
  by: string
  text: string
}
