/** A running cluster: its hosts, its network, its processes, and what each of them witnessed. */
import { chmodSync, copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseKubeconfig } from '../kube/kubeconfig.ts'
import type { Posture } from '../posture/posture.ts'
import type { IssuedPki } from '../posture/issue-pki.ts'
import { renderClusterObjects, renderHost, type RenderedHost } from '../posture/render-host.ts'
import type { KeyPair } from '../tls/listen.ts'
import type { LinkFilter } from '../wire/link.ts'
import type { Wire } from '../wire/control.ts'
import type { AddressPlan } from './addresses.ts'
import { affectedBy, leavesSealed, wantsNewStore } from './affected.ts'
import { CertificateAuthority } from './certificate-authority.ts'
import type { ComponentProcess } from './component-process.ts'
import type { Components } from './components.ts'
import { howOf } from './component-death.ts'
import { createObjects } from './create-objects.ts'
import type { MintedCertificate } from './minted-certificate.ts'
import { networkPolicy } from './network-policy.ts'
import { Operator } from './operator.ts'
import { leadersRenewed, waitUntilReady, type ReadyOptions } from './ready.ts'
import type { RunFolder } from './run-folder.ts'
import type { Site } from './site.ts'
import type { WitnessLine } from './witness.ts'

export { ATTACKER_HOST } from './site.ts'

/** What a cluster must do from its first moment on. */
export interface ClusterNeeds {
  /** Links to record: a recording that begins within a connection cannot be opened later. */
  taps: readonly LinkFilter[]
  /** Whether processes write their session keys down, for footholds that hold them. */
  sessionKeys: boolean
}

export interface ClusterParts {
  posture: Posture
  site: Site
  plan: AddressPlan
  run: RunFolder
  wire: Wire
  components: Components
  rendered: readonly RenderedHost[]
  pki: IssuedPki
  /** Link, as text, -> capture file. */
  captures: ReadonlyMap<string, string>
  sessionKeys: boolean
  release: () => Promise<void>
}

/** Leaders renew every two seconds; a client of etcd that was refused waits some before it dials again. */
const RECOVERY_MS = 8000

interface ReadyFacts {
  onStep?: (step: string) => void
  restarted?: NonNullable<ReadyOptions['restarted']>
}

export class Cluster {
  readonly #parts: ClusterParts
  readonly backs: ReadonlySet<string>
  readonly loops: ReadonlySet<string>
  #operator: Operator
  readonly #authority: CertificateAuthority
  /** Texts of the posture's objects that were created. */
  readonly #created = new Set<string>()
  #isRuined = false
  #stopped = false
  #wireDied = false

  constructor(parts: ClusterParts) {
    this.#parts = parts
    this.backs = new Set(parts.plan.hosts.map(({ back }) => back))
    this.loops = new Set(parts.plan.hosts.map(({ loop }) => loop))
    this.#authority = new CertificateAuthority({
      now: () => this.#parts,
      hostFolder: (host) => this.hostFolder(host),
      faceOf: (host) => this.plan.host(host).face,
    })
    this.#operator = this.#administrator()
    parts.wire.once('died', () => (this.#wireDied = true))
  }

  get posture(): Posture {
    return this.#parts.posture
  }

  get plan(): AddressPlan {
    return this.#parts.plan
  }

  get folder(): string {
    return this.#parts.run.path
  }

  get wire(): Wire {
    return this.#parts.wire
  }

  get operator(): Operator {
    return this.#operator
  }

  get processes(): readonly ComponentProcess[] {
    return this.#parts.components.all
  }

  /** Every witness line so far, in the order heard. */
  get witnessed(): readonly WitnessLine[] {
    return this.#parts.components.witnessed
  }

  hostFolder(host: string): string {
    return join(this.folder, 'hosts', host)
  }

  /** The component that listens there now. */
  componentAt(host: string, port: number): string | undefined {
    return this.#parts.components.at(host, port)
  }

  /** An act has done what cannot be undone. */
  ruin(): void {
    this.#isRuined = true
  }

  /** Whether more acts can be tried here. */
  get isFit(): boolean {
    return !this.#isRuined && this.firstDead() === undefined
  }

  /** Tells the janitor of a process that must not outlive the run. */
  watch(pid: number): void {
    this.#parts.run.watch(pid)
  }

  /** Whether the cluster records and writes down what is needed: that cannot be begun later. */
  offers(needs: ClusterNeeds): boolean {
    const taps = needs.taps.every((link) => this.#parts.captures.has(linkKey(link)))
    return taps && (!needs.sessionKeys || this.#parts.sessionKeys)
  }

  /**
   * Takes on another posture of the same hosts: files are written anew, and only those components are restarted that
   * are launched otherwise or read what changed. Certificates that the change does not touch stay the same.
   */
  async become(posture: Posture): Promise<void> {
    const { site, plan, components, rendered: before } = this.#parts
    const pki = await site.pki(posture)
    const rendered = posture.hosts.map(({ name }) =>
      renderHost(posture, name, { addresses: plan, pki, folder: this.folder }),
    )
    if (leavesSealed(before, rendered))
      throw new Error(`[cluster_sealed] ${posture.name}: Secrets of before would be unreadable`)
    if (wantsNewStore(before, rendered))
      throw new Error(`[cluster_store] ${posture.name}: etcd's data of before is of no use to it`)
    const { stop, start } = affectedBy(before, rendered)
    this.#parts.posture = posture
    this.#parts.rendered = rendered
    this.#parts.pki = pki
    await components.stop(stop)
    await this.#parts.wire.allow(networkPolicy(posture))
    const at = new Date()
    components.start(start)
    await this.#operator.close()
    this.#operator = this.#administrator()
    await this.ready({ restarted: { launches: start, at } })
  }

  /** Waits until every component answers from outside, and creates the posture's objects meanwhile. */
  async ready({ onStep = () => {}, restarted }: ReadyFacts = {}): Promise<void> {
    const { components, rendered, posture, plan } = this.#parts
    const launches = rendered.flatMap((host) => host.launches)
    await waitUntilReady({
      operator: this.#operator,
      components,
      launches,
      posture,
      ...(restarted ? { restarted } : {}),
      whenServing: async () => {
        onStep('kube-apiserver ready')
        const texts = renderClusterObjects(posture, plan).filter((text) => !this.#created.has(text))
        await createObjects(this.#operator, texts)
        for (const text of texts) this.#created.add(text)
        onStep('objects of the posture')
      },
    })
    onStep('all ready')
  }

  /** Waits until the way to the store, which somebody barred, is open again for those who lead. */
  recovered(): Promise<void> {
    return leadersRenewed(this.#operator, new Date(), RECOVERY_MS)
  }

  /** What anybody on the network can know, as seen from a host of it. */
  networkFacts(standsOn: string): {
    hosts: Record<string, string>
    apiserver: string
    etcd: string[]
    etcdPeers: string[]
    own: { face: string; back: string; loop: string }
  } {
    const { plan, posture } = this.#parts
    const { face, back, loop } = plan.host(standsOn)
    const hosts = Object.fromEntries(posture.hosts.map(({ name }) => [name, plan.host(name).face]))
    return {
      hosts,
      apiserver: this.#operator.client.server,
      etcd: this.#urlsOf('kube-apiserver', 'etcd-servers'),
      etcdPeers: this.#urlsOf('etcd', 'initial-advertise-peer-urls'),
      own: { face, back, loop },
    }
  }

  /** Copies what the tap on a link has recorded so far. @throws Error `[tap_missing]` where nobody asked for that tap. */
  async copyCapture(link: LinkFilter, to: string): Promise<void> {
    const capture = this.#parts.captures.get(linkKey(link))
    if (!capture) throw new Error(`[tap_missing] no tap was laid on ${linkKey(link)} when the cluster started`)
    // The tap writes at the end of each turn of the wire's loop; an answer from the wire says that turn is over.
    await this.wire.lastId()
    copyFileSync(capture, to)
    chmodSync(to, 0o600)
  }

  mint(wanted: MintedCertificate): Promise<KeyPair> {
    return this.#authority.mint(wanted)
  }

  /** Session keys of every process on a host so far, as an SSLKEYLOGFILE. */
  sessionKeys(host: string): string {
    const files = this.#parts.components.keyLogFiles(host).filter(existsSync)
    return files.map((file) => readFileSync(file, 'utf8')).join('')
  }

  /** Resolves when another witness line was heard, or after that long. */
  async heardMore(withinMs: number): Promise<void> {
    const { processes } = this
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, withinMs)
      function done(): void {
        clearTimeout(timer)
        for (const each of processes) each.off('witness', done)
        resolve()
      }
      for (const each of processes) each.on('witness', done)
    })
  }

  /**
   * `etcd on etcd-1 ended (SIGKILL)`, with the last line of its log where it went by itself, for a process that has died, besides
   * those whose last words match; undefined while all live.
   */
  firstDead(besides?: RegExp): string | undefined {
    const dead = this.processes.find((each) => each.exited !== undefined && !besides?.test(each.lastWords))
    const last = dead?.exited?.signal ? '' : `: ${dead?.lastWords.split('\n').at(-1) ?? ''}`
    if (dead) return `${dead.name} ended (${howOf(dead)}${last})`
    return this.#wireDied ? 'the wire ended' : undefined
  }

  /** Name of a process that has died, or of kube-apiserver where it does not answer; undefined when all is well. */
  async firstUnready(): Promise<string | undefined> {
    const dead = this.firstDead()
    if (dead) return dead
    const ready = await this.#operator.client.request({ path: '/readyz' }).catch(() => undefined)
    return ready?.status === 200 ? undefined : 'kube-apiserver'
  }

  /** Ends every process and removes every file. Safe to call twice. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    await this.#operator.close()
    await this.#parts.components.killAll()
    await this.wire.stop()
    await this.#parts.run.remove()
    await this.#parts.release()
  }

  #administrator(): Operator {
    const host = this.posture.hosts.find(({ role }) => role === 'control-plane')
    if (!host) {
      throw new Error(`[posture_control_plane] posture ${this.posture.name} has no host of role control-plane`)
    }
    const folder = join(this.hostFolder(host.name), 'etc/kubernetes')
    const admin = ['super-admin.conf', 'admin.conf'].map((name) => join(folder, name)).find(existsSync)
    if (!admin) {
      throw new Error(`[posture_admin] posture ${this.posture.name}: no admin.conf on ${host.name} to operate it with`)
    }
    const kubeconfig = parseKubeconfig(readFileSync(admin, 'utf8'))
    return new Operator({
      kubeconfig,
      faceOf: (name) => this.plan.host(name).face,
      witness: (tool, facts) => this.#parts.components.hear(tool, facts),
      loopOf: (name) => this.plan.host(name).loop,
      pidOf: (host, component) =>
        this.processes.find(({ spec }) => spec.host === host && spec.component === component)?.pid,
      openPort: async (host, port) => {
        await this.wire.open(host, port)
        return { address: this.plan.host(host).back, port, shut: () => this.wire.close(host, port) }
      },
      folderOf: (name) => this.hostFolder(name),
      watch: (pid) => this.watch(pid),
      authority: this.#authority,
      store: () => ({
        endpoints: this.#urlsOf('kube-apiserver', 'etcd-servers'),
        ...keyPairIn(join(folder, 'pki'), 'apiserver-etcd-client'),
      }),
    })
  }

  /** What a flag says in every launch of a component. */
  #urlsOf(component: 'kube-apiserver' | 'etcd', flag: string): string[] {
    const launches = this.#parts.rendered.flatMap((host) => host.launches)
    const values = launches
      .filter((launch) => launch.component === component)
      .map(({ args }) => args.find((arg) => arg.startsWith(`--${flag}=`))?.slice(flag.length + 3) ?? '')
    return [...new Set(values.join(',').split(','))].filter(Boolean)
  }
}

/** A pair on a host's disk, where there is one. */
function keyPairIn(folder: string, name: string): { keyPair?: KeyPair } {
  const [cert, key] = ['crt', 'key'].map((kind) => join(folder, `${name}.${kind}`))
  if (!existsSync(cert!) || !existsSync(key!)) return {}
  return { keyPair: { cert: readFileSync(cert!, 'utf8'), key: readFileSync(key!, 'utf8') } }
}

export function linkKey({ from = '*', to = '*', port }: LinkFilter): string {
  return `${from} -> ${to}:${port ?? '*'}`
}
