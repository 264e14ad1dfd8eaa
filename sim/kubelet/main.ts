/** The kubelet's command line: reads its settings, serves its ports, registers its node and runs its Pods. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { followLifeline } from '../../lib/cluster/lifeline.ts'
import { apiClient } from '../../lib/cluster/api-client.ts'
import { placeFromEnvironment, type Place } from '../../lib/cluster/place.ts'
import { witnessAs } from '../../lib/cluster/witness.ts'
import type { KubeClient } from '../../lib/kube/client.ts'
import type { Kubeconfig } from '../../lib/kube/kubeconfig.ts'
import { klogS } from '../../lib/kube/klog.ts'
import { optimizeLate } from '../../lib/settings/optimize-late.ts'
import { FlagError, parsePflags } from '../../lib/settings/pflag.ts'
import { pemBlocks } from '../../lib/x509/pem.ts'
import { apiCredential } from './certificate/api-credential.ts'
import { CertificateFiles } from './certificate/certificate-files.ts'
import { rotateCertificate } from './certificate/certificate-rotation.ts'
import { FLAGS } from './flags.ts'
import { Node } from './node/node.ts'
import { NodePods } from './pods/node-pods.ts'
import { Gate } from './server/gate.ts'
import { Handler } from './server/handler.ts'
import { listenHealthz, listenReadOnly, listenSecurely } from './server/listeners.ts'
import { rereadFile, servingCertificate } from './serving-certificate.ts'
import { ListenError, settingsOf, type KubeletSettings } from './settings.ts'
import { SettingsError, SettingsPanic } from './validation.ts'

const DEFAULT_VERSION = 'v1.36.3'

optimizeLate()
witnessAs('kubelet')
followLifeline()

const version = process.env['MTLS_RANGE_VERSION'] || DEFAULT_VERSION
const minorVersion = Number(/^v?1\.(\d+)/.exec(version)?.[1] ?? 0)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0))

void main().catch((error: unknown) => {
  const { message, code } = error as NodeJS.ErrnoException & { address?: string; port?: number }
  if (error instanceof FlagError) fail(error.message, error.hint)
  if (error instanceof SettingsError) fail(message)
  if (error instanceof SettingsPanic) {
    process.stderr.write(`panic: ${message}\n`)
    process.exit(2)
  }
  if (error instanceof ListenError) {
    klogS('E', 'server.go:209', 'Failed to listen and serve', { err: message })
    process.exit(1)
  }
  if (code === 'EADDRINUSE' || code === 'EADDRNOTAVAIL') {
    const { address = '', port = 0 } = error as { address?: string; port?: number }
    const why = code === 'EADDRINUSE' ? 'address already in use' : 'cannot assign requested address'
    klogS('E', 'server.go:209', 'Failed to listen and serve', { err: `listen tcp ${address}:${port}: bind: ${why}` })
    process.exit(1)
  }
  fail(`failed to run Kubelet: ${message}`)
})

async function main(): Promise<void> {
  await run(readSettings(process.argv.slice(2)))
}

function fail(err: string, hint?: string): never {
  klogS('E', 'run.go:72', 'command failed', { err })
  if (hint !== undefined) process.stderr.write(`${hint}\n`)
  process.exit(1)
}

function readSettings(argv: readonly string[]): KubeletSettings {
  let flags
  try {
    flags = parsePflags(FLAGS, argv, { component: 'kubelet', version })
  } catch (error) {
    if (!(error instanceof FlagError)) throw error
    throw new FlagError(`failed to parse kubelet flag: ${error.message}`, error.hint)
  }
  if (flags.isSet('help')) {
    const lines = FLAGS.filter(({ hidden }) => !hidden).map(({ name, type }) => `      --${name} ${type}`)
    process.stdout.write(`Usage:\n  kubelet [flags]\n\nFlags:\n${lines.join('\n')}\n`)
    process.exit(0)
  }
  if (flags.isSet('version') && flags.string('version') !== 'false') {
    process.stdout.write(`Kubernetes ${version}\n`)
    process.exit(0)
  }
  if (flags.positional.length > 0) throw new FlagError(`unknown command ${flags.positional[0]}`)
  for (const { name, reason = '' } of flags.inertInUse) {
    klogS('I', 'flags.go:64', 'flag has no effect in the simulation', { flag: `--${name}`, reason })
  }
  return settingsOf(flags, minorVersion, hostname())
}

async function run(settings: KubeletSettings): Promise<void> {
  const place = placeFromEnvironment()
  klogS('I', 'server.go:525', 'Kubelet version', { kubeletVersion: version })
  const clientCaPem = clientCa(settings)
  const issued = servingFiles(settings, place)
  const keyPair = servingCertificate(settings, issued)
  const client =
    settings.kubeconfigFile === undefined ? undefined : await clientOf(settings.kubeconfigFile, settings, place)
  const nodeIp = settings.nodeIp ?? place.face ?? '127.0.0.1'
  const { nodeName, staticPodPath, syncMs } = settings
  if (client === undefined) klogS('I', 'server.go:655', 'Standalone mode, no API client')
  const pods = new NodePods({ client, nodeName, nodeIp, staticPodPath, hostRoot: place.root, syncMs })
  const gate = new Gate(settings, client, clientCaPem)
  const handler = new Handler({ settings, pods, gate, version })

  await listenSecurely({ settings, place, handler, keyPair, clientCaPem })
  klogS('I', 'server.go:180', 'Starting to listen', { address: settings.address, port: settings.port })
  if (settings.readOnlyPort > 0) {
    await listenReadOnly(place, settings, new Handler({ settings, pods, gate: undefined, version }))
    klogS('I', 'server.go:195', 'Starting to listen read-only', {
      address: settings.address,
      port: settings.readOnlyPort,
    })
  }
  if (settings.healthzPort > 0) await listenHealthz(place, settings)
  if (client) {
    const { nodeLabels: labels, registerNode: register, port } = settings
    if (issued) void keepServing(issued, client, nodeName, nodeIp)
    new Node({ client, name: nodeName, ip: nodeIp, port, labels, version, minorVersion, register }).start()
  }
  pods.start()
  if (place.root !== undefined) (await import('./server/runtime-socket.ts')).listenRuntime(place.root, pods)
}

/** The bundle of the moment: a CA that was taken out of the file is one no more. */
function clientCa({ clientCaFile }: KubeletSettings): () => string | undefined {
  if (clientCaFile === undefined) return () => undefined
  const read = rereadFile(clientCaFile, (why) => new SettingsError(`failed to run Kubelet: ${why}`))
  if (pemBlocks(read() ?? '').length === 0) {
    const bundle = `error loading CA bundle for "client-ca-bundle::${clientCaFile}"`
    throw new SettingsError(
      `failed to run Kubelet: ${bundle}: data does not contain any valid RSA or ECDSA certificates`,
    )
  }
  return read
}

/** Of the host that this kubelet stands on, in a run. */
function certificateFolder({ certificateFolder: folder }: KubeletSettings, { root = '/' }: Place): string {
  return folder ?? join(root, '/var/lib/kubelet/pki')
}

/** Where a serving certificate lies that is to be asked for; undefined of a kubelet that was given one or makes its own. */
function servingFiles(settings: KubeletSettings, place: Place): CertificateFiles | undefined {
  const { serverTlsBootstrap, tlsCertFile } = settings
  if (!serverTlsBootstrap || tlsCertFile !== undefined) return undefined
  return new CertificateFiles(certificateFolder(settings, place), 'kubelet-server')
}

function keepServing(files: CertificateFiles, client: KubeClient, nodeName: string, nodeIp: string): Promise<never> {
  return rotateCertificate({
    signerName: 'kubernetes.io/kubelet-serving',
    usages: ['digital signature', 'server auth'],
    subject: { commonName: `system:node:${nodeName}`, organization: 'system:nodes', names: [nodeName, nodeIp] },
    files,
    current: () => files.current(),
    client: () => client,
  })
}

async function clientOf(kubeconfigFile: string, settings: KubeletSettings, place: Place): Promise<KubeClient> {
  const { bootstrapKubeconfigFile, rotateCertificates: rotates, nodeName } = settings
  const userAgent = `kubelet/${version} (linux/amd64) kubernetes`
  const connect = (kubeconfig: Kubeconfig): KubeClient => apiClient({ kubeconfig, place, userAgent })
  const folder = certificateFolder(settings, place)
  try {
    return await apiCredential({ kubeconfigFile, bootstrapKubeconfigFile, rotates, nodeName, folder, connect })
  } catch (error) {
    throw new SettingsError(`failed to run Kubelet: ${(error as Error).message}`)
  }
}
