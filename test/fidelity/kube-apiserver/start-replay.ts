/** Starts kube-apiserver with the flags and files of start.json, and tells whether it serves or ends, and with which words. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ComponentProcess } from '../../../lib/cluster/component-process.ts'
import { nodeCommand, TLS_ENVIRONMENT } from '../../../lib/cluster/node-command.ts'
import { issue } from '../../../lib/x509/issue.ts'
import { ApiWorld, freePort, mainOf } from '../../sim/kube-apiserver/api-world.ts'
import { recorded } from './recorded-world.ts'

export interface StartRow {
  id: string
  flags: Record<string, string | null>
  /** Arguments in place of flags. */
  args?: string[]
  /** What lies in the file below conf/ that a flag names. */
  file?: string
  exit: number | null
  lines: string[]
}

interface FlagSet {
  name: string
  flags?: Record<string, string>
}

const HOUR_MS = 3_600_000
const SERVES_MS = 20_000
/** Lines about something else, or with more in them than a start decides. */
const PASSED_OVER = /cidrallocator|\[core\]|^W (?!secure_serving|authentication\.go|reader)/

export class StartReplay {
  readonly #world: ApiWorld
  readonly #base: Record<string, string>

  private constructor(world: ApiWorld, base: Record<string, string>) {
    this.#world = world
    this.#base = base
  }

  static async create(): Promise<StartReplay> {
    const world = await ApiWorld.create()
    world.startEtcd()
    await writeFiles(world)
    const base = recorded<FlagSet>('flagsets.json').find(({ name }) => name === 'base')?.flags ?? {}
    return new StartReplay(world, base)
  }

  async end(): Promise<void> {
    await this.#world.end()
  }

  /** `undefined` where the server does and says what the row has. */
  async replay(row: StartRow): Promise<{ expected: string; got: string } | undefined> {
    const wanted = row.lines.filter((line) => !PASSED_OVER.test(line)).map((line) => line.trimEnd())
    const { exit, said } = await this.#start(row)
    const missing = wanted.filter((line) => !said.includes(line))
    if (exit === row.exit && missing.length === 0) return undefined
    const decisive = said.filter((line) => /^(Error:|[EW] )/.test(line) && !PASSED_OVER.test(line))
    return { expected: JSON.stringify([row.exit, wanted]), got: JSON.stringify([exit, decisive]) }
  }

  async #start(row: StartRow): Promise<{ exit: number | null; said: string[] }> {
    const { folder } = this.#world
    const here = (text: string): string => text.replaceAll('<dir>', folder)
    const conf = Object.values(row.flags).find((value) => value?.startsWith('<dir>/conf/'))
    if (row.file !== undefined && conf) writeFileSync(here(conf), row.file)
    const own = { '--bind-address': '127.0.0.1', '--secure-port': String(await freePort()) }
    const etcd = { '--etcd-servers': this.#world.etcdUrl }
    const flags: Record<string, string | null> = { ...this.#base, ...own, ...etcd, ...row.flags }
    const given = Object.entries(flags).flatMap(([name, value]) => (value === null ? [] : [`${name}=${here(value)}`]))
    const server = new ComponentProcess({
      component: 'kube-apiserver',
      host: 'control-plane-1',
      command: nodeCommand([mainOf('kube-apiserver'), ...given, ...(row.args ?? []).map(here)], { tls: true }),
      environment: TLS_ENVIRONMENT,
      folder,
    })
    let out = ''
    server.child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
    const serves = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), SERVES_MS)
      const end = (answer: boolean): void => {
        clearTimeout(timer)
        resolve(answer)
      }
      server.on('witness', ({ about }) => about === 'listener' && end(true))
      server.on('exit', () => end(false))
    })
    const exit = serves ? null : (server.exited?.code ?? -1)
    await server.kill()
    const said = `${server.lastWords}\n${out}`.split('\n').map((line) =>
      line
        .replaceAll(folder, '<dir>')
        .replace(/^([EWI])\d{4} \S+ +\d+ ([\w.]+):\d+\]/, '$1 $2]')
        .trimEnd(),
    )
    return { exit, said }
  }
}

async function writeFiles(world: ApiWorld): Promise<void> {
  for (const folder of ['pki/etcd', 'clients', 'conf']) mkdirSync(world.path(folder), { recursive: true })
  const copies = {
    'ca.crt': 'pki/ca.crt',
    'ca.key': 'pki/ca.key',
    'etcd-ca.crt': 'pki/etcd/ca.crt',
    'sa.key': 'pki/sa.key',
    'sa.pub': 'pki/sa.pub',
  }
  for (const [from, to] of Object.entries(copies)) copyFileSync(world.path(from), world.path(to))
  for (const name of ['apiserver', 'apiserver-etcd-client']) {
    for (const end of ['crt', 'key']) copyFileSync(world.path(`${name}.${end}`), world.path(`pki/${name}.${end}`))
  }
  const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + HOUR_MS) }
  const proxyCa = await issue({ commonName: 'front-proxy-ca', isCa: true, ...validity })
  const save = async (path: string, commonName: string): Promise<void> => {
    const { certificate, privateKey } = await issue({ commonName, usages: ['clientAuth'], ...validity }, proxyCa)
    writeFileSync(world.path(`${path}.crt`), certificate)
    writeFileSync(world.path(`${path}.key`), privateKey)
  }
  writeFileSync(world.path('pki/front-proxy-ca.crt'), proxyCa.certificate)
  await save('pki/front-proxy-client', 'front-proxy-client')
  await save('pki/apiserver-kubelet-client', 'kube-apiserver-kubelet-client')
  await save('clients/admin', 'kubernetes-admin')
  writeFileSync(join(world.folder, 'conf/empty'), '')
}
