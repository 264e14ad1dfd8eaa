/**
 * What a kubelet runs with: flags over the configuration file over defaults. The file's defaults are not the flags': a
 * kubelet without --config lets anybody in. pkg/kubelet/apis/config/v1beta1/defaults.go, cmd/kubelet/app/options/options.go.
 */
import { readFileSync } from 'node:fs'
import { parseDurationMs } from '../../lib/settings/duration.ts'
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import { parseDocument } from '../../lib/settings/yaml.ts'
import {
  badDuration,
  SettingsError,
  validateFile,
  validateLabels,
  validateParts,
  validatePorts,
  type Members,
} from './validation.ts'
import { http2SuiteProblem, policyFromFlags } from '../../lib/tls/go-settings.ts'
import type { TlsPolicy } from '../../lib/tls/policy.ts'

/** What is found only when the secure port is opened. */
export class ListenError extends Error {}

export interface KubeletSettings {
  nodeName: string
  nodeIp: string | undefined
  nodeLabels: ReadonlyMap<string, string>
  registerNode: boolean
  /** Undefined: standalone, without a kube-apiserver. */
  kubeconfigFile: string | undefined
  address: string
  port: number
  readOnlyPort: number
  healthzBindAddress: string
  healthzPort: number
  anonymous: boolean
  webhookAuthentication: boolean
  tokenCacheMs: number
  clientCaFile: string | undefined
  authorizationMode: 'AlwaysAllow' | 'Webhook'
  allowedCacheMs: number
  deniedCacheMs: number
  tlsCertFile: string | undefined
  tlsPrivateKeyFile: string | undefined
  policy: TlsPolicy
  enableDebuggingHandlers: boolean
  enableSystemLogHandler: boolean
  enableProfilingHandler: boolean
  enableDebugFlagsHandler: boolean
  enableSystemLogQuery: boolean
  checkpoints: boolean
  zpages: boolean
  /** Every flag of the command line with its value, as /flagz shows them. */
  commandLine: readonly string[]
  fineGrainedAuthorization: boolean
  bootstrapKubeconfigFile: string | undefined
  /** Its client certificate is renewed by itself. */
  rotateCertificates: boolean
  /** Its serving certificate is asked for, and signed by whoever approves that. */
  serverTlsBootstrap: boolean
  /** --cert-dir; undefined: its default. */
  certificateFolder: string | undefined
  /** A file or a folder of Pods that nobody admits. */
  staticPodPath: string | undefined
  /** How often a Pod's volumes are read again. */
  syncMs: number
  /** The file's members with defaults filled in, as /configz shows them. */
  configuration: Record<string, unknown>
}

const PORT = 10250
const HEALTHZ_PORT = 10248
const READ_ONLY_PORT = 10255
const TOKEN_CACHE_MS = 120_000
const ALLOWED_CACHE_MS = 300_000
const DENIED_CACHE_MS = 30_000
const SYNC_MS = 60_000

/** @throws SettingsError */
export function settingsOf(flags: FlagSet, minorVersion: number, hostname: string): KubeletSettings {
  const configFile = flags.string('config')
  const file = configFile === '' ? undefined : readConfiguration(configFile)
  validateLabels(flags.map('node-labels'))
  if (file) validateFile(file, minorVersion)
  const given = <T>(flag: string, read: (name: string) => T, fromFile: T | undefined, fallback: T): T =>
    flags.isSet(flag) ? read(flag) : (fromFile ?? fallback)
  const text = (name: string): string => flags.string(name)
  const number = (name: string): number => flags.number(name)
  const bool = (name: string): boolean => flags.bool(name)
  const duration = (name: string): number => flags.durationMs(name)

  const authentication = at(file, 'authentication')
  const authorization = at(file, 'authorization')
  const webhook = at(authorization, 'webhook')
  const gates = at(file, 'featureGates')
  const mode = given('authorization-mode', text, word(authorization, 'mode'), file ? 'Webhook' : 'AlwaysAllow')
  const settings: Omit<KubeletSettings, 'authorizationMode' | 'configuration'> = {
    nodeName: (text('hostname-override') || hostname).trim().toLowerCase(),
    nodeIp: text('node-ip') || undefined,
    nodeLabels: flags.map('node-labels'),
    registerNode: given('register-node', bool, flag(file, 'registerNode'), true),
    kubeconfigFile: text('kubeconfig') || undefined,
    address: given('address', text, word(file, 'address'), '0.0.0.0'),
    port: given('port', number, integer(file, 'port'), PORT),
    readOnlyPort: given('read-only-port', number, integer(file, 'readOnlyPort'), file ? 0 : READ_ONLY_PORT),
    healthzBindAddress: given('healthz-bind-address', text, word(file, 'healthzBindAddress'), '127.0.0.1'),
    healthzPort: given('healthz-port', number, integer(file, 'healthzPort'), HEALTHZ_PORT),
    anonymous: given('anonymous-auth', bool, flag(at(authentication, 'anonymous'), 'enabled'), file === undefined),
    webhookAuthentication: given(
      'authentication-token-webhook',
      bool,
      flag(at(authentication, 'webhook'), 'enabled'),
      file !== undefined,
    ),
    tokenCacheMs: given(
      'authentication-token-webhook-cache-ttl',
      duration,
      span(at(authentication, 'webhook'), 'cacheTTL'),
      TOKEN_CACHE_MS,
    ),
    clientCaFile: given('client-ca-file', text, word(at(authentication, 'x509'), 'clientCAFile'), '') || undefined,
    allowedCacheMs: given(
      'authorization-webhook-cache-authorized-ttl',
      duration,
      span(webhook, 'cacheAuthorizedTTL'),
      ALLOWED_CACHE_MS,
    ),
    deniedCacheMs: given(
      'authorization-webhook-cache-unauthorized-ttl',
      duration,
      span(webhook, 'cacheUnauthorizedTTL'),
      DENIED_CACHE_MS,
    ),
    tlsCertFile: given('tls-cert-file', text, word(file, 'tlsCertFile'), '') || undefined,
    tlsPrivateKeyFile: given('tls-private-key-file', text, word(file, 'tlsPrivateKeyFile'), '') || undefined,
    policy: policyOf(
      given('tls-min-version', text, word(file, 'tlsMinVersion'), ''),
      flags.isSet('tls-cipher-suites') ? flags.list('tls-cipher-suites') : words(file, 'tlsCipherSuites'),
    ),
    enableDebuggingHandlers: given('enable-debugging-handlers', bool, flag(file, 'enableDebuggingHandlers'), true),
    enableSystemLogHandler: flag(file, 'enableSystemLogHandler') ?? true,
    enableProfilingHandler: flag(file, 'enableProfilingHandler') ?? true,
    enableDebugFlagsHandler: flag(file, 'enableDebugFlagsHandler') ?? true,
    bootstrapKubeconfigFile: text('bootstrap-kubeconfig') || undefined,
    rotateCertificates: given('rotate-certificates', bool, flag(file, 'rotateCertificates'), false),
    serverTlsBootstrap: given('rotate-server-certificates', bool, flag(file, 'serverTLSBootstrap'), false),
    certificateFolder: flags.isSet('cert-dir') ? text('cert-dir') : undefined,
    staticPodPath: given('pod-manifest-path', text, word(file, 'staticPodPath'), '') || undefined,
    syncMs: given('sync-frequency', duration, span(file, 'syncFrequency'), SYNC_MS),
    enableSystemLogQuery: flag(file, 'enableSystemLogQuery') ?? false,
    // beta and on in 1.30
    checkpoints: flag(gates, 'ContainerCheckpoint') ?? minorVersion >= 30,
    // beta and on in 1.36
    zpages: flag(gates, 'ComponentStatusz') ?? minorVersion >= 36,
    commandLine: [...flags.given].map(([name, value]) => `${name} ${shown(value)}`).toSorted(),
    // beta and on in 1.33
    fineGrainedAuthorization: flag(gates, 'KubeletFineGrainedAuthz') ?? minorVersion >= 33,
  }
  validatePorts(settings)
  if (file) validateParts(file)
  if (mode !== 'AlwaysAllow' && mode !== 'Webhook') {
    throw new SettingsError(`failed to run Kubelet: unknown authorization mode ${mode}`)
  }
  if (settings.kubeconfigFile === undefined) {
    const lacks = settings.webhookAuthentication ? 'authentication' : mode === 'Webhook' ? 'authorization' : undefined
    if (lacks) throw new SettingsError(`failed to run Kubelet: no client provided, cannot use webhook ${lacks}`)
  }
  return { ...settings, authorizationMode: mode, configuration: configurationOf(file ?? {}, settings, mode) }
}

function readConfiguration(path: string): Members {
  const fail = (why: string): never => {
    const load = `failed to load Kubelet config file ${path}, error ${why}`
    throw new SettingsError(`failed to load kubelet config file, path: ${path}, error: ${load}`)
  }
  let raw = ''
  try {
    raw = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'no such file or directory' : code === 'EACCES' ? 'permission denied' : String(code)
    fail(`failed to read kubelet config file ${JSON.stringify(path)}, error: open ${path}: ${why}`)
  }
  if (raw.trim() === '') fail(`kubelet config file ${JSON.stringify(path)} was empty`)
  const document = parseDocument(raw, { uniqueKeys: false })
  const parsed: unknown = document.errors.length > 0 ? undefined : document.toJS()
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return fail(
      `failed to decode: couldn't get version/kind; json parse error: ${document.errors[0]?.message ?? 'not an object'}`,
    )
  }
  const members = parsed as Members
  const { apiVersion, kind } = members
  if (kind === undefined) fail(`failed to decode: Object 'Kind' is missing in '${JSON.stringify(members)}'`)
  if (apiVersion !== 'kubelet.config.k8s.io/v1beta1' || kind !== 'KubeletConfiguration') {
    const named = `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`
    fail(`failed to decode: ${named} in scheme "pkg/runtime/scheme.go:111"`)
  }
  for (const name of ['port', 'readOnlyPort', 'healthzPort']) {
    if (members[name] === undefined || typeof members[name] === 'number') continue
    fail(
      `failed to decode: json: cannot unmarshal ${typeof members[name]} into Go struct field KubeletConfiguration.${name} of type int32`,
    )
  }
  const duration = badDuration(members)
  if (duration !== undefined) fail(`failed to decode: ${duration}`)
  return members
}

function policyOf(minimum: string, suites: readonly string[] = []): TlsPolicy {
  let policy: TlsPolicy
  try {
    policy = policyFromFlags(minimum, suites)
  } catch (error) {
    throw new SettingsError(`failed to construct kubelet dependencies: ${(error as Error).message}`)
  }
  const problem = http2SuiteProblem(policy)
  if (problem !== undefined) throw new ListenError(problem)
  return policy
}

function configurationOf(
  file: Members,
  settings: Omit<KubeletSettings, 'authorizationMode' | 'configuration'>,
  mode: string,
): Members {
  const { clientCaFile } = settings
  return {
    kind: 'KubeletConfiguration',
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    enableServer: true,
    ...file,
    address: settings.address,
    port: settings.port,
    readOnlyPort: settings.readOnlyPort,
    authentication: {
      x509: clientCaFile === undefined ? {} : { clientCAFile: clientCaFile },
      webhook: { enabled: settings.webhookAuthentication, cacheTTL: `${settings.tokenCacheMs / 1000}s` },
      anonymous: { enabled: settings.anonymous },
    },
    authorization: { mode, webhook: at(at(file, 'authorization'), 'webhook') ?? {} },
    healthzPort: settings.healthzPort,
    healthzBindAddress: settings.healthzBindAddress,
  }
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(',')}]`
  return value instanceof Map ? [...value].map((pair) => pair.join('=')).join(',') : String(value)
}

function at(members: Members | undefined, name: string): Members | undefined {
  const value = members?.[name]
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : undefined
}

/** Zero values are what the file leaves to the defaults. */
function word(members: Members | undefined, name: string): string | undefined {
  const value = members?.[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function words(members: Members | undefined, name: string): string[] | undefined {
  const value = members?.[name]
  return Array.isArray(value) ? value.map(String) : undefined
}

/** A port of 0 says `default` of the secure one only; healthzPort and readOnlyPort 0 mean none. */
function integer(members: Members | undefined, name: string): number | undefined {
  const value = members?.[name]
  return typeof value === 'number' && !(name === 'port' && value === 0) ? value : undefined
}

function flag(members: Members | undefined, name: string): boolean | undefined {
  const value = members?.[name]
  return typeof value === 'boolean' ? value : undefined
}

function span(members: Members | undefined, name: string): number | undefined {
  const value = word(members, name)
  return value === undefined ? undefined : parseDurationMs(value) || undefined
}
