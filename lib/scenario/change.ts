/** Changes in words and in effect: what a twin's one difference does to the posture, the foothold or the target. */
import type { Foothold } from '../attacker/foothold.ts'
import type { Control } from '../posture/control.ts'
import type { Posture } from '../posture/posture.ts'
import type { Change, Variant } from './scenario.ts'

export class UnknownControl extends Error {}

/** What one attempt runs with: the same act, with everything that a Change may have changed resolved. */
export interface Arrangement {
  posture: Posture
  /** Equal keys may share a cluster: the posture's name and the changes made to it, in order. */
  clusterKey: string
  foothold: Foothold
  target: string | undefined
}

export function arrange(base: Posture, variant: Variant, controls: readonly Control[], change?: Change): Arrangement {
  const arrangement: Arrangement = {
    posture: base,
    clusterKey: base.name,
    foothold: variant.foothold,
    target: variant.target,
  }
  for (const id of variant.premise ?? []) alter(arrangement, controls, 'weaken', id)
  if (change === undefined) return arrangement
  if ('weaken' in change) for (const id of [change.weaken].flat()) alter(arrangement, controls, 'weaken', id)
  if ('restore' in change) for (const id of [change.restore].flat()) alter(arrangement, controls, 'restore', id)
  if ('foothold' in change) arrangement.foothold = change.foothold
  if ('target' in change) arrangement.target = change.target
  return arrangement
}

function alter(arrangement: Arrangement, controls: readonly Control[], how: 'weaken' | 'restore', id: string): void {
  const control = controls.find((each) => each.id === id)
  if (!control) throw new UnknownControl(`[control_unknown] no control is called ${JSON.stringify(id)}`)
  const before = arrangement.posture
  const dropped = ` -${id}`
  // What a premise dropped and a twin restores is the posture that was: no other cluster for it.
  if (how === 'restore' && arrangement.clusterKey.endsWith(dropped)) {
    arrangement.clusterKey = arrangement.clusterKey.slice(0, -dropped.length)
  } else arrangement.clusterKey += ` ${how === 'weaken' ? '-' : '+'}${id}`
  arrangement.posture = changed(before, arrangement.clusterKey, () => control[how](before))
}

/** `without etcd-client-cert-auth`, `as admin`, `at worker-1`. */
export function changeText(change: Change): string {
  if ('weaken' in change) return `without ${[change.weaken].flat().join(' and ')}`
  if ('restore' in change) return `with ${[change.restore].flat().join(' and ')}`
  if ('foothold' in change) return `as ${change.foothold.name}`
  return `at ${change.target}`
}

const known = new Map<string, WeakRef<Posture>>()

/** Many acts share a change: what a key stands for is made once, from the same posture of before. */
function changed(before: Posture, key: string, make: () => Posture): Posture {
  const name = `${before.folder} ${key}`
  const found = known.get(name)?.deref()
  if (found) return found
  const made = make()
  known.set(name, new WeakRef(made))
  return made
}
