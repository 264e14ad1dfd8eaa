/** etcd's command line: reads flags, starts a member, says when it serves. */
import { usableCost } from './auth/bcrypt.ts'
import type { TokenProvider } from './auth/token-provider.ts'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { followLifeline } from '../../lib/cluster/lifeline.ts'
import { placeFromEnvironment, type Place } from '../../lib/cluster/place.ts'
import { witnessAs } from '../../lib/cluster/witness.ts'
import { WAL_FOLDER, WalError } from '../../lib/etcd/wal-read.ts'
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import { parseGoFlags } from '../../lib/settings/go-flag.ts'
import { optimizeLate } from '../../lib/settings/optimize-late.ts'
import { FlagError } from '../../lib/settings/pflag.ts'
import { ConfigError, hostOf, settingsOf, ValueError, type EtcdSettings } from './config.ts'
import { Panic } from './backend/panic.ts'
import { bootstrapOf } from './cluster/bootstrap.ts'
import { closeAloud } from './farewell.ts'
import { FLAGS } from './flags.ts'
import { Gateway } from './gateway/gateway.ts'
import { ownConnection } from './gateway/own-connection.ts'
import { methods } from './grpc/methods.ts'
import { GrpcServer } from './grpc/server.ts'
import { clientEndpoints, metricsEndpoints, peerEndpoints } from './http/endpoints.ts'
import { listenOn } from './listeners.ts'
import { fatal, log } from './log.ts'
import { Member, type MemberCluster } from './member.ts'
import { ConfigFileError, flagsOfFile } from './settings/config-file.ts'
import { withSelfCertificates } from './settings/self-certificates.ts'
import { tokenProviderOf } from './settings/token-options.ts'
import { readTlsFile } from './tls-files.ts'
import { ETCD_VERSION } from './version.ts'

optimizeLate()
witnessAs('etcd')
followLifeline()

const argv = process.argv.slice(2)
if (argv.includes('--version') || argv.includes('-version')) {
  process.stdout.write(`etcd Version: ${ETCD_VERSION}\n`)
  process.exit(0)
}
if (argv.some((word) => ['-h', '-help', '--help'].includes(word))) {
  process.stdout.write(
    `Usage:\n\n  etcd [flags]\n    Start an etcd server.\n\n${FLAGS.map(({ name }) => `  --${name}\n`).join('')}`,
  )
  process.exit(0)
}
void readSettings(argv).then(start)

async function readSettings(argv: readonly string[]): Promise<EtcdSettings> {
  try {
    const { flags, fromEnvironment, shadowed } = parseGoFlags(FLAGS, argv, {
      component: 'etcd',
      env: process.env,
      envPrefix: 'ETCD_',
    })
    const configFile = flags.string('config-file')
    if (configFile !== '') {
      const text =
        'loaded server configuration, other configuration command line flags and environment variables will be ignored if provided'
      const fromFile = await flagsOfFile(configFile, FLAGS)
      const settings = settingsOf(fromFile)
      log('info', text, { path: configFile })
      tellInert(fromFile)
      return settings
    }
    for (const name of fromEnvironment) {
      const variable = `ETCD_${name.toUpperCase().replaceAll('-', '_')}`
      log('info', 'recognized and used environment variable', {
        'variable-name': variable,
        'variable-value': flags.string(name),
      })
    }
    if (shadowed[0]) {
      const variable = `ETCD_${shadowed[0].toUpperCase().replaceAll('-', '_')}`
      fatal(
        'conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag))',
        {
          'environment-variable': variable,
        },
      )
    }
    const settings = settingsOf(flags)
    tellInert(flags)
    return settings
  } catch (error) {
    if (error instanceof FlagError || error instanceof ValueError) {
      process.stderr.write(`${error.message}\n`)
      if (error instanceof FlagError && error.hint) process.stderr.write(`${error.hint}\n`)
      process.exit(2)
    }
    if (error instanceof Panic) panic(error)
    if (!(error instanceof ConfigError) && !(error instanceof ConfigFileError)) throw error
    if (error instanceof ConfigError && error.stage === 'discovery failed')
      fatal('discovery failed', { error: error.message })
    log('warn', 'failed to verify flags', { error: error.message })
    process.exit(1)
  }
}

function tellInert(flags: FlagSet): void {
  for (const flag of flags.inertInUse)
    log('info', 'flag has no effect in the simulation', { flag: `--${flag.name}`, reason: flag.reason })
}

async function start(given: EtcdSettings): Promise<void> {
  const place = placeFromEnvironment()
  const settings = withSelfCertificates(given)
  const tokens = tokenProviderOf(settings.tokens, settings.tokenTtlMs)
  const member = openMember(settings, tokens, await memberCluster(settings, place))
  const services = methods(member, settings)
  const grpc = new GrpcServer(member, services, settings)
  const { client, peer, policy, cors, maxConcurrentStreams } = settings
  warnOfIgnoredTls(settings)
  const open = async (
    what: 'discovery failed' | 'listener failed',
    ...ports: Parameters<typeof listenOn>[0][]
  ): Promise<void> => {
    try {
      for (const port of ports) await listenOn(port)
    } catch (error) {
      const { code, message, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number }
      if (code === 'EADDRINUSE')
        fatal('discovery failed', { error: `listen tcp ${address}:${port}: bind: address already in use` })
      fatal(what, { error: message })
    }
  }
  await open(
    'discovery failed',
    ...settings.listenPeerUrls.map((url) => ({
      url,
      place,
      kind: 'peer' as const,
      tls: peer,
      policy,
      cors: [],
      maxConcurrentStreams,
      http: peerEndpoints(member),
    })),
    ...settings.listenMetricsUrls.map((url) => ({
      url,
      place,
      kind: 'metrics' as const,
      tls: client,
      policy,
      cors: [],
      maxConcurrentStreams,
      http: metricsEndpoints(member),
    })),
  )
  const { hostWhitelist, pprof } = settings
  const access = { cors, hostWhitelist, pprof, gateway: settings.gateway }
  const certificatesName = client.clientCertAuth
  const gateway = settings.gateway ? new Gateway(services, gatewaySettings(settings)) : undefined
  const http = clientEndpoints(member, { ...access, certificatesName }, gateway)
  const common = { place, kind: 'client', tls: client, policy, cors, maxConcurrentStreams } as const
  await member.publish()
  await open(
    'listener failed',
    ...settings.listenClientUrls.map((url) => ({
      ...common,
      url,
      grpc,
      // Where HTTP has a port of its own, this one speaks gRPC alone.
      ...(settings.listenClientHttpUrls.length === 0 ? { http } : {}),
    })),
    ...settings.listenClientHttpUrls.map((url) => ({ ...common, url, http })),
  )
  const refusal = gateway?.ownRefusal()
  if (refusal) {
    const { ipAddresses, dnsNames } = refusal.leaf ?? {}
    log('warn', 'rejected connection on client endpoint', {
      // The real one's gateway has a port of its own.
      'remote-addr': `${hostOf(settings.listenClientUrls[0]!)}:0`,
      'server-name': '',
      ...(refusal.leaf ? { 'ip-addresses': ipAddresses, 'dns-names': dnsNames } : {}),
      error: refusal.text,
    })
  }
  log('info', 'ready to serve client requests')
  const compaction = settings.autoCompaction && member.compactBy(settings.autoCompaction)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      log('info', 'received signal; shutting down', { signal: signal === 'SIGINT' ? 'interrupt' : 'terminated' })
      // As etcd's pkg/osutil does: by the very signal, except as process 1, which the kernel does not end that way.
      compaction?.close()
      void closeAloud(settings, { handOver: () => member.handOver(), close: () => member.close() }).then(() =>
        process.pid === 1 ? process.exit(0) : process.kill(process.pid, signal),
      )
    })
  }
}

function gatewaySettings({ client, maxRequestBytes, listenClientUrls }: EtcdSettings) {
  // Trusted since the start, as by the port itself; files that cannot be read have stopped the start by then.
  let caPem: string | undefined
  const isSecure = listenClientUrls.some(({ protocol }) => protocol === 'https:')
  const own = () => {
    if (!isSecure) return {}
    caPem ??= client.trustedCaFile ? readTlsFile(client.trustedCaFile) : undefined
    return ownConnection(client, caPem)
  }
  return { maxRequestBytes, own }
}

async function memberCluster(settings: EtcdSettings, place: Place): Promise<MemberCluster> {
  const { peer, policy, preVote, catchUpEntries } = settings
  try {
    const caPem = peer.trustedCaFile ? readTlsFile(peer.trustedCaFile) : undefined
    const tls = { ...peer, policy, insecureSkipVerify: peer.isAuto, ...(caPem === undefined ? {} : { caPem }) }
    const dialing = { place, tls }
    const hasLog = existsSync(join(settings.dataDir, WAL_FOLDER))
    const bootstrap = await bootstrapOf({ ...settings, dialing }, hasLog)
    // A member among real ones of an older version says that it is one of theirs.
    const version = process.env['MTLS_RANGE_ETCD_VERSION'] ?? ETCD_VERSION
    const onRemoved = (): void => {
      const error = 'the member has been permanently removed from the cluster'
      log('warn', 'server error', { error })
      log('warn', 'data-dir used by this member must be removed')
      process.exit(0)
    }
    return { bootstrap, dialing, version, preVote, catchUpEntries, onRemoved }
  } catch (error) {
    log('error', 'bootstrap failed', { error: (error as Error).message })
    fatal('discovery failed', { error: (error as Error).message })
  }
}

function openMember(settings: EtcdSettings, tokens: TokenProvider, cluster: MemberCluster): Member {
  try {
    return new Member({
      name: settings.name,
      dataDir: settings.dataDir,
      peerUrls: settings.initialAdvertisePeerUrls,
      clientUrls: settings.advertiseClientUrls,
      clusterToken: settings.clusterToken,
      fsync: settings.fsync,
      maxRequestBytes: settings.maxRequestBytes,
      quotaBytes: settings.quotaBytes,
      maxLearners: settings.maxLearners,
      strictReconfigCheck: settings.strictReconfigCheck,
      tokens,
      bcryptCost: usableCost(settings.bcryptCost, (message, fields) => log('warn', message, fields)),
      checkpointsLeases: settings.checkpointsLeases,
      certificatesName: settings.client.clientCertAuth,
      heartbeatMs: settings.heartbeatMs,
      electionMs: settings.electionMs,
      snapshotCount: settings.snapshotCount,
      cluster,
      onFailure: (error) => fatal('failed to write WAL', { error: error.message }),
    })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (error instanceof Panic) panic(error)
    if (error instanceof WalError) fatal('failed to read WAL, cannot be repaired', { error: message })
    if (code === undefined) fatal('discovery failed', { error: message })
    const why = code === 'ENOTDIR' ? 'not a directory' : code === 'EACCES' ? 'permission denied' : message
    fatal('failed to list data directory', { dir: settings.dataDir, error: `open ${settings.dataDir}: ${why}` })
  }
}

/** As a Go program ends that has lost its footing. */
function panic({ message, fields }: Panic): never {
  if (fields) log('panic', message, fields)
  process.stderr.write(`panic: ${message}\n\ngoroutine 1 [running]:\n`)
  process.exit(2)
}

/** http URLs take no notice of TLS flags, and say so. */
function warnOfIgnoredTls({ listenClientUrls, listenPeerUrls, client, peer }: EtcdSettings): void {
  for (const url of listenPeerUrls) {
    if (url.protocol !== 'http:') continue
    const fields = { 'peer-url': `http://${url.host}` }
    if (peer.keyFile || peer.certFile) {
      log('warn', 'scheme is HTTP while key and cert files are present; ignoring key and cert files', fields)
    }
    if (peer.clientCertAuth) {
      const text = 'scheme is HTTP while --peer-client-cert-auth is enabled; ignoring client cert auth for this URL'
      log('warn', text, fields)
    }
  }
  for (const url of listenClientUrls) {
    if (url.protocol !== 'http:') continue
    const fields = { 'client-url': `http://${url.host}` }
    if (client.keyFile || client.certFile) {
      log('warn', 'scheme is http or unix while key and cert files are present; ignoring key and cert files', fields)
    }
    if (client.clientCertAuth) {
      log(
        'warn',
        'scheme is http or unix while --client-cert-auth is enabled; ignoring client cert auth for this URL',
        fields,
      )
    }
  }
}
