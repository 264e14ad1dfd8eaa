import { buildChains, type ChainSearch, validityProblem } from './build-chains.ts'
import { ANY_EXTENDED_KEY_USAGE, type Certificate, CLIENT_AUTH, SERVER_AUTH } from './certificate.ts'
import { hostnameProblem } from './hostname.ts'
import { alertFor } from './alert.ts'
import { nameConstraintsProblem } from './name-constraints.ts'
import { policiesAreValid } from './policy.ts'
import { CertPool } from './pool.ts'
import { hostnameMismatch, invalid, type VerifyFailure } from './verify-failure.ts'

export type { VerifyCode, VerifyFailure } from './verify-failure.ts'

export interface VerifyOptions {
  roots: CertPool
  time: Date
  /** Zone that error texts print the time in, as minutes east of Greenwich; a component prints its host's. */
  zoneMinutes?: number
  usage: 'clientAuth' | 'serverAuth' | 'any'
  /** Name or IP that the leaf must carry; empty or absent asks for none. */
  host?: string
}

export type Verdict =
  /** Every chain that holds, leaf first, with its anchor at the end. */
  | { ok: true; chains: Certificate[][] }
  /** `alert` is what Go's crypto/tls sends: as a server, or as a client where `usage` is serverAuth. */
  | (VerifyFailure & { ok: false; alert: number })

/**
 * Verifies a sent chain, leaf first, as Go 1.26's Certificate.Verify does with the rest of it as intermediates. Pure: neither
 * revocation nor the clock is looked at. Throws for an empty chain.
 */
export function verify(chain: readonly Certificate[], options: VerifyOptions): Verdict {
  const [leaf, ...others] = chain
  if (leaf === undefined)
    throw new Error('[x509_no_leaf] chain: needs a leaf, is empty (answer an absent certificate before)')
  const result = verifyLeaf(leaf, others, options)
  if (Array.isArray(result)) return { ok: true, chains: result }
  return { ok: false, ...result, alert: alertFor(result, options.usage === 'serverAuth' ? 'client' : 'server') }
}

function verifyLeaf(leaf: Certificate, others: Certificate[], options: VerifyOptions): Certificate[][] | VerifyFailure {
  const intermediates = new CertPool()
  for (const certificate of others) intermediates.add(certificate)
  const { roots, time, zoneMinutes = 0, host = '' } = options
  const search: ChainSearch = { roots, intermediates, time, zoneMinutes, signatureChecks: 0 }
  const unfit = validityProblem(leaf, 'leaf', [], search)
  if (unfit) return unfit
  const wrongHost = host === '' ? undefined : hostnameProblem(leaf, host)
  if (wrongHost !== undefined) return hostnameMismatch(wrongHost)
  const candidates = roots.has(leaf) ? [[leaf]] : buildChains([leaf], search)
  return Array.isArray(candidates) ? refine(candidates, options.usage) : candidates
}

/** Drops the chains that policies, extended key usages or name constraints forbid; fails where none is left. */
function refine(candidates: Certificate[][], usage: VerifyOptions['usage']): Certificate[][] | VerifyFailure {
  let invalidPolicies = 0
  let incompatibleUsages = 0
  let nameProblem: string | undefined
  const chains = candidates.filter((chain) => {
    if (!policiesAreValid(chain)) {
      invalidPolicies++
      return false
    }
    if (!allowsUsage(chain, usage)) {
      incompatibleUsages++
      return false
    }
    const problem = nameConstraintsProblem(chain)
    nameProblem ??= problem
    return problem === undefined
  })
  if (chains.length > 0) return chains
  if (nameProblem !== undefined) return invalid('CANotAuthorizedForThisName', nameProblem)
  if (invalidPolicies === 0) return invalid('IncompatibleUsage')
  const details = [`${invalidPolicies} candidate chains with invalid policies`]
  if (incompatibleUsages > 0) details.unshift(`${incompatibleUsages} candidate chains with incompatible key usage`)
  return invalid('NoValidChains', details.join(', '))
}

/** Extended key usages nest: every certificate that lists any, the anchor too, has to list this one or anyExtendedKeyUsage. */
function allowsUsage(chain: readonly Certificate[], usage: VerifyOptions['usage']): boolean {
  if (usage === 'any') return true
  const wanted = usage === 'clientAuth' ? CLIENT_AUTH : SERVER_AUTH
  return chain.every(
    ({ extKeyUsage }) =>
      extKeyUsage.length === 0 || extKeyUsage.includes(ANY_EXTENDED_KEY_USAGE) || extKeyUsage.includes(wanted),
  )
}
