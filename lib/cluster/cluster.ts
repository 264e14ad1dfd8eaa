/** A running cluster: its hosts, its network, its processes, and what each of them witnessed. */
import { chmodSync, copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Posture } from '../posture/posture.ts'
import type { LinkFilter } from '../wire/link.ts'
import type { Wire } from '../wire/control.ts'
import type { AddressPlan } from './addresses.ts'
import type { ComponentProcess } from './component-process.ts'
import { mint, readAuthority, type MintedCertificate } from './minted-certificate.ts'
import type { Operator } from './operator.ts'
import type { RunFolder } from './run-folder.ts'
import type { WitnessLine } from './witness.ts'

/** The host that an attacker without one of the cluster's stands on. */
export const ATTACKER_HOST = 'attacker'

/** What a cluster must do from its first moment on. */
export interface ClusterNeeds {
  /** Links to record: a recording that begins within a connection cannot be opened later. */
  taps: readonly LinkFilter[]
  /** Whether processes write their session keys down, for footholds that hold them. */
  sessionKeys: boolean
}

export interface ClusterParts {
  posture: Posture
  plan: AddressPlan
  run: RunFolder
  wire: Wire
  operator: Operator
  processes: readonly ComponentProcess[]
  witnessed: WitnessLine[]
  /** `host port` -> component. */
  listeners: ReadonlyMap<string, string>
  /** Link, as text, -> capture file. */
  captures: ReadonlyMap<string, string>
  apiserver: string
  etcd: readonly string[]
  release: () => Promise<void>
}

export class Cluster {
  readonly #parts: ClusterParts
  readonly backs: ReadonlySet<string>
  readonly loops: ReadonlySet<string>
  #stopped = false

  constructor(parts: ClusterParts) {
    this.#parts = parts
    this.backs = new Set(parts.plan.hosts.map(({ back }) => back))
    this.loops = new Set(parts.plan.hosts.map(({ loop }) => loop))
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
    return this.#parts.operator
  }

  get processes(): readonly ComponentProcess[] {
    return this.#parts.processes
  }

  /** Every witness line so far, in the order heard. */
  get witnessed(): readonly WitnessLine[] {
    return this.#parts.witnessed
  }

  hostFolder(host: string): string {
    return hostFolder(this.folder, host)
  }

  /** The component that listens there now. */
  componentAt(host: string, port: number): string | undefined {
    return this.#parts.listeners.get(`${host} ${port}`)
  }

  /** Tells the janitor of a process that must not outlive the run. */
  watch(pid: number): void {
    this.#parts.run.watch(pid)
  }

  /** What anybody on the network can know, as seen from a host of it. */
  networkFacts(standsOn: string): {
    hosts: Record<string, string>
    apiserver: string
    etcd: string[]
    own: { face: string; back: string }
  } {
    const { plan, posture, apiserver, etcd } = this.#parts
    const { face, back } = plan.host(standsOn)
    const hosts = Object.fromEntries(posture.hosts.map(({ name }) => [name, plan.host(name).face]))
    return { hosts, apiserver, etcd: [...etcd], own: { face, back } }
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

  async mint(wanted: MintedCertificate) {
    const pki = this.hostFolder('control-plane-1')
    return mint(
      wanted,
      (name) =>
        name === 'ca'
          ? readAuthority(pki, '/etc/kubernetes/pki/ca.crt', '/etc/kubernetes/pki/ca.key')
          : readAuthority(
              this.hostFolder('etcd-1'),
              '/etc/kubernetes/pki/etcd/ca.crt',
              '/etc/kubernetes/pki/etcd/ca.key',
            ),
      (host) => this.plan.host(host).face,
    )
  }

  /** Session keys of every process on a host so far, as an SSLKEYLOGFILE. */
  sessionKeys(host: string): string {
    const files = this.processes
      .filter(({ spec }) => spec.host === host)
      .map(({ spec }) => keyLogFile(this.folder, spec))
    return files.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')).join('')
  }

  /** Resolves when another witness line was heard, or after that long. */
  async heardMore(withinMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, withinMs)
      const { processes } = this
      function done(): void {
        clearTimeout(timer)
        for (const each of processes) each.off('witness', done)
        resolve()
      }
      for (const each of processes) each.on('witness', done)
    })
  }

  /** Name of a process that has died, or of kube-apiserver where it does not answer; undefined when all is well. */
  async firstUnready(): Promise<string | undefined> {
    const dead = this.processes.find(({ exited }) => exited !== undefined)
    if (dead) return dead.name
    const ready = await this.operator.client.request({ path: '/readyz' }).catch(() => undefined)
    return ready?.status === 200 || this.posture.name === 'open' ? undefined : 'kube-apiserver'
  }

  /** Ends every process and removes every file. Safe to call twice. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    await this.operator.close()
    await Promise.all(this.processes.map((each) => each.kill()))
    await this.wire.stop()
    await this.#parts.run.remove()
    await this.#parts.release()
  }
}

export function hostFolder(runFolder: string, host: string): string {
  return join(runFolder, 'hosts', host)
}

export function linkKey({ from = '*', to = '*', port }: LinkFilter): string {
  return `${from} -> ${to}:${port ?? '*'}`
}

export function keyLogFile(runFolder: string, spec: { component: string; host: string }): string {
  return join(runFolder, `${spec.component}.${spec.host}.keylog`)
}
