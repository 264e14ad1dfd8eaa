/** An etcd member as a process on free ports, with its whole log. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ComponentProcess } from '../../../lib/cluster/component-process.ts'
import { nodeCommand, TLS_ENVIRONMENT } from '../../../lib/cluster/node-command.ts'
import type { WitnessLine } from '../../../lib/cluster/witness.ts'
import { entryPoint } from '../../../lib/settings/entry-point.ts'
import { recorded } from './recorded-pki.ts'

export interface LogLine {
  level: string
  msg: string
  [field: string]: unknown
}

/** A recorded flag set, as flagsets.json has it. */
export function flagSet(name: string): string[] {
  const set = recorded<{ name: string; flags: string[] }>('flagsets.json').find((each) => each.name === name)
  if (!set) throw new Error(`no flag set named ${name}`)
  return set.flags
}

export const MAIN = entryPoint('sim/etcd')

/** A member alone, without TLS: for what is about other things. */
export const PLAIN_MEMBER = [
  '--name=m1',
  '--data-dir={data}',
  '--listen-client-urls=http://{client}',
  '--advertise-client-urls=http://{client}',
  '--listen-peer-urls=http://{peer}',
  '--initial-advertise-peer-urls=http://{peer}',
  '--initial-cluster=m1=http://{peer}',
]

/** Everything of a member starts within this, on a machine that is busy with other tests. */
const DEADLINE_MS = 15_000

/** Ports and folders that the recorded flags name in braces. */
export class MemberPlace {
  readonly folder = mkdtempSync(join(tmpdir(), 'etcd-member-'))
  readonly pki = join(this.folder, 'pki')
  readonly data = join(this.folder, 'data')
  readonly ports = new Map<string, number>()

  static async create(): Promise<MemberPlace> {
    const place = new MemberPlace()
    mkdirSync(place.pki)
    // Taken together, so that they differ.
    const servers = ['client', 'peer', 'metrics', 'httponly'].map((name) => ({ name, server: createServer() }))
    for (const { name, server } of servers) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      place.ports.set(name, (server.address() as { port: number }).port)
    }
    await Promise.all(servers.map(({ server }) => new Promise((resolve) => server.close(resolve))))
    return place
  }

  get clientPort(): number {
    return this.ports.get('client')!
  }

  /** `https://{client}` -> `https://127.0.0.1:40001` */
  fill(text: string): string {
    return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => {
      if (name === 'pki') return this.pki
      if (name === 'data') return this.data
      const port = this.ports.get(name)
      return port === undefined ? whole : `127.0.0.1:${port}`
    })
  }

  /** The other way round, for texts that a member wrote. */
  mask(text: string): string {
    let masked = text.replaceAll(this.pki, '{pki}').replaceAll(this.data, '{data}')
    for (const [name, port] of this.ports) masked = masked.replaceAll(`127.0.0.1:${port}`, `{${name}}`)
    return masked
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export class MemberProcess {
  readonly process: ComponentProcess
  readonly witnessed: WitnessLine[] = []
  readonly log: LogLine[] = []
  /** What was no JSON, such as usage. */
  readonly plain: string[] = []
  readonly #lookers = new Set<() => void>()
  #rest = ''

  constructor(place: MemberPlace, flags: readonly string[], environment: Record<string, string> = {}) {
    this.process = new ComponentProcess({
      component: 'etcd',
      host: 'etcd-1',
      command: nodeCommand([MAIN, ...flags.map((flag) => place.fill(flag))], { tls: true }),
      environment: { ...TLS_ENVIRONMENT, ...environment },
      folder: place.folder,
    })
    this.process.on('witness', (line) => {
      this.witnessed.push(line)
      this.#changed()
    })
    this.process.on('exit', () => this.#changed())
    this.process.child.stderr!.setEncoding('utf8').on('data', (text: unknown) => this.#hear(String(text)))
  }

  /** Whether it serves; false where it ended instead. */
  async serves(): Promise<boolean> {
    const isUp = (): boolean | undefined =>
      this.log.some(({ msg }) => msg === 'ready to serve client requests') || (this.process.exited ? false : undefined)
    return this.until(isUp, 'serving')
  }

  /** Resolves with the first answer that is not undefined, looking again whenever the member says something or ends. */
  until<T>(look: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (): void => done(() => reject(new Error(`waited in vain for ${what}\n${this.process.lastWords}`)))
      const timer = setTimeout(fail, DEADLINE_MS)
      const done = (how: () => void): void => {
        clearTimeout(timer)
        this.#lookers.delete(again)
        how()
      }
      const again = (): void => {
        const found = look()
        if (found !== undefined) done(() => resolve(found))
      }
      this.#lookers.add(again)
      again()
    })
  }

  /** The line about a connection from there, as far as it has come: `after` that many others, as a port is used again. */
  find(remote: string, after: number): LogLine | undefined {
    return this.log.slice(after).find((line) => line['remote-addr'] === remote)
  }

  lineAbout(remote: string, after: number): Promise<LogLine> {
    return this.until(() => this.find(remote, after), `a log line about ${remote}`)
  }

  #hear(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.startsWith('{')) this.log.push(JSON.parse(line) as LogLine)
      else if (line !== '') this.plain.push(line)
    }
    this.#changed()
  }

  #changed(): void {
    for (const look of this.#lookers) look()
  }
}
