/** From flags to a serving kube-apiserver, step by step in the order in which the real one finds its faults. */
import { join } from 'node:path'
import { placeFromEnvironment, listenAddresses } from '../../lib/cluster/place.ts'
import type { Place } from '../../lib/cluster/place.ts'
import { klog } from '../../lib/kube/klog.ts'
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import type { AuditLog } from './audit/audit-log.ts'
import { createAdmission } from './admission/admission.ts'
import { NO_SETTINGS, type PodSecuritySettings } from './admission/pod-security/policy.ts'
import { Authenticator } from './authentication/authenticator.ts'
import { Impersonation } from './authentication/impersonation.ts'
import { loopbackToken } from './authentication/loopback-token.ts'
import { createAuthorizer } from './authorization/authorizer.ts'
import type { AuthorizationMode } from './authorization/authorizer.ts'
import { caBundle, keyPairFiles, signingKey, verificationKeys } from './credential-files.ts'
import { assertDistinctCas, authenticationOf, issuerOf } from './authentication-options.ts'
import { bootstrap } from './bootstrap.ts'
import { ETCD_START_MS, etcdOf, reachEtcd } from './etcd-connection.ts'
import { fileFlag } from './file-flag.ts'
import { kubeletSettings } from './kubelet-link/link-options.ts'
import { KubeletLink } from './kubelet-link/kubelet-link.ts'
import { NonResourcePaths } from './non-resource-paths.ts'
import { assertOptions, authorizationModes, DEFAULT_SERVICE_RANGE, StartRefusal } from './options.ts'
import { Pipeline } from './pipeline.ts'
import { findResource, STORED_RESOURCES } from './registry/resources.ts'
import { servingCertificates } from './serving-certificates.ts'
import { ApiServer } from './server.ts'
import type { ServerVersion } from './server-version.ts'
import { EtcdValues } from './storage/etcd-values.ts'
import { ObjectStore } from './storage/object-store.ts'
import { normalPrefix } from './storage/stored-resource.ts'
import { identity } from './storage/transformer.ts'
import { WatchCache } from './storage/watch-cache.ts'
import { assertHttp2Suites, servingPolicy } from './tls-options.ts'

/** Gate ConstrainedImpersonation is on since this minor version. */
const NAMESPACES = findResource('', 'v1', 'namespaces')!
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
  const podSecurity = await podSecurityOf(flags)
  await reachEtcd(values, store.prefix)
  await cache.start()
  const authenticator = new Authenticator({ ...settings, loopback: loopbackToken() }, cache)
  const authorize = createAuthorizer(modes, cache)
  const issuer = key && issuerOf(flags, key)
  let bootstrapped = false
  const admission = createAdmission(
    { enable: flags.list('enable-admission-plugins'), disable: flags.list('disable-admission-plugins') },
    {
      objects: cache,
      authorize,
      hasNamespace: async (name) => (await store.get(NAMESPACES, '', name)) !== undefined,
      minorVersion: version.minor,
      podSecurity,
    },
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

async function podSecurityOf(flags: FlagSet): Promise<PodSecuritySettings> {
  const path = flags.string('admission-control-config-file')
  if (path === '') return NO_SETTINGS
  const { readPodSecurity } = await import('./admission/pod-security/configuration.ts')
  return readPodSecurity(path)
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

async function modesOf(flags: FlagSet): Promise<AuthorizationMode[]> {
  const path = flags.string('authorization-config')
  if (path === '') return authorizationModes(flags.list('authorization-mode'))
  const { authorizersOf } = await import('./authorization-configuration.ts')
  return authorizationModes(authorizersOf(path))
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
