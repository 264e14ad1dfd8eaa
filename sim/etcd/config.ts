/** Flags to settings, with etcd's checks in etcd's order and words (server/etcdmain/config.go, server/embed/config.go). */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import { CIPHER_SUITES, type TlsPolicy, type TlsVersion } from '../../lib/tls/policy.ts'
import { compactionRuleOf, type CompactionRule } from './compaction/rules.ts'
import { initialClusterOf, initialClusterProblem } from './initial-cluster.ts'
import { isGateOn, parseFeatureGates } from './settings/feature-gates.ts'
import { logProblem } from './settings/log-options.ts'
import { verificationProblem } from './settings/verify.ts'

/** A configuration that etcd refuses: exit 1, `failed to verify flags` or `discovery failed`. */
export class ConfigError extends Error {
  readonly stage: 'failed to verify flags' | 'discovery failed'

  constructor(stage: ConfigError['stage'], message: string) {
    super(message)
    this.stage = stage
  }
}

/** A flag's value that Go's flag package refuses: exit 2. */
export class ValueError extends Error {}

export interface TlsFiles {
  certFile: string
  keyFile: string
  trustedCaFile: string
  clientCertAuth: boolean
  crlFile: string
  /** What the gateway shows to its own member in place of the serving certificate. */
  gatewayCertFile: string
  gatewayKeyFile: string
  allowedHostname: string
  allowedCns: readonly string[]
  /** Of a peer port: `--peer-skip-client-san-verification`. */
  skipsSourceCheck?: boolean
  /** Made by the member itself where there is none: then nobody's certificate is asked for. */
  isAuto: boolean
}

export interface EtcdSettings {
  name: string
  dataDir: string
  listenClientUrls: readonly URL[]
  advertiseClientUrls: readonly string[]
  listenPeerUrls: readonly URL[]
  initialAdvertisePeerUrls: readonly string[]
  listenMetricsUrls: readonly URL[]
  /** Where HTTP is served apart; the client URLs speak gRPC alone then. */
  listenClientHttpUrls: readonly URL[]
  clusterToken: string
  /** Peer URLs by name. */
  initialCluster: ReadonlyMap<string, readonly string[]>
  clusterState: 'new' | 'existing'
  preVote: boolean
  snapshotCount: number
  catchUpEntries: number
  client: TlsFiles
  peer: TlsFiles
  policy: TlsPolicy
  fsync: boolean
  maxTxnOps: number
  maxRequestBytes: number
  quotaBytes: number
  progressIntervalMs: number
  gateway: boolean
  pprof: boolean
  cors: readonly string[]
  hostWhitelist: readonly string[]
  maxConcurrentStreams: number
  maxLearners: number
  strictReconfigCheck: boolean
  heartbeatMs: number
  electionMs: number
  tokenTtlMs: number
  bcryptCost: number
  /** --auth-token */
  tokens: string
  checkpointsLeases: boolean
  selfCertYears: number
  /** --metrics=extensive */
  measuresCalls: boolean
  /** Undefined: only clients compact. */
  autoCompaction: CompactionRule | undefined
}

/** By its name, and by the older one. */
const SAN_FLAGS = ['peer-skip-client-san-verification', 'experimental-peer-skip-client-san-verification']

const DEFAULT_QUOTA_BYTES = 2 * 1024 * 1024 * 1024
const DEFAULT_PROGRESS_MS = 10 * 60_000

export function settingsOf(flags: FlagSet): EtcdSettings {
  const name = flags.string('name')
  const state = flags.string('initial-cluster-state')
  if (state !== 'new' && state !== 'existing') {
    throw new ValueError(`invalid value ${JSON.stringify(state)} for flag -initial-cluster-state: invalid value`)
  }
  try {
    parseFeatureGates(flags.string('feature-gates'))
  } catch (error) {
    const text = JSON.stringify(flags.string('feature-gates'))
    throw new ValueError(`invalid value ${text} for flag -feature-gates: ${(error as Error).message}`, { cause: error })
  }
  if (flags.positional.length > 0) {
    throw new ConfigError('failed to verify flags', `${JSON.stringify(flags.positional[0])} is not a valid flag`)
  }
  const logging = logProblem(flags)
  if (logging !== undefined) throw new ConfigError('failed to verify flags', logging)
  const settings: EtcdSettings = {
    name,
    dataDir: flags.string('data-dir') || `${name}.etcd`,
    listenClientUrls: listenUrls(flags, 'listen-client-urls', 'http://localhost:2379'),
    advertiseClientUrls: flags.string('advertise-client-urls').split(',').filter(Boolean),
    listenPeerUrls: listenUrls(flags, 'listen-peer-urls', 'http://localhost:2380'),
    initialAdvertisePeerUrls: flags.string('initial-advertise-peer-urls').split(',').filter(Boolean),
    listenMetricsUrls: listenUrls(flags, 'listen-metrics-urls', ''),
    listenClientHttpUrls: listenUrls(flags, 'listen-client-http-urls', ''),
    clusterToken: flags.string('initial-cluster-token'),
    initialCluster: initialClusterOf(flags),
    clusterState: state,
    preVote: flags.bool('pre-vote'),
    snapshotCount: flags.number('snapshot-count'),
    catchUpEntries: flags.number('snapshot-catchup-entries'),
    client: {
      ...files(flags, ''),
      clientCertAuth: flags.bool('client-cert-auth'),
      crlFile: flags.string('client-crl-file'),
      gatewayCertFile: flags.string('client-cert-file'),
      gatewayKeyFile: flags.string('client-key-file'),
      allowedHostname: flags.string('client-cert-allowed-hostname'),
      allowedCns: [],
      isAuto: flags.bool('auto-tls'),
    },
    peer: {
      ...files(flags, 'peer-'),
      clientCertAuth: flags.bool('peer-client-cert-auth'),
      crlFile: flags.string('peer-crl-file'),
      gatewayCertFile: '',
      gatewayKeyFile: '',
      allowedHostname: flags.string('peer-cert-allowed-hostname'),
      allowedCns: flags.string('peer-cert-allowed-cn').split(',').filter(Boolean),
      skipsSourceCheck: SAN_FLAGS.some((name) => flags.bool(name)),
      isAuto: flags.bool('peer-auto-tls'),
    },
    policy: policyOf(flags),
    fsync: !flags.bool('unsafe-no-fsync'),
    maxTxnOps: flags.number('max-txn-ops') || 128,
    gateway: flags.bool('enable-grpc-gateway'),
    pprof: flags.bool('enable-pprof'),
    cors: flags.string('cors').split(',').filter(Boolean),
    hostWhitelist: flags.string('host-whitelist').split(',').filter(Boolean),
    maxConcurrentStreams: Number(flags.string('max-concurrent-streams')),
    maxLearners: flags.number('max-learners'),
    strictReconfigCheck: flags.bool('strict-reconfig-check'),
    heartbeatMs: flags.number('heartbeat-interval'),
    electionMs: flags.number('election-timeout'),
    tokenTtlMs: flags.number('auth-token-ttl') * 1000,
    bcryptCost: flags.number('bcrypt-cost'),
    tokens: flags.string('auth-token'),
    checkpointsLeases: isGateOn(flags, 'LeaseCheckpoint'),
    selfCertYears: flags.number('self-signed-cert-validity'),
    measuresCalls: flags.string('metrics') === 'extensive',
    maxRequestBytes: flags.number('max-request-bytes') || 1_572_864,
    quotaBytes: flags.number('quota-backend-bytes') > 0 ? flags.number('quota-backend-bytes') : DEFAULT_QUOTA_BYTES,
    progressIntervalMs: progressIntervalMs(flags),
    autoCompaction: undefined,
  }
  const problem = verificationProblem(flags, settings)
  if (problem !== undefined) throw new ConfigError('failed to verify flags', problem)
  checkTls(settings)
  settings.autoCompaction = autoCompactionOf(flags)
  const clusterProblem = initialClusterProblem(flags, existsSync(join(settings.dataDir, 'member')))
  if (clusterProblem !== undefined) throw new ConfigError('discovery failed', clusterProblem)
  return settings
}

function autoCompactionOf(flags: FlagSet): CompactionRule | undefined {
  const mode = flags.string('auto-compaction-mode') as CompactionRule['mode']
  try {
    return compactionRuleOf(mode, flags.string('auto-compaction-retention'), Date.now())
  } catch (error) {
    throw new ConfigError('discovery failed', (error as Error).message)
  }
}

/** The older name wins where both are given, as etcd reads them. */
function progressIntervalMs(flags: FlagSet): number {
  const name = ['experimental-watch-progress-notify-interval', 'watch-progress-notify-interval'].find((each) =>
    flags.isSet(each),
  )
  return (name && flags.durationMs(name)) || DEFAULT_PROGRESS_MS
}

function files(flags: FlagSet, prefix: string): { certFile: string; keyFile: string; trustedCaFile: string } {
  return {
    certFile: flags.string(`${prefix}cert-file`),
    keyFile: flags.string(`${prefix}key-file`),
    trustedCaFile: flags.string(`${prefix}trusted-ca-file`),
  }
}

function checkTls({ listenClientUrls, listenClientHttpUrls, listenPeerUrls, client, peer }: EtcdSettings): void {
  for (const url of listenPeerUrls) {
    if (url.protocol === 'https:' && !peer.certFile && !peer.keyFile && !peer.isAuto) {
      throw new ConfigError(
        'discovery failed',
        `cannot listen on TLS for ${url.host}: KeyFile and CertFile are not presented`,
      )
    }
  }
  for (const url of [...listenClientUrls, ...listenClientHttpUrls]) {
    if (url.protocol === 'https:' && !client.certFile && !client.keyFile && !client.isAuto) {
      const text = `TLS key/cert (--cert-file, --key-file) must be provided for client url ${bare(url)} with HTTPS scheme`
      throw new ConfigError('discovery failed', text)
    }
  }
  if (peer.allowedCns.length > 0 && peer.allowedHostname) {
    const text = `AllowedCNs and AllowedHostnames are mutually exclusive (cns=${goList(peer.allowedCns)}, hostnames=${goList([peer.allowedHostname])})`
    throw new ConfigError('discovery failed', text)
  }
}

function goList(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(' ')}]`
}

const TLS_VERSIONS: Readonly<Record<string, TlsVersion>> = { 'TLS1.2': 'TLSv1.2', 'TLS1.3': 'TLSv1.3' }

/** Go still knows them; OpenSSL has none of them to offer. */
const FORGOTTEN_SUITES: ReadonlySet<string> = new Set([
  'TLS_RSA_WITH_RC4_128_SHA',
  'TLS_RSA_WITH_3DES_EDE_CBC_SHA',
  'TLS_ECDHE_RSA_WITH_RC4_128_SHA',
  'TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA',
  'TLS_ECDHE_ECDSA_WITH_RC4_128_SHA',
])

function policyOf(flags: FlagSet): TlsPolicy {
  const version = (name: string, fallback: TlsVersion): TlsVersion => {
    const text = flags.string(name)
    if (text === '') return fallback
    const found = TLS_VERSIONS[text]
    if (!found) {
      throw new ConfigError(
        'failed to verify flags',
        `unexpected TLS version ${JSON.stringify(text)} (must be one of: TLS1.2, TLS1.3)`,
      )
    }
    return found
  }
  const minVersion = version('tls-min-version', 'TLSv1.2')
  const maxVersion = version('tls-max-version', 'TLSv1.3')
  if (minVersion > maxVersion) {
    const text = `min version (${flags.string('tls-min-version')}) is greater than max version (${flags.string('tls-max-version')})`
    throw new ConfigError('failed to verify flags', text)
  }
  const suites = flags.string('cipher-suites').split(',').filter(Boolean)
  if (suites.length > 0 && minVersion === 'TLSv1.3') {
    throw new ConfigError('failed to verify flags', 'cipher suites cannot be configured when only TLS1.3 is enabled')
  }
  const unknown = suites.find((suite) => !CIPHER_SUITES.has(suite) && !FORGOTTEN_SUITES.has(suite))
  if (unknown) throw new ConfigError('discovery failed', `unexpected TLS cipher suite ${JSON.stringify(unknown)}`)
  const known = suites.filter((suite) => CIPHER_SUITES.has(suite))
  return { minVersion, maxVersion, ...(suites.length > 0 ? { cipherSuites: known } : {}) }
}

/** types.NewURLs: a scheme, host:port, no path. */
function listenUrls(flags: FlagSet, name: string, fallback: string): URL[] {
  const text = flags.isSet(name) ? flags.string(name) : fallback
  return (text || fallback)
    .split(',')
    .filter(Boolean)
    .map((each) => {
      const refuse = (why: string): ValueError =>
        new ValueError(`invalid value ${JSON.stringify(text)} for flag -${name}: ${why}`)
      if (!/^[a-z]+:\/\//.test(each))
        throw refuse(`parse ${JSON.stringify(each)}: first path segment in URL cannot contain colon`)
      if (!/^(https?|unixs?):/.test(each)) throw refuse(`URL scheme must be http, https, unix, or unixs: ${each}`)
      const [, authority = '', path = ''] = /^[a-z]+:\/\/([^/]*)(.*)$/.exec(each) ?? []
      if (!/:\d+$/.test(authority)) throw refuse(`URL address does not have the form "host:port": ${each}`)
      if (path !== '') throw refuse(`URL must not contain a path: ${each}`)
      return new URL(each)
    })
}

export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

export function portOf(url: URL): number {
  return Number(url.port || (url.protocol === 'https:' ? 443 : 80))
}

export function bare(url: URL): string {
  return `${url.protocol}//${url.host}`
}
