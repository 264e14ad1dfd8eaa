/** Writes one host's files for a run, and says what to start on it. */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { manifestsOf } from './change-posture.ts'
import { COMPONENTS, type Component } from './component.ts'
import { freshEncryptionKeys } from './fresh-encryption-keys.ts'
import { freshTokens } from './fresh-tokens.ts'
import { issuePki, type IssuedPki, type IssueOptions } from './issue-pki.ts'
import { hasKubelet, kubeletArguments } from './kubelet-service.ts'
import { mapManifest, readManifest, type Manifest } from './manifest.ts'
import { mapAddresses, type Addressing } from './map-addresses.ts'
import { isClusterPath, mapArgument, mapFileText, type HostMapping } from './map-host-text.ts'
import { modeOf, type PostureHost } from './posture-file.ts'
import { hostFiles, postureFile, type Posture } from './posture.ts'

/** One process to start: path, arguments and environment are all that a component gets. */
export interface Launch {
  component: Component
  host: string
  /** `1.36.2`; a kubelet has that of its cluster's kube-apiserver. Empty where no image tag says. */
  version: string
  args: string[]
  environment: Record<string, string>
  /** The file of the host that says so, as an absolute path on the host. */
  source: string
}

export interface RenderedHost {
  /** Stands for the host's root folder. */
  root: string
  /** In the order of COMPONENTS. */
  launches: Launch[]
  /** Static Pods of nothing that a range knows. */
  ignored: string[]
  /** Every file written, by its path on the host. */
  files: ReadonlyMap<string, string>
}

export interface Run {
  addresses: Addressing
  pki: IssuedPki
  /** The run's folder; a host lies in `hosts/<name>` below it. */
  folder: string
}

const MANIFESTS = '/etc/kubernetes/manifests/'
const KUBELET_DROP_IN = '/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf'
const FOLDER_MODE = 0o755
const FILE_MODE = 0o644

/** Issues a posture's PKI for a run's addresses. */
export function issuePostureMaterial(
  posture: Posture,
  addresses: Addressing,
  options: Pick<IssueOptions, 'now' | 'memory'> = {},
): Promise<IssuedPki> {
  const faces = new Map(posture.hosts.map((host) => [host.address, addresses.face(host.name).address]))
  const hosts = posture.hosts.map(({ name, role }) => ({
    name,
    role,
    address: addresses.face(name).address,
    loop: addresses.loop(name).address,
  }))
  return issuePki(posture.pki, hosts, { ...options, mapAddress: (address) => faces.get(address) ?? address })
}

/** @throws PostureError where a manifest cannot be read. */
export function renderHost(posture: Posture, hostName: string, run: Run): RenderedHost {
  const host = posture.hosts.find((each) => each.name === hostName)
  if (!host) throw new Error(`[host_unknown] ${hostName}: posture ${posture.name} has no such host`)
  const root = join(run.folder, 'hosts', host.name)
  const mapping: HostMapping = { host, hosts: posture.hosts, addressing: run.addresses, root }
  const files = hostFiles(posture, host.name)
  const tree = new HostTree(root, posture, host)
  const renewed = freshTokens(posture, run.pki.seed)
  const rendered: RenderedHost = { root, launches: [], ignored: [], files: tree.files }

  for (const [path, text] of files) {
    const manifest =
      path.startsWith(MANIFESTS) && /\.(ya?ml|json)$/.test(path)
        ? readManifest(postureFile(posture, hostName, path), text)
        : undefined
    if (manifest) {
      const mapped = mapManifest(
        text,
        (argument) => mapArgument(mapping, manifest.component, argument, manifest.mounts),
        (rest) => mapFileText(mapping, rest),
      )
      tree.write(path, mapped)
      for (const { hostPath, create } of manifest.mounts) if (create && isClusterPath(hostPath)) tree.folder(hostPath)
      rendered.launches.push(launchOf(path, manifest, mapping))
    } else {
      if (path.startsWith(MANIFESTS)) rendered.ignored.push(path)
      tree.write(path, renewed(freshEncryptionKeys(mapFileText(mapping, text), run.pki.seed)))
    }
  }
  for (const { path, text, encoding, mode } of run.pki.files.get(host.name) ?? []) {
    if (encoding) tree.write(path, text, mode, encoding)
    else tree.write(path, renewed(mapFileText(mapping, text)), mode)
  }
  tree.namedFolders()
  if (hasKubelet(files)) {
    // the kubelet's package brings this folder along
    tree.folder(dirname(`${MANIFESTS}x`))
    rendered.launches.push({
      component: 'kubelet',
      host: host.name,
      version: kubernetesVersion(posture),
      args: kubeletArguments(files).map((argument) => mapArgument(mapping, 'kubelet', argument)),
      environment: {},
      source: KUBELET_DROP_IN,
    })
  }
  rendered.launches.sort((one, other) => COMPONENTS.indexOf(one.component) - COMPONENTS.indexOf(other.component))
  return rendered
}

function launchOf(source: string, manifest: Manifest, mapping: HostMapping): Launch {
  const map = (argument: string): string => mapArgument(mapping, manifest.component, argument, manifest.mounts)
  const environment = Object.entries(manifest.environment).map(([name, value]) => {
    // etcd reads a flag's value from the environment too: ETCD_LISTEN_CLIENT_URLS is --listen-client-urls.
    const flag = name
      .replace(/^ETCD_/, '')
      .toLowerCase()
      .replaceAll('_', '-')
    return [name, map(`--${flag}=${value}`).slice(flag.length + 3)]
  })
  return {
    component: manifest.component,
    host: mapping.host.name,
    version: manifest.version,
    args: manifest.args.map(map),
    environment: Object.fromEntries(environment),
    source,
  }
}

const versions = new WeakMap<Posture, string>()

/** The version of the cluster: its kube-apiserver's image tag. */
export function kubernetesVersion(posture: Posture): string {
  const known = versions.get(posture)
  if (known !== undefined) return known
  const [file] = manifestsOf(posture, 'kube-apiserver')
  const version = file === undefined ? '' : (readManifest(file, posture.files.get(file) ?? '')?.version ?? '')
  versions.set(posture, version)
  return version
}

/** Objects of cluster/*.yaml as text in the run's addresses; several documents to a file, in order of file name. */
export function renderClusterObjects(posture: Posture, addresses: Addressing): string[] {
  const owners = new Map(posture.hosts.map((host) => [host.address, host.name]))
  return [...posture.files]
    .filter(([path]) => path.startsWith('cluster/'))
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([, text]) =>
      mapAddresses(text, [...owners.keys()], (address, port) => addresses.face(owners.get(address) ?? '', port)),
    )
}

/** Writes files with the modes that the posture gives them, whatever the umask. */
class HostTree {
  readonly root: string
  readonly posture: Posture
  readonly host: PostureHost
  readonly files = new Map<string, string>()

  constructor(root: string, posture: Posture, host: PostureHost) {
    this.root = root
    this.posture = posture
    this.host = host
    this.folder('/')
  }

  write(path: string, text: string, mode?: number, encoding: BufferEncoding = 'utf8'): void {
    this.files.set(path, text)
    this.folder(dirname(path))
    const file = join(this.root, path)
    const wanted = mode ?? modeOf(this.posture.modes, this.host, path) ?? FILE_MODE
    writeFileSync(file, text, { mode: wanted, encoding })
    chmodSync(file, wanted)
  }

  folder(path: string): void {
    const folder = join(this.root, path)
    if (existsSync(folder)) return
    if (path !== '/') this.folder(dirname(path))
    const wanted = modeOf(this.posture.modes, this.host, path.endsWith('/') ? path : `${path}/`) ?? FOLDER_MODE
    mkdirSync(folder, { recursive: true, mode: wanted })
    chmodSync(folder, wanted)
  }

  /** Folders that posture.yaml names for this host by role or name exist even when empty: /var/lib/etcd. */
  namedFolders(): void {
    for (const { on, path } of this.posture.modes) {
      const here = on === this.host.name || on === this.host.role
      if (here && path.endsWith('/') && !path.includes('*')) this.folder(path.slice(0, -1) || '/')
    }
  }
}
