/** `--feature-gates` (server/features/etcd_features.go, pkg/featuregate). */
import type { FlagSet } from '../../../lib/settings/flag-set.ts'

/** By default, and by the older flag that means the same. */
const GATES: Readonly<Record<string, { on: boolean; flag?: string }>> = {
  StopGRPCServiceOnDefrag: { on: false, flag: 'experimental-stop-grpc-service-on-defrag' },
  InitialCorruptCheck: { on: false, flag: 'experimental-initial-corrupt-check' },
  CompactHashCheck: { on: false, flag: 'experimental-compact-hash-check-enabled' },
  TxnModeWriteWithSharedBuffer: { on: true, flag: 'experimental-txn-mode-write-with-shared-buffer' },
  LeaseCheckpoint: { on: false, flag: 'experimental-enable-lease-checkpoint' },
  LeaseCheckpointPersist: { on: false, flag: 'experimental-enable-lease-checkpoint-persist' },
  SetMemberLocalAddr: { on: false },
}

/** Those of one maturity together. */
const GROUPS = new Set(['AllAlpha', 'AllBeta'])

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

/** @throws Error with etcd's text, such as `unrecognized feature gate: Nope`. */
export function parseFeatureGates(text: string): ReadonlyMap<string, boolean> {
  const gates = new Map<string, boolean>()
  for (const part of text.split(',').filter(Boolean)) {
    const at = part.indexOf('=')
    const name = (at === -1 ? part : part.slice(0, at)).trim()
    if (at === -1) throw new Error(`missing bool value for ${name}`)
    const value = part.slice(at + 1).trim()
    if (!TRUE.has(value) && !FALSE.has(value)) {
      const why = `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`
      throw new Error(`invalid value of ${name}=${value}, err: ${why}`)
    }
    if (!(name in GATES) && !GROUPS.has(name)) throw new Error(`unrecognized feature gate: ${name}`)
    gates.set(name, TRUE.has(value))
  }
  return gates
}

/** @throws Error as `parseFeatureGates` does. */
export function isGateOn(flags: FlagSet, name: string): boolean {
  const gate = GATES[name]
  const set = parseFeatureGates(flags.string('feature-gates')).get(name)
  if (set !== undefined) return set
  return gate?.flag !== undefined && flags.isSet(gate.flag) ? flags.bool(gate.flag) : (gate?.on ?? false)
}
