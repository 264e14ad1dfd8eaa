import type { Twin, Variant } from './scenario.ts'

/** The posture's own twin, or the one for all; for a posture that the variant does not name the first that is there. */
export function twinFor(variant: Variant, posture: string): Twin {
  const { twin } = variant
  if ('through' in twin || 'stopped' in twin) return twin as Twin
  const byPosture = twin as Readonly<Record<string, Twin>>
  return byPosture[posture] ?? Object.assign({}, ...Object.values(byPosture).toReversed())
}
