/** The processes of a cluster: started, heard, and ended; the wire listens where they do. */
import { join } from 'node:path'
import type { Launch } from '../posture/render-host.ts'
import type { Wire } from '../wire/control.ts'
import { OPERATOR } from '../wire/link.ts'
import type { AddressPlan } from './addresses.ts'
import { simulatedCommand } from './component-command.ts'
import { ComponentProcess } from './component-process.ts'
import { TLS_ENVIRONMENT } from './node-command.ts'
import { realCommand, type RealBinary } from './real-binary.ts'
import { speakFor } from './real-witness.ts'
import type { RunFolder } from './run-folder.ts'
import type { WitnessFacts, WitnessLine } from './witness.ts'

/** Those that hold a Lease give it back on the way out: while the API still answers. */
const LEASE_HOLDERS = new Set(['kube-scheduler', 'kube-controller-manager'])

/** A Lease that is not given back keeps the next one waiting for 15 s: worth some patience on a busy machine. */
const STOP_GRACE_MS = 5000

export interface ComponentsOptions {
  plan: AddressPlan
  run: RunFolder
  wire: Wire
  /** Whether each process writes its TLS session keys down. */
  sessionKeys: boolean
  /** Binaries that stand in for simulated components. */
  real: readonly RealBinary[]
}

export class Components {
  readonly #options: ComponentsOptions
  readonly #processes = new Map<string, ComponentProcess>()
  readonly #opened = new Set<ComponentProcess>()
  /** `host port` -> component. */
  readonly #listeners = new Map<string, string>()
  #said = 0
  /** Every witness line so far, in the order heard. */
  readonly witnessed: WitnessLine[] = []

  constructor(options: ComponentsOptions) {
    this.#options = options
  }

  get all(): readonly ComponentProcess[] {
    return [...this.#processes.values()]
  }

  /** Notes what somebody said who is no component: an honest person's tool. */
  hear(component: string, facts: WitnessFacts): void {
    const sequence = ++this.#said
    this.witnessed.push({ time: new Date().toISOString(), sequence, host: OPERATOR, component, ...facts })
  }

  /** The component that listens there now, on the host's back. */
  at(host: string, port: number): string | undefined {
    return this.#listeners.get(`${host} ${port}`)
  }

  /** Whether a process has opened a port since it was started. */
  hasOpened(launch: Launch): boolean {
    const process = this.#processes.get(keyOf(launch))
    return process !== undefined && this.#opened.has(process)
  }

  start(launches: readonly Launch[]): void {
    for (const launch of launches) {
      const process = new ComponentProcess({
        component: launch.component,
        host: launch.host,
        command: this.#commandOf(launch),
        folder: this.#options.run.path,
        environment: this.#environmentOf(launch),
      })
      this.#processes.set(keyOf(launch), process)
      this.#options.run.watch(process.pid)
      process.on('witness', (line) => {
        this.witnessed.push(line)
        if (line.about === 'listener') this.#noteListener(line, process)
      })
      process.on('exit', () => this.#forgetListeners(launch, process))
      const real = this.#realBinaryOf(launch)
      if (real) speakFor(process, real)
    }
  }

  /** Ends processes politely: who holds a Lease first, as it is given back to the API. */
  async stop(launches: readonly Launch[]): Promise<void> {
    const holders = launches.filter(({ component }) => LEASE_HOLDERS.has(component))
    const members = launches.filter(({ component }) => component === 'etcd')
    const others = launches.filter((launch) => !holders.includes(launch) && !members.includes(launch))
    const politely = (process: ComponentProcess): Promise<void> => process.stop(STOP_GRACE_MS)
    await Promise.all(this.#taken(holders).map(politely))
    await Promise.all([...this.#taken(others).map(politely), this.#stopMembers(this.#taken(members))])
  }

  /**
   * One by one, as who leads hands over to another. Where none stays it would wait for those that have just left; what
   * etcd acknowledged is on the disk however it ends.
   */
  async #stopMembers(members: readonly ComponentProcess[]): Promise<void> {
    if (this.all.some(({ spec }) => spec.component === 'etcd')) {
      for (const member of members) await member.stop(STOP_GRACE_MS)
    } else await Promise.all(members.map((member) => member.kill()))
  }

  /** Nobody's component any more: its end is wanted. */
  #taken(launches: readonly Launch[]): ComponentProcess[] {
    const processes = launches.flatMap((launch) => this.#processes.get(keyOf(launch)) ?? [])
    for (const launch of launches) this.#processes.delete(keyOf(launch))
    return processes
  }

  async killAll(): Promise<void> {
    await Promise.all(this.all.map((process) => process.kill()))
  }

  keyLogFiles(host: string): string[] {
    return this.all.filter(({ spec }) => spec.host === host).map(({ spec }) => this.#keyLogFile(spec))
  }

  #realBinaryOf({ component }: Pick<Launch, 'component'>): RealBinary | undefined {
    return this.#options.real.find((each) => each.component === component)
  }

  #commandOf(launch: Launch): string[] {
    const real = this.#realBinaryOf(launch)
    if (real) return realCommand(real, launch, this.#options.plan.host(launch.host))
    const keyLog = this.#options.sessionKeys ? [`--tls-keylog=${this.#keyLogFile(launch)}`, '--no-warnings'] : []
    return simulatedCommand(launch.component, launch.args, keyLog)
  }

  #keyLogFile({ component, host }: { component: string; host: string }): string {
    return join(this.#options.run.path, `${component}.${host}.keylog`)
  }

  #environmentOf(launch: Launch): Record<string, string> {
    if (this.#realBinaryOf(launch)) return { PATH: process.env['PATH'] ?? '', ...launch.environment }
    const { face, back, loop } = this.#options.plan.host(launch.host)
    return {
      ...TLS_ENVIRONMENT,
      ...launch.environment,
      MTLS_RANGE_HOST: launch.host,
      MTLS_RANGE_FACE: face,
      MTLS_RANGE_BACK: back,
      MTLS_RANGE_LOOP: loop,
      MTLS_RANGE_ROOT: join(this.#options.run.path, 'hosts', launch.host),
      ...(launch.version ? { MTLS_RANGE_VERSION: `v${launch.version.replace(/^v/, '')}` } : {}),
    }
  }

  /** The wire listens on a face's port while the host's back does; a host's own loop is nobody else's. */
  #noteListener(line: WitnessLine, process: ComponentProcess): void {
    this.#opened.add(process)
    const at = line.local?.lastIndexOf(':') ?? -1
    if (at === -1) return
    const address = line.local!.slice(0, at)
    const port = Number(line.local!.slice(at + 1))
    const host = this.#options.plan.hostAt(address)
    if (host?.back !== address) return
    const isOpen = line.decision === 'open'
    if (isOpen) this.#listeners.set(`${host.name} ${port}`, line.component)
    else this.#listeners.delete(`${host.name} ${port}`)
    // A wire that is gone has said so by itself.
    void this.#options.wire[isOpen ? 'open' : 'close'](host.name, port).catch(() => {})
  }

  #forgetListeners(launch: Launch, process: ComponentProcess): void {
    this.#opened.delete(process)
    for (const [key, component] of this.#listeners) {
      const [host = '', port = ''] = key.split(' ')
      if (component !== launch.component || host !== launch.host) continue
      this.#listeners.delete(key)
      void this.#options.wire.close(host, Number(port)).catch(() => {})
    }
  }
}

function keyOf({ component, host }: Launch): string {
  return `${component} ${host}`
}
