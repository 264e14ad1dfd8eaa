/** Flags to settings, with etcd's checks in etcd's order and words (server/etcdmain/config.go, server/embed/config.go). */
import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import { CIPHER_SUITES, type TlsPolicy, type TlsVersion } from '../../lib/tls/policy.ts'
import { initialClusterProblem } from './initial-cluster.ts'

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
}

export interface EtcdSettings {
  name: string
  dataDir: string
  listenClientUrls: readonly URL[]
  advertiseClientUrls: readonly string[]
  listenPeerUrls: readonly URL[]
  initialAdvertisePeerUrls: readonly string[]
  listenMetricsUrls: readonly URL[]
  clusterToken: string
  client: TlsFiles
  peer: TlsFiles
  policy: TlsPolicy
  fsync: boolean
  maxTxnOps: number
  maxRequestBytes: number
  quotaBytes: number
  progressIntervalMs: number
  gateway: boolean
  cors: readonly string[]
  hostWhitelist: readonly string[]
  maxConcurrentStreams: number
  maxLearners: number
  strictReconfigCheck: boolean
  heartbeatMs: number
  electionMs: number
  tokenTtlMs: number
  bcryptCost: number
}

const DEFAULT_QUOTA_BYTES = 2 * 1024 * 1024 * 1024
const DEFAULT_PROGRESS_MS = 10 * 60_000

export function settingsOf(flags: FlagSet): EtcdSettings {
  const name = flags.string('name')
  if (flags.positional.length > 0) {
    throw new ConfigError('failed to verify flags', `${JSON.stringify(flags.positional[0])} is not a valid flag`)
  }
  const settings: EtcdSettings = {
    name,
    dataDir: flags.string('data-dir') || `${name}.etcd`,
    listenClientUrls: listenUrls(flags, 'listen-client-urls', 'http://localhost:2379'),
    advertiseClientUrls: flags.string('advertise-client-urls').split(',').filter(Boolean),
    listenPeerUrls: listenUrls(flags, 'listen-peer-urls', 'http://localhost:2380'),
    initialAdvertisePeerUrls: flags.string('initial-advertise-peer-urls').split(',').filter(Boolean),
    listenMetricsUrls: listenUrls(flags, 'listen-metrics-urls', ''),
    clusterToken: flags.string('initial-cluster-token'),
    client: {
      ...files(flags, ''),
      clientCertAuth: flags.bool('client-cert-auth'),
      crlFile: flags.string('client-crl-file'),
      gatewayCertFile: flags.string('client-cert-file'),
      gatewayKeyFile: flags.string('client-key-file'),
      allowedHostname: flags.string('client-cert-allowed-hostname'),
      allowedCns: [],
    },
    peer: {
      ...files(flags, 'peer-'),
      clientCertAuth: flags.bool('peer-client-cert-auth'),
      crlFile: flags.string('peer-crl-file'),
      gatewayCertFile: '',
      gatewayKeyFile: '',
      allowedHostname: flags.string('peer-cert-allowed-hostname'),
      allowedCns: flags.string('peer-cert-allowed-cn').split(',').filter(Boolean),
    },
    policy: policyOf(flags),
    fsync: !flags.bool('unsafe-no-fsync'),
    maxTxnOps: flags.number('max-txn-ops') || 128,
    gateway: flags.bool('enable-grpc-gateway'),
    cors: flags.string('cors').split(',').filter(Boolean),
    hostWhitelist: flags.string('host-whitelist').split(',').filter(Boolean),
    maxConcurrentStreams: Number(flags.string('max-concurrent-streams')),
    maxLearners: flags.number('max-learners'),
    strictReconfigCheck: flags.bool('strict-reconfig-check'),
    heartbeatMs: flags.number('heartbeat-interval'),
    electionMs: flags.number('election-timeout'),
    tokenTtlMs: flags.number('auth-token-ttl') * 1000,
    bcryptCost: flags.number('bcrypt-cost'),
    maxRequestBytes: flags.number('max-request-bytes') || 1_572_864,
    quotaBytes: flags.number('quota-backend-bytes') > 0 ? flags.number('quota-backend-bytes') : DEFAULT_QUOTA_BYTES,
    progressIntervalMs: flags.isSet('watch-progress-notify-interval')
      ? flags.durationMs('watch-progress-notify-interval')
      : DEFAULT_PROGRESS_MS,
  }
  for (const url of [...settings.listenClientUrls, ...settings.listenPeerUrls]) {
    if (isIP(hostOf(url)) === 0 && url.hostname !== 'localhost') {
      throw new ConfigError('failed to verify flags', `expected IP in URL for binding (${bare(url)})`)
    }
  }
  const state = flags.string('initial-cluster-state')
  if (state !== 'new' && state !== 'existing') {
    throw new ValueError(`invalid value ${JSON.stringify(state)} for flag -initial-cluster-state: invalid value`)
  }
  checkTls(settings)
  const problem = initialClusterProblem(flags, existsSync(join(settings.dataDir, 'member')))
  if (problem !== undefined) throw new ConfigError('discovery failed', problem)
  return settings
}

function files(flags: FlagSet, prefix: string): { certFile: string; keyFile: string; trustedCaFile: string } {
  return {
    certFile: flags.string(`${prefix}cert-file`),
    keyFile: flags.string(`${prefix}key-file`),
    trustedCaFile: flags.string(`${prefix}trusted-ca-file`),
  }
}

function checkTls({ listenClientUrls, listenPeerUrls, client, peer }: EtcdSettings): void {
  for (const url of listenPeerUrls) {
    if (url.protocol === 'https:' && !peer.certFile && !peer.keyFile) {
      throw new ConfigError(
        'discovery failed',
        `cannot listen on TLS for ${url.host}: KeyFile and CertFile are not presented`,
      )
    }
  }
  for (const url of listenClientUrls) {
    if (url.protocol === 'https:' && !client.certFile && !client.keyFile) {
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
