/**
 * What kube-scheduler and kube-controller-manager have in common: flags, kubeconfigs, the secure port, and a Lease that
 * decides which of several instances works (cmd/kube-scheduler/app/server.go, cmd/kube-controller-manager/app).
 */
import { randomUUID } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import type { KubeClient } from '../kube/client.ts'
import { DelegatedAuthentication } from '../kube/delegated-authentication.ts'
import { DelegatedAuthorization } from '../kube/delegated-authorization.ts'
import { Informer } from '../kube/informer.ts'
import { klog, klogS } from '../kube/klog.ts'
import { readKubeconfig, type Kubeconfig } from '../kube/kubeconfig.ts'
import { LeaderElector } from '../kube/leader-election.ts'
import type { FlagSet } from '../settings/flag-set.ts'
import { optimizeLate } from '../settings/optimize-late.ts'
import { FlagError, parsePflags } from '../settings/pflag.ts'
import type { FlagTable } from '../settings/table.ts'
import { insecureSuiteWarnings, policyFromFlags } from '../tls/go-settings.ts'
import type { KeyPair } from '../tls/listen.ts'
import { selfSigned } from '../x509/self-signed.ts'
import { apiClient } from './api-client.ts'
import { ComponentMetrics } from './component-metrics.ts'
import { followLifeline } from './lifeline.ts'
import { listenAddresses, placeFromEnvironment, type Place } from './place.ts'
import { serveInsecurePort, serveSecurePort, type PortHandlers } from './secure-port.ts'
import { witnessAs } from './witness.ts'

export interface ControllerProgram {
  /** `kube-scheduler` */
  name: string
  flags: FlagTable
  /** Leaves out the health paths that every instance has and that this component does not. */
  handlers: (facts: ControllerFacts) => PortHandlers
  /** Before leadership: informers that always run. */
  prepare?: (facts: ControllerFacts) => void
  /** Once this instance leads. */
  lead: (facts: ControllerFacts) => void
}

export interface ControllerFacts {
  flags: FlagSet
  version: string
  place: Place
  kubeconfig: Kubeconfig
  client: KubeClient
  /** A client with other credentials, in the same place. */
  clientFor: (kubeconfig: Kubeconfig, suffix?: string) => KubeClient
  metrics: ComponentMetrics
  isLeader: () => boolean
}

const DEFAULT_VERSION = 'v1.36.3'
const LOOKUP = 'fieldSelector=metadata.name%3Dextension-apiserver-authentication'

export async function runController(program: ControllerProgram): Promise<void> {
  optimizeLate()
  witnessAs(program.name)
  followLifeline()
  const version = (process.env['MTLS_RANGE_VERSION'] || DEFAULT_VERSION).replace(/^v?/, 'v')
  const flags = readFlags(program, version, process.argv.slice(2))
  try {
    await start(program, flags, version)
  } catch (error) {
    commandFailed((error as Error).message)
  }
}

function readFlags({ name, flags: table }: ControllerProgram, version: string, argv: readonly string[]): FlagSet {
  try {
    const flags = parsePflags(table, argv, { component: name, version })
    if (flags.isSet('help')) {
      const lines = table.filter(({ hidden }) => !hidden).map((flag) => `      --${flag.name} ${flag.type}`)
      process.stdout.write(`Usage:\n  ${name} [flags]\n\nFlags:\n${lines.join('\n')}\n`)
      process.exit(0)
    }
    if (flags.string('version') === 'true') {
      process.stdout.write(`Kubernetes ${version}\n`)
      process.exit(0)
    }
    for (const { name: flag, reason } of flags.inertInUse) {
      klogS('I', 'flags.go:64', 'flag has no effect in the simulation', { flag: `--${flag}`, reason: reason ?? '' })
    }
    return flags
  } catch (error) {
    if (!(error instanceof FlagError)) throw error
    process.stderr.write(`Error: ${error.message}\n${error.hint === undefined ? '' : `${error.hint}\n`}`)
    process.exit(1)
  }
}

/** component-base/cli/run.go */
function commandFailed(err: string): never {
  klogS('E', 'run.go:72', 'command failed', { err })
  process.exit(1)
}

async function start(program: ControllerProgram, flags: FlagSet, version: string): Promise<void> {
  const place = placeFromEnvironment()
  const metrics = new ComponentMetrics()
  const clientFor = (kubeconfig: Kubeconfig, suffix = ''): KubeClient =>
    apiClient({
      kubeconfig,
      place,
      userAgent: `${program.name}/${version} (linux/amd64) kubernetes${suffix}`,
      onExchange: (exchange) => metrics.countRequest(exchange),
    })
  const suites = flags.list('tls-cipher-suites')
  const policy = policyFromFlags(flags.string('tls-min-version'), suites)
  for (const warning of insecureSuiteWarnings(suites)) klog('W', 'secure_serving.go:69', warning)
  const keyPair = servingPair(program.name, flags, place)
  const kubeconfig = kubeconfigOf(flags.string('kubeconfig'))
  if (!kubeconfig) {
    throw new Error(
      'invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable',
    )
  }
  const client = clientFor(kubeconfig)
  const port = { keyPair, policy, ...delegation(flags, clientFor) }
  const elector = flags.bool('leader-elect') ? leaderElector(flags, client, () => program.lead(facts)) : undefined
  const facts: ControllerFacts = {
    flags,
    version,
    place,
    kubeconfig,
    client,
    clientFor,
    metrics,
    isLeader: () => elector?.isLeader ?? true,
  }
  metrics.watchLeader(program.name, facts.isLeader)
  const handlers = program.handlers(facts)
  const securePort = flags.number('secure-port')
  if (securePort !== 0) {
    const addresses = listenAddresses(place, flags.string('bind-address'))
    for (const { address, port: bound } of await serveSecurePort({ ...port, addresses, port: securePort, handlers })) {
      klog('I', 'secure_serving.go:214', `Serving securely on ${address}:${bound}`)
    }
  }
  if (hasInsecurePort(version) && flags.number('port') !== 0) {
    const addresses = listenAddresses(place, flags.string('address'))
    for (const { address, port: bound } of await serveInsecurePort(addresses, flags.number('port'), handlers)) {
      klog('I', 'deprecated_insecure_serving.go:53', `Serving insecurely on ${address}:${bound}`)
    }
  }
  endOnSignal(elector)
  program.prepare?.(facts)
  if (!elector) return program.lead(facts)
  // after a signal the process ends by itself, once the Lease is let go
  if (!(await elector.run())) return
  klogS(
    'E',
    program.name === 'kube-scheduler' ? 'server.go:322' : 'controllermanager.go:413',
    'leaderelection lost/stopped',
  )
  process.exit(1)
}

function hasInsecurePort(version: string): boolean {
  return Number(version.replace(/^v?1\./, '').split('.')[0]) < 23
}

function kubeconfigOf(file: string): Kubeconfig | undefined {
  if (file === '') return undefined
  assertReadable(file, 'stat')
  return readKubeconfig(file)
}

/** @throws Error with Go's words for a file that cannot be opened. */
function assertReadable(file: string, doing: 'stat' | 'open'): void {
  try {
    statSync(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'no such file or directory' : code === 'EACCES' ? 'permission denied' : code
    throw new Error(`${doing} ${file}: ${why}`, { cause: error })
  }
}

function servingPair(name: string, flags: FlagSet, place: Place): () => KeyPair | undefined {
  const [certFile, keyFile] = [flags.string('tls-cert-file'), flags.string('tls-private-key-file')]
  if ((certFile === '') !== (keyFile === '')) throw new Error('missing filename for serving cert')
  if (certFile === '') {
    // 127.0.0.1 in a host's files is the host's loop
    const own = selfSigned('localhost', { ipAddresses: [place.loop ?? '127.0.0.1'] })
    klog('I', 'serving.go:386', `Generated self-signed cert in-memory`)
    return () => own
  }
  assertReadable(certFile, 'open')
  assertReadable(keyFile, 'open')
  return () => {
    try {
      return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
    } catch (error) {
      klogS('E', 'dynamic_serving_content.go:148', `${name}: serving files`, { err: (error as Error).message })
      return undefined
    }
  }
}

type ClientFor = ControllerFacts['clientFor']

function delegation(flags: FlagSet, clientFor: ClientFor) {
  const asked = (flag: string, what: string): KubeClient | undefined => {
    try {
      const kubeconfig = kubeconfigOf(flags.string(flag))
      return kubeconfig && clientFor(kubeconfig)
    } catch (error) {
      const said = `failed to get delegated ${what} kubeconfig`
      throw new Error(`${said}: ${said}: ${(error as Error).message}`, { cause: error })
    }
  }
  const authenticating = asked('authentication-kubeconfig', 'authentication')
  const authorizing = asked('authorization-kubeconfig', 'authorization')
  const clientCaPem = clientCa(flags, authenticating)
  const authentication = new DelegatedAuthentication({
    ...(authenticating ? { client: authenticating } : {}),
    clientCaPem,
    anonymous: true,
    tokenCacheMs: flags.durationMs('authentication-token-webhook-cache-ttl'),
  })
  const authorization =
    authorizing &&
    new DelegatedAuthorization({
      client: authorizing,
      allowedCacheMs: flags.durationMs('authorization-webhook-cache-authorized-ttl'),
      deniedCacheMs: flags.durationMs('authorization-webhook-cache-unauthorized-ttl'),
    })
  const alwaysAllowPaths = flags.list('authorization-always-allow-paths')
  return { authentication, ...(authorization ? { authorization } : {}), alwaysAllowPaths, clientCaPem }
}

/** --client-ca-file, or else what kube-apiserver publishes for those who delegate to it. */
function clientCa(flags: FlagSet, client: KubeClient | undefined): () => string | undefined {
  const file = flags.string('client-ca-file')
  if (file !== '') {
    try {
      assertReadable(file, 'open')
    } catch (error) {
      throw new Error(`unable to load client CA provider: ${(error as Error).message}`, { cause: error })
    }
    let text = readFileSync(file, 'utf8')
    return () => {
      try {
        text = readFileSync(file, 'utf8')
      } catch {
        // dynamic_cafile_content.go goes on with what it had.
      }
      return text
    }
  }
  if (!client || flags.bool('authentication-skip-lookup')) return () => undefined
  const path = '/api/v1/namespaces/kube-system/configmaps'
  const lookup = new Informer({ client, path, query: LOOKUP }).start()
  return () => {
    const found = lookup.get('kube-system', 'extension-apiserver-authentication')
    return (found?.['data'] as Record<string, string> | undefined)?.['client-ca-file']
  }
}

function leaderElector(flags: FlagSet, client: KubeClient, onStartedLeading: () => void) {
  const [namespace, name] = [
    flags.string('leader-elect-resource-namespace'),
    flags.string('leader-elect-resource-name'),
  ]
  const lock = `${namespace}/${name}`
  const identity = `${process.env['MTLS_RANGE_HOST'] || hostname()}_${randomUUID()}`
  try {
    const elector = new LeaderElector({
      client,
      namespace,
      name,
      identity,
      leaseDurationMs: flags.durationMs('leader-elect-lease-duration'),
      renewDeadlineMs: flags.durationMs('leader-elect-renew-deadline'),
      retryPeriodMs: flags.durationMs('leader-elect-retry-period'),
      onStartedLeading: () => {
        klogS('I', 'leaderelection.go:272', 'Successfully acquired lease', { lock })
        onStartedLeading()
      },
      onNewLeader: (holder) => klogS('I', 'leaderelection.go:300', 'New leader elected', { identity: holder }),
      onError: (error, doing) => {
        const said =
          doing === 'retrieving'
            ? 'error retrieving resource lock'
            : `Failed to ${doing === 'creating' ? 'create' : 'update'} lease`
        klogS('E', 'leaderelection.go:461', said, { err: error.message, lock })
      },
    })
    klogS('I', 'leaderelection.go:258', 'Attempting to acquire leader lease...', { lock })
    return elector
  } catch (error) {
    throw new Error(`couldn't create leader elector: ${(error as Error).message}`, { cause: error })
  }
}

function endOnSignal(elector: LeaderElector | undefined): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      void (elector?.stop({ release: true }) ?? Promise.resolve()).finally(() => process.exit(0))
    })
  }
}
