/** --tls-*: what the serving side may negotiate, with the real refusals. */
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import { http2SuiteProblem, insecureSuiteWarnings, policyFromFlags } from '../../lib/tls/go-settings.ts'
import type { TlsPolicy } from '../../lib/tls/policy.ts'
import { StartRefusal } from './options.ts'

export interface ServingPolicy {
  policy: TlsPolicy
  /** Log lines: `Use of insecure cipher '…' detected.` */
  warnings: string[]
}

export function servingPolicy(flags: FlagSet): ServingPolicy {
  const suites = flags.list('tls-cipher-suites')
  try {
    const policy = policyFromFlags(flags.string('tls-min-version'), suites, flags.list('tls-curve-preferences'))
    return { policy, warnings: insecureSuiteWarnings(suites) }
  } catch (error) {
    throw new StartRefusal((error as Error).message)
  }
}

/** Said last of all, when the server begins to serve. */
export function assertHttp2Suites(policy: TlsPolicy): void {
  const problem = http2SuiteProblem(policy)
  if (problem !== undefined) throw new StartRefusal(`error configuring http2: ${problem}`)
}
