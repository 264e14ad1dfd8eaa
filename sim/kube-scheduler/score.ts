/** Of several nodes the one that suits best: few PreferNoSchedule taints, then few Pods, then by name so that runs repeat. */
import type { KubeObject } from '../../lib/kube/object.ts'
import { tolerates } from './filter.ts'
import { nodeFacts, specOf } from './pod-spec.ts'

export function choose(
  pod: KubeObject,
  nodes: readonly KubeObject[],
  placed: ReadonlyMap<string, readonly KubeObject[]>,
): KubeObject | undefined {
  const { tolerations = [] } = specOf(pod)
  const cost = (node: KubeObject): readonly [number, number, string] => {
    const name = node.metadata.name ?? ''
    const disliked = nodeFacts(node).taints.filter(
      (taint) => taint.effect === 'PreferNoSchedule' && !tolerations.some((each) => tolerates(each, taint)),
    )
    return [disliked.length, placed.get(name)?.length ?? 0, name]
  }
  const ranked = nodes.map((node) => ({ node, cost: cost(node) }))
  ranked.sort(
    ({ cost: [taintsA, podsA, nameA] }, { cost: [taintsB, podsB, nameB] }) =>
      taintsA - taintsB || podsA - podsB || (nameA < nameB ? -1 : 1),
  )
  return ranked[0]?.node
}
