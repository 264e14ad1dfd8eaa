/** What etcd finds wrong with flags that do not go together (server/embed/config.go, Validate), in its order. */
import { isIP } from 'node:net'
import type { FlagSet } from '../../../lib/settings/flag-set.ts'
import { bare, hostOf, type EtcdSettings } from '../config.ts'
import { log } from '../log.ts'
import { isGateOn } from './feature-gates.ts'

const LONGEST_ELECTION_MS = 50_000

const BOOTSTRAP_CONFLICT =
  'multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery", "discovery-endpoints" or "discovery-srv"'

/** The words behind `failed to verify flags`, or undefined. */
export function verificationProblem(flags: FlagSet, settings: EtcdSettings): string | undefined {
  const { listenClientUrls, listenPeerUrls, listenClientHttpUrls, listenMetricsUrls } = settings
  const unbound = [listenPeerUrls, listenClientUrls, listenClientHttpUrls].flat().find(isName)
  if (unbound) return `expected IP in URL for binding (${bare(unbound)})`
  if (listenClientHttpUrls.length === 0)
    log('warn', 'Running http and grpc server on single port. This is not recommended for production.')
  const unmeasured = listenMetricsUrls.find(isName)
  if (unmeasured) return `expected IP in URL for binding (${bare(unmeasured)})`
  return discoveryProblem(flags) ?? timerProblem(flags) ?? compactionProblem(flags) ?? gateProblem(flags)
}

function isName(url: URL): boolean {
  return isIP(hostOf(url)) === 0 && url.hostname !== 'localhost'
}

function discoveryProblem(flags: FlagSet): string | undefined {
  const ways = ['initial-cluster', 'discovery', 'discovery-srv', 'discovery-endpoints']
  // --initial-cluster has a default that gives way to the others.
  if (ways.filter((name) => flags.isSet(name) && flags.string(name) !== '').length > 1) return BOOTSTRAP_CONFLICT
  const hasEndpoints = flags.string('discovery-endpoints') !== ''
  if ((flags.string('discovery-token') !== '') !== hasEndpoints)
    return 'both --discovery-token and --discovery-endpoints must be set'
  const other = ways.slice(1).find((name) => flags.string(name) !== '')
  return other && `[discovery] --${other}: the simulation finds its members by flags alone (use --initial-cluster)`
}

function timerProblem(flags: FlagSet): string | undefined {
  const [heartbeatMs, electionMs] = [flags.number('heartbeat-interval'), flags.number('election-timeout')]
  if (heartbeatMs === 0) return `--heartbeat-interval must be >0 (set to ${heartbeatMs}ms)`
  if (electionMs === 0) return `--election-timeout must be >0 (set to ${electionMs}ms)`
  if (5 * heartbeatMs > electionMs) {
    return `--election-timeout[${electionMs}ms] should be at least as 5 times as --heartbeat-interval[${heartbeatMs}ms]`
  }
  if (electionMs > LONGEST_ELECTION_MS)
    return `--election-timeout[${electionMs}ms] is too long, and should be set less than ${LONGEST_ELECTION_MS}ms`
  return undefined
}

function compactionProblem(flags: FlagSet): string | undefined {
  const mode = flags.string('auto-compaction-mode')
  if (mode === '') return 'undefined auto-compaction-mode'
  return mode === 'periodic' || mode === 'revision' ? undefined : `unknown auto-compaction-mode ${JSON.stringify(mode)}`
}

function gateProblem(flags: FlagSet): string | undefined {
  const persists = isGateOn(flags, 'LeaseCheckpointPersist')
  const checkpoints = isGateOn(flags, 'LeaseCheckpoint')
  if (checkpoints && !persists) {
    const advice = 'Consider enabling feature gate LeaseCheckpointPersist'
    log('warn', `Detected that checkpointing is enabled without persistence. ${advice}`)
  }
  return persists && !checkpoints
    ? 'enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint'
    : undefined
}
