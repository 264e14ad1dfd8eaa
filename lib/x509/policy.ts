import type { Certificate } from './certificate.ts'
import { ANY_POLICY, PolicyGraph, PolicyNode } from './policy-graph.ts'

/** How many more certificates may pass before a rule bites. */
interface Counters {
  explicitPolicy: number
  policyMapping: number
  inhibitAnyPolicy: number
}

/**
 * Whether a chain, leaf first, is good under some policy, where one is demanded: RFC 5280 section 6.1 as updated by RFC 9618,
 * with any policy acceptable to the user; Go's policiesValid. The trust anchor says nothing here.
 */
export function policiesAreValid(chain: readonly Certificate[]): boolean {
  const length = chain.length - 1
  if (length === 0) return true
  let graph: PolicyGraph | undefined = new PolicyGraph()
  const counters = { explicitPolicy: length + 1, policyMapping: length + 1, inhibitAnyPolicy: length + 1 }
  for (let i = length - 1; i >= 0; i--) {
    const certificate = chain[i]
    if (certificate === undefined) continue
    const isSelfIssued = certificate.rawIssuer.equals(certificate.rawSubject)
    if (certificate.policies.length === 0) graph = undefined
    if (counters.explicitPolicy === 0 && graph === undefined) return false
    if (graph) {
      graph.deepen()
      addPolicies(graph, certificate, counters.inhibitAnyPolicy > 0 || (i > 0 && isSelfIssued))
      if (i > 0 && !mapPolicies(graph, certificate, counters.policyMapping > 0)) return false
    }
    if (i > 0) count(counters, certificate, isSelfIssued)
  }
  const left = Math.max(0, counters.explicitPolicy - 1)
  const demanded = left === 0 || chain[0]?.requireExplicitPolicy === 0
  return !demanded || (graph !== undefined && graph.authorityConstrained.size > 0)
}

/** Section 6.1.3 (d). */
function addPolicies(graph: PolicyGraph, certificate: Certificate, anyPolicyCounts: boolean): void {
  for (const policy of certificate.policies) {
    if (policy === ANY_POLICY) continue
    const expecting = graph.parentsExpecting(policy)
    const any = graph.parents.get(ANY_POLICY)
    const parents = expecting.length === 0 && any ? [any] : expecting
    if (parents.length > 0) graph.insert(new PolicyNode(policy, parents))
  }
  if (anyPolicyCounts && certificate.policies.includes(ANY_POLICY)) {
    const missing = new Map<string, PolicyNode[]>()
    for (const parent of graph.parents.values()) {
      for (const expected of parent.expected) {
        if (!graph.leaves.has(expected)) missing.set(expected, [...(missing.get(expected) ?? []), parent])
      }
    }
    for (const [policy, parents] of missing) graph.insert(new PolicyNode(policy, parents))
  }
  graph.prune()
}

/** Section 6.1.4 (a) and (b); false where anyPolicy is mapped. */
function mapPolicies(graph: PolicyGraph, certificate: Certificate, mappingAllowed: boolean): boolean {
  const mappings = new Map<string, string[]>()
  for (const [issuer, subject] of certificate.policyMappings) {
    if (!mappingAllowed) graph.deleteLeaf(issuer)
    else if (issuer === ANY_POLICY || subject === ANY_POLICY) return false
    else mappings.set(issuer, [...(mappings.get(issuer) ?? []), subject])
  }
  if (certificate.policyMappings.length > 0) graph.prune()
  for (const [issuer, subjects] of mappings) {
    const any = graph.leaves.get(ANY_POLICY)
    const leaf = graph.leaves.get(issuer) ?? (any && new PolicyNode(issuer, [any]))
    if (leaf === undefined) continue
    leaf.expected = subjects
    graph.insert(leaf)
  }
  return true
}

/** Section 6.1.4 (h) to (j). */
function count(counters: Counters, certificate: Certificate, isSelfIssued: boolean): void {
  const step = isSelfIssued ? 0 : 1
  const next = (counter: number, limit: number | undefined): number => {
    const counted = Math.max(0, counter - step)
    return limit !== undefined && limit >= 0 && limit < counted ? limit : counted
  }
  counters.explicitPolicy = next(counters.explicitPolicy, certificate.requireExplicitPolicy)
  counters.policyMapping = next(counters.policyMapping, certificate.inhibitPolicyMapping)
  counters.inhibitAnyPolicy = next(counters.inhibitAnyPolicy, certificate.inhibitAnyPolicy)
}
