/** From flags to a serving kube-apiserver, step by step in the order in which the real one finds its faults. */
import { join } from 'node:path'
import { witnessCanaries } from '../../lib/cluster/canary-witness.ts'
import { placeFromEnvironment, listenAddresses, dialFrom } from '../../lib/cluster/place.ts'
import type { Place } from '../../lib/cluster/place.ts'
import { witness } from '../../lib/cluster/witness.ts'
import { etcdClient } from '../../lib/etcd/client.ts'
import { klog } from '../../lib/kube/klog.ts'
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import type { KeyPair } from '../../lib/tls/listen.ts'
import { Refusal } from '../../lib/tls/refusal.ts'
import { certificatesFromPem } from '../../lib/x509/pem.ts'
import type { AuditLog } from './audit/audit-log.ts'
import { createAdmission } from './admission/admission.ts'
import { anonymousUnder } from './authentication/anonymous.ts'
import type { AnonymousSettings } from './authentication/anonymous.ts'
import { Authenticator } from './authentication/authenticator.ts'
import type { AuthenticationSettings } from './authentication/authenticator.ts'
import { CaBundle } from './authentication/client-certificate.ts'
import { Impersonation } from './authentication/impersonation.ts'
import { readStaticTokens } from './authentication/static-tokens.ts'
import { createAuthorizer } from './authorization/authorizer.ts'
import type { AuthorizationMode } from './authorization/authorizer.ts'
import { writeBootstrapObjects } from './bootstrap.ts'
import { caBundle, keyPairFiles, readText, signingKey, verificationKeys, watchedText } from './credential-files.ts'
import { KubeletLink } from './kubelet-link/kubelet-link.ts'
import { NonResourcePaths } from './non-resource-paths.ts'
import {
  assertOptions,
  authorizationModes,
  DEFAULT_SERVICE_RANGE,
  firstServiceAddress,
  StartRefusal,
} from './options.ts'
import { Pipeline } from './pipeline.ts'
import type { TokenIssuer } from './registry/token-request.ts'
import { STORED_RESOURCES } from './registry/resources.ts'
import { servingCertificates } from './serving-certificates.ts'
import { ApiServer } from './server.ts'
import type { ServerVersion } from './server-version.ts'
import { EtcdValues } from './storage/etcd-values.ts'
import { ObjectStore } from './storage/object-store.ts'
import { normalPrefix } from './storage/stored-resource.ts'
import { identity } from './storage/transformer.ts'
import { WatchCache } from './storage/watch-cache.ts'
import { assertHttp2Suites, servingPolicy } from './tls-options.ts'

/** How long etcd may be unreachable at start (storagebackend/factory: 20 s). */
const ETCD_START_MS = 20_000
const ETCD_RETRY_MS = 50
const BOOTSTRAP_RETRY_MS = 200
/** Gate ConstrainedImpersonation is on since this minor version. */
const CONSTRAINED_SINCE = 36

/** Starts serving. Throws a StartRefusal with the real text. */
export async function startServer(flags: FlagSet, version: ServerVersion): Promise<void> {
  const place = placeFromEnvironment()
  const signing = flags.string('service-account-signing-key-file')
  const key = signing === '' ? undefined : signingKey(signing)
  if (!flags.isSet('service-cluster-ip-range')) klog('W', 'options.go:211', NO_RANGE)
  assertOptions(flags)
  const advertised = advertisedOf(flags, place)
  const bound = flags.string('bind-address')
  const serving = await servingCertificates(flags, place, { advertised: advertised.address, bound })
  const { policy, warnings } = servingPolicy(flags)
  for (const warning of warnings) klog('W', 'secure_serving.go:69', warning)

  const values = new EtcdValues(etcdOf(flags, place))
  const store = new ObjectStore(values, normalPrefix(flags.string('etcd-prefix')), await encryptionOf(flags))
  const clientCa = fileFlag(flags, 'client-ca-file', (path) => caBundle('client-ca-bundle', path))
  const proxyCa = fileFlag(flags, 'requestheader-client-ca-file', (path) => caBundle('request-header', path))
  assertDistinctCas(flags, clientCa, proxyCa)
  const cache = new WatchCache(store, STORED_RESOURCES, (text) => klog('W', 'store.go:1234', text))
  const modes = await modesOf(flags)
  const keysPem = flags.list('service-account-key-file').flatMap(verificationKeys)
  const settings = await authenticationOf(flags, { clientCa, proxyCa, modes, keysPem })
  const kubelets = kubeletSettings(flags, version, place)
  fileFlag(flags, 'proxy-client-cert-file', (path) => {
    const keyPath = flags.string('proxy-client-key-file')
    return keyPath === '' ? undefined : keyPairFiles(path, keyPath)
  })

  assertAdmissionConfigured(flags)
  await reachEtcd(values, store.prefix)
  await cache.start()
  const authenticator = new Authenticator(settings, cache)
  const authorize = createAuthorizer(modes, cache)
  const issuer = key && issuerOf(flags, key)
  let bootstrapped = false
  const admission = createAdmission(
    { enable: flags.list('enable-admission-plugins'), disable: flags.list('disable-admission-plugins') },
    { objects: cache, authorize, minorVersion: version.minor },
  )
  const serviceRange = flags.string('service-cluster-ip-range').split(',')[0] || DEFAULT_SERVICE_RANGE
  const context = { store, cache, admission, serviceRange }
  const pipeline = new Pipeline({
    ...context,
    authenticator,
    authorize,
    audit: await auditOf(flags, place),
    impersonation: new Impersonation(authorize, { constrained: isConstrained(flags, version) }),
    reviewers: { authenticator, authorize, modes },
    issuer,
    kubelets: new KubeletLink(kubelets, cache, authorize),
    paths: new NonResourcePaths({
      version,
      serverAddress: `${advertised.address}:${advertised.port}`,
      issuer: flags.list('service-account-issuer')[0] ?? '',
      serviceAccountKeysPem: keysPem,
      health: {
        etcd: () =>
          values.range({ start: `${store.prefix}/health` }).then(
            () => true,
            () => false,
          ),
        synced: () => cache.ready,
        bootstrapped: () => bootstrapped,
      },
    }),
  })
  assertHttp2Suites(policy)
  const server = new ApiServer(pipeline, flags.number('http2-max-streams-per-connection') || undefined)
  await server.listenSecure({
    addresses: listenAddresses(place, flags.string('bind-address')),
    port: flags.number('secure-port'),
    policy,
    keyPair: serving,
    clientCaPem: clientCa || proxyCa ? () => [clientCa?.(), proxyCa?.()].filter(Boolean).join('\n') : undefined,
  })
  if (hasInsecurePort(version) && flags.number('insecure-port') > 0) {
    await server.listenInsecure(
      listenAddresses(place, flags.string('insecure-bind-address')),
      flags.number('insecure-port'),
    )
  }
  await bootstrap(store, cache, flags, { modes, advertised, clientCa, proxyCa })
  await cache.reach(store.written, ETCD_START_MS)
  bootstrapped = true
}

const NO_RANGE =
  'No CIDR for service cluster IPs specified. Default value which was 10.0.0.0/24 is deprecated and will be removed in future releases. ' +
  'Please specify it using --service-cluster-ip-range on kube-apiserver.'

/** Plugins that do not start without --admission-control-config-file, with what each misses. */
const NEEDS_CONFIG: Readonly<Record<string, string>> = {
  EventRateLimit: 'limits: Invalid value: null: must not be empty',
  ImagePolicyWebhook: 'no config specified',
}

function assertAdmissionConfigured(flags: FlagSet): void {
  if (flags.string('admission-control-config-file') !== '') return
  for (const plugin of flags.list('enable-admission-plugins')) {
    const why = NEEDS_CONFIG[plugin]
    if (why === undefined) continue
    throw new StartRefusal(`failed to apply admission: couldn't init admission plugin "${plugin}": ${why}`)
  }
}

type Text = () => string

function fileFlag<Value>(flags: FlagSet, name: string, read: (path: string) => Value): Value | undefined {
  const path = flags.string(name)
  return path === '' ? undefined : read(path)
}

/** Without a policy nothing is logged, whatever the path. */
async function auditOf(flags: FlagSet, place: Place): Promise<AuditLog | undefined> {
  const [policy, path] = [flags.string('audit-policy-file'), flags.string('audit-log-path')]
  if (policy === '') return undefined
  const { readAuditPolicy } = await import('./audit/audit-policy.ts')
  const { AuditLog } = await import('./audit/audit-log.ts')
  let rules: ReturnType<typeof readAuditPolicy>
  try {
    rules = readAuditPolicy(policy)
  } catch (error) {
    throw new StartRefusal(`loading audit policy file: ${(error as Error).message}`)
  }
  if (path === '') return undefined
  try {
    return new AuditLog(rules, inRoot(path, place))
  } catch (error) {
    throw new StartRefusal((error as Error).message)
  }
}

/** A host's file never lies outside of what stands for the host's root. */
function inRoot(path: string, { root }: Place): string {
  return root === undefined || path === '-' || path.startsWith(root) ? path : join(root, path)
}

function etcdOf(flags: FlagSet, place: Place): ReturnType<typeof etcdClient> {
  const before = 'error creating storage factory: '
  const [cert, key, ca] = [flags.string('etcd-certfile'), flags.string('etcd-keyfile'), flags.string('etcd-cafile')]
  if ((cert === '') !== (key === '')) {
    throw new StartRefusal(`${before}KeyFile and CertFile must both be present[key: ${key}, cert: ${cert}]`)
  }
  const keyPair = cert === '' ? undefined : keyPairFiles(cert, key, before)
  const caPem = ca === '' ? undefined : watchedText(ca, readText(ca, before))
  const endpoints = flags.list('etcd-servers')
  const from = dialFrom(place, new URL(endpoints[0] ?? 'http://127.0.0.1').hostname)
  return etcdClient({
    endpoints,
    ...(from !== undefined && { localAddress: from }),
    ...(keyPair && { keyPair }),
    ...(caPem && { caPem }),
    onMessage: witnessCanaries,
    onRefusal: ({ layer, code, message, details }) => {
      // What etcd refuses, etcd says; a server that this end did not take is this end's word.
      if (layer !== 'cert-verify' || !details.local || !details.remote) return
      const { local, remote } = details
      witness({ about: 'certificate', decision: 'refuse', local, remote, layer, code, text: message })
    },
  })
}

async function encryptionOf(flags: FlagSet): Promise<ConstructorParameters<typeof ObjectStore>[2]> {
  const path = flags.string('encryption-provider-config')
  if (path === '') return () => identity
  const { readEncryptionConfiguration, transformersOf } = await import('./storage/encryption-configuration.ts')
  const { maskedRule } = await import('./storage/encryption-validation.ts')
  try {
    const rules = readEncryptionConfiguration(path)
    const masked = maskedRule(rules)
    if (masked !== undefined) throw new StartRefusal(`error while building transformers: ${masked}`)
    return await transformersOf(rules)
  } catch (error) {
    if (error instanceof StartRefusal) throw error
    throw new StartRefusal(`error while parsing file: ${(error as Error).message}`)
  }
}

/** One CA for both would make every client certificate a front proxy. */
function assertDistinctCas(flags: FlagSet, clientCa: Text | undefined, proxyCa: Text | undefined): void {
  if (!clientCa || !proxyCa || flags.list('requestheader-allowed-names').length > 0) return
  const known = new Set(certificatesFromPem(clientCa()).map((der) => der.toString('base64')))
  if (!certificatesFromPem(proxyCa()).some((der) => known.has(der.toString('base64')))) return
  const said = '--requestheader-client-ca-file and --client-ca-file contain overlapping certificates'
  throw new StartRefusal(
    `${said}; --requestheader-allowed-names must be specified to ensure regular client certificates cannot set authenticating proxy headers for arbitrary users`,
  )
}

async function modesOf(flags: FlagSet): Promise<AuthorizationMode[]> {
  const path = flags.string('authorization-config')
  if (path === '') return authorizationModes(flags.list('authorization-mode'))
  const { authorizersOf } = await import('./authorization-configuration.ts')
  return authorizationModes(authorizersOf(path))
}

interface AuthenticationFiles {
  clientCa: Text | undefined
  proxyCa: Text | undefined
  modes: readonly AuthorizationMode[]
  keysPem: readonly string[]
}

async function authenticationOf(
  flags: FlagSet,
  { clientCa, proxyCa, modes, keysPem }: AuthenticationFiles,
): Promise<AuthenticationSettings> {
  const tokens = fileFlag(flags, 'token-auth-file', (path) => readStaticTokens(readText(path), path))
  const wanted = await anonymousOf(flags)
  const anonymous = anonymousUnder(wanted, modes.length === 0 ? ['AlwaysAllow'] : modes)
  if (wanted.enabled && !anonymous.enabled) {
    const reset = 'AnonymousAuth is not allowed with the AlwaysAllow authorizer. Resetting AnonymousAuth to false.'
    klog('W', 'authentication.go:589', `${reset} You should use a different authorizer`)
  }
  const issuers = flags.list('service-account-issuer')
  const audiences = flags.list('api-audiences')
  return {
    ...(clientCa && { clientCa: new CaBundle(clientCa) }),
    ...(proxyCa && {
      frontProxy: {
        ca: new CaBundle(proxyCa),
        allowedNames: flags.list('requestheader-allowed-names'),
        usernameHeaders: flags.list('requestheader-username-headers'),
        uidHeaders: flags.list('requestheader-uid-headers'),
        groupHeaders: flags.list('requestheader-group-headers'),
        extraHeaderPrefixes: flags.list('requestheader-extra-headers-prefix'),
      },
    }),
    ...(tokens && { staticTokens: tokens }),
    serviceAccounts: {
      issuers,
      keysPem,
      apiAudiences: audiences.length > 0 ? audiences : issuers,
      lookup: flags.bool('service-account-lookup'),
    },
    bootstrapTokens: flags.bool('enable-bootstrap-token-auth'),
    anonymous,
  }
}

async function anonymousOf(flags: FlagSet): Promise<AnonymousSettings> {
  const path = flags.string('authentication-config')
  const byFlag = { enabled: flags.bool('anonymous-auth') }
  if (path === '') return byFlag
  const before = `failed to load authentication configuration from file ${JSON.stringify(path)}: `
  const text = readText(path, before)
  if (text === '') throw new StartRefusal(`${before}empty config data`)
  const { anonymousFromConfiguration } = await import('./authentication/authentication-configuration.ts')
  try {
    const configured = anonymousFromConfiguration(text)
    if (configured && flags.isSet('anonymous-auth')) {
      const both =
        '--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file'
      throw new StartRefusal(both)
    }
    return configured ?? byFlag
  } catch (error) {
    if (error instanceof StartRefusal) throw error
    throw new StartRefusal(
      `${before}couldn't get version/kind; json parse error: ${(error as Error).message.split('\n')[0]}`,
    )
  }
}

function issuerOf(flags: FlagSet, key: TokenIssuer['key']): TokenIssuer {
  const issuers = flags.list('service-account-issuer')
  const audiences = flags.list('api-audiences')
  return {
    key,
    issuer: issuers[0] ?? '',
    apiAudiences: audiences.length > 0 ? audiences : issuers,
    extends: flags.bool('service-account-extend-token-expiration'),
    longestMs: flags.durationMs('service-account-max-token-expiration'),
  }
}

function kubeletSettings(
  flags: FlagSet,
  { minor }: ServerVersion,
  place: Place,
): ConstructorParameters<typeof KubeletLink>[0] {
  const [cert, key] = [flags.string('kubelet-client-certificate'), flags.string('kubelet-client-key')]
  const before = 'problem initializing API group "": '
  const pair = cert === '' || key === '' ? undefined : laxPair(cert, key, before)
  const ca = fileFlag(flags, 'kubelet-certificate-authority', (path) => watchedText(path, readText(path, before)))
  return {
    keyPair: () => pair?.(),
    caPem: () => ca?.(),
    place,
    preferredAddressTypes: flags.list('kubelet-preferred-address-types'),
    minorVersion: minor,
  }
}

// a key that does not fit is found at the first dial, not at start
function laxPair(certPath: string, keyPath: string, before: string): () => KeyPair {
  const cert = watchedText(certPath, readText(certPath, before))
  const key = watchedText(keyPath, readText(keyPath, before))
  return () => ({ cert: cert(), key: key() })
}

function isConstrained(flags: FlagSet, { minor }: ServerVersion): boolean {
  const said = flags.map('feature-gates').get('ConstrainedImpersonation')
  return said === undefined ? minor >= CONSTRAINED_SINCE : said === 'true'
}

function hasInsecurePort({ minor }: ServerVersion): boolean {
  return minor <= 19
}

function advertisedOf(flags: FlagSet, place: Place): { address: string; port: number } {
  const said = flags.string('advertise-address')
  const bound = flags.string('bind-address')
  const wildcard = bound === '' || bound === '0.0.0.0' || bound === '::'
  return { address: said || (wildcard ? (place.face ?? '127.0.0.1') : bound), port: flags.number('secure-port') }
}

/** The first contact with etcd; a member that comes up late is waited for. */
async function reachEtcd(values: EtcdValues, prefix: string): Promise<void> {
  const until = performance.now() + ETCD_START_MS
  let last = ''
  for (;;) {
    try {
      await values.range({ start: `${prefix}/health` })
      return
    } catch (error) {
      const { message } = error as Error
      if (error instanceof Refusal) witnessRefusal(error)
      const said = `[core] grpc: addrConn.createTransport failed to connect. Err: connection error: desc = "transport: ${message}"`
      if (message !== last) klog('W', 'logging.go:55', said)
      last = message
    }
    if (performance.now() > until) throw new StartRefusal('error creating storage factory: context deadline exceeded')
    await new Promise((resolve) => setTimeout(resolve, ETCD_RETRY_MS))
  }
}

/** What this end found wrong with etcd's certificate, or etcd with this end's. */
function witnessRefusal({ layer, code, message, details }: Refusal): void {
  if (!layer || layer === 'tcp') return
  witness({
    about: layer === 'cert-verify' ? 'certificate' : 'connection',
    decision: 'refuse',
    layer,
    code,
    text: message,
    ...(details.local !== undefined && { local: details.local }),
    ...(details.remote !== undefined && { remote: details.remote }),
  })
}

interface BootstrapFacts {
  modes: readonly AuthorizationMode[]
  advertised: { address: string; port: number }
  clientCa: Text | undefined
  proxyCa: Text | undefined
}

/** Tried until it succeeds: the server serves meanwhile, and is not ready. */
async function bootstrap(store: ObjectStore, cache: WatchCache, flags: FlagSet, facts: BootstrapFacts): Promise<void> {
  const { modes, advertised, clientCa, proxyCa } = facts
  const list = (name: string): string => JSON.stringify(flags.list(name))
  const authenticationData = {
    ...(clientCa && { 'client-ca-file': clientCa() }),
    ...(proxyCa && {
      'requestheader-allowed-names': list('requestheader-allowed-names'),
      'requestheader-client-ca-file': proxyCa(),
      'requestheader-extra-headers-prefix': list('requestheader-extra-headers-prefix'),
      'requestheader-group-headers': list('requestheader-group-headers'),
      'requestheader-uid-headers': list('requestheader-uid-headers'),
      'requestheader-username-headers': list('requestheader-username-headers'),
    }),
  }
  const settings = {
    rbac: modes.includes('RBAC'),
    advertised,
    serviceAddress: firstServiceAddress(flags.string('service-cluster-ip-range')),
    authenticationData,
  }
  for (;;) {
    try {
      return await writeBootstrapObjects(store, cache, settings)
    } catch (error) {
      klog('E', 'controller.go:145', `unable to write bootstrap objects: ${(error as Error).message}`)
      await new Promise((resolve) => setTimeout(resolve, BOOTSTRAP_RETRY_MS))
    }
  }
}
