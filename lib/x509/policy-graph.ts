/** Policies are compared by the content octets of their OIDs, here in hex. */
export const ANY_POLICY = '551d2000'

export class PolicyNode {
  readonly policy: string
  expected: string[]
  readonly parents = new Set<PolicyNode>()
  readonly children = new Set<PolicyNode>()

  constructor(policy: string, parents: readonly PolicyNode[] = []) {
    this.policy = policy
    this.expected = [policy]
    for (const parent of parents) {
      parent.children.add(this)
      this.parents.add(parent)
    }
  }
}

/** The valid_policy_graph of RFC 9618 section 5: one stratum of nodes for each certificate, without qualifiers. */
export class PolicyGraph {
  readonly #strata = [new Map([[ANY_POLICY, new PolicyNode(ANY_POLICY)]])]
  /** Nodes of the stratum above, by the policies they expect below. */
  #byExpected = new Map<string, PolicyNode[]>()

  get leaves(): Map<string, PolicyNode> {
    return this.#strata.at(-1) ?? new Map<string, PolicyNode>()
  }

  get parents(): Map<string, PolicyNode> {
    return this.#strata.at(-2) ?? new Map<string, PolicyNode>()
  }

  deepen(): void {
    this.#byExpected = new Map()
    for (const node of this.leaves.values()) {
      for (const expected of node.expected) {
        const nodes = this.#byExpected.get(expected)
        if (nodes) nodes.push(node)
        else this.#byExpected.set(expected, [node])
      }
    }
    this.#strata.push(new Map())
  }

  insert(node: PolicyNode): void {
    this.leaves.set(node.policy, node)
  }

  parentsExpecting(policy: string): PolicyNode[] {
    return this.#byExpected.get(policy) ?? []
  }

  deleteLeaf(policy: string): void {
    const leaf = this.leaves.get(policy)
    if (leaf === undefined) return
    for (const parent of leaf.parents) parent.children.delete(leaf)
    this.leaves.delete(policy)
  }

  /** Removes, from the bottom up, the nodes above the leaves that have no children; the root stays. */
  prune(): void {
    for (let depth = this.#strata.length - 2; depth > 0; depth--) {
      const stratum = this.#strata[depth]
      for (const node of stratum?.values() ?? []) {
        if (node.children.size > 0) continue
        for (const parent of node.parents) parent.children.delete(node)
        stratum?.delete(node.policy)
      }
    }
  }

  /** The policies whose only parent is anyPolicy, and anyPolicy itself where it is a leaf (section 5.4 of RFC 9618). */
  get authorityConstrained(): Set<string> {
    const valid = this.#strata
      .flatMap((stratum) => [...stratum.values()])
      .filter(
        ({ policy, parents }) => policy !== ANY_POLICY && parents.size === 1 && [...parents][0]?.policy === ANY_POLICY,
      )
    const any = this.leaves.has(ANY_POLICY) ? [ANY_POLICY] : []
    return new Set([...valid.map(({ policy }) => policy), ...any])
  }
}
