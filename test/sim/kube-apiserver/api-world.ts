/** A kube-apiserver and its etcd as processes, with a PKI of their own and clients of it. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ComponentProcess } from '../../../lib/cluster/component-process.ts'
import { nodeCommand, TLS_ENVIRONMENT } from '../../../lib/cluster/node-command.ts'
import type { WitnessLine } from '../../../lib/cluster/witness.ts'
import { etcdClient } from '../../../lib/etcd/client.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { KubeClient } from '../../../lib/kube/client.ts'
import { issue } from '../../../lib/x509/issue.ts'
import type { Issued } from '../../../lib/x509/certificate-spec.ts'
import { entryPoint } from '../../../lib/settings/entry-point.ts'

const DEADLINE_MS = 15_000
const SECRETBOX_KEY = Buffer.alloc(32, 1).toString('base64')
const ENCRYPTION = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - secretbox: {keys: [{name: key1, secret: "${SECRETBOX_KEY}"}]}
  - identity: {}
`
const HOUR_MS = 3_600_000

const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + HOUR_MS) }

export interface ClientName {
  commonName: string
  organizations?: string[]
  /** Signed by etcd's CA, which is not the cluster's. */
  foreign?: boolean
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Three at once, so that none is given twice. */
async function freePorts(): Promise<{ etcd: number; peer: number; api: number }> {
  const [etcd, peer, api] = await Promise.all([freePort(), freePort(), freePort()])
  return { etcd, peer, api }
}

export function mainOf(component: string): string {
  return entryPoint(`sim/${component}`)
}

export class ApiWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'api-world-'))
  readonly witnessed: WitnessLine[] = []
  readonly #cas: { cluster: Issued; etcd: Issued }
  readonly #clients: KubeClient[] = []
  readonly #etcdPort: number
  readonly #peerPort: number
  readonly port: number
  etcd: ComponentProcess | undefined
  server: ComponentProcess | undefined
  store: EtcdClient | undefined

  private constructor(cas: { cluster: Issued; etcd: Issued }, ports: { etcd: number; peer: number; api: number }) {
    this.#cas = cas
    this.#etcdPort = ports.etcd
    this.#peerPort = ports.peer
    this.port = ports.api
  }

  static async create(): Promise<ApiWorld> {
    const cluster = await issue({ commonName: 'kubernetes', isCa: true, ...validity })
    const etcd = await issue({ commonName: 'etcd-ca', isCa: true, ...validity })
    const world = new ApiWorld({ cluster, etcd }, await freePorts())
    await world.#writeFiles()
    return world
  }

  get etcdUrl(): string {
    return `https://127.0.0.1:${this.#etcdPort}`
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** kubeadm's flags, as far as they concern one machine. */
  flags(changes: Record<string, string | undefined> = {}): string[] {
    const flags: Record<string, string | undefined> = {
      'bind-address': '127.0.0.1',
      'secure-port': String(this.port),
      'authorization-mode': 'Node,RBAC',
      'client-ca-file': this.path('ca.crt'),
      'enable-admission-plugins': 'NodeRestriction',
      'enable-bootstrap-token-auth': 'true',
      'encryption-provider-config': this.path('encryption.yaml'),
      'etcd-cafile': this.path('etcd-ca.crt'),
      'etcd-certfile': this.path('apiserver-etcd-client.crt'),
      'etcd-keyfile': this.path('apiserver-etcd-client.key'),
      'etcd-servers': `https://127.0.0.1:${this.#etcdPort}`,
      'service-account-issuer': 'https://kubernetes.default.svc.cluster.local',
      'service-account-key-file': this.path('sa.pub'),
      'service-account-signing-key-file': this.path('sa.key'),
      'service-cluster-ip-range': '10.96.0.0/12',
      'tls-cert-file': this.path('apiserver.crt'),
      'tls-private-key-file': this.path('apiserver.key'),
      ...changes,
    }
    return Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]))
  }

  startEtcd(): void {
    const peer = `https://127.0.0.1:${this.#peerPort}`
    const url = `https://127.0.0.1:${this.#etcdPort}`
    const tls = [`--cert-file=${this.path('etcd.crt')}`, `--key-file=${this.path('etcd.key')}`]
    this.etcd = this.#start('etcd', [
      '--name=m1',
      `--data-dir=${this.path('etcd-data')}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=m1=${peer}`,
      ...tls,
      '--client-cert-auth=true',
      `--trusted-ca-file=${this.path('etcd-ca.crt')}`,
      `--peer-cert-file=${this.path('etcd.crt')}`,
      `--peer-key-file=${this.path('etcd.key')}`,
      '--peer-client-cert-auth=true',
      `--peer-trusted-ca-file=${this.path('etcd-ca.crt')}`,
    ])
    this.store ??= etcdClient({
      endpoints: [url],
      caPem: this.#cas.etcd.certificate,
      keyPair: () => this.#etcdPair,
    })
  }

  #etcdPair = { cert: '', key: '' }

  /** Starts the server and waits for its port; /readyz is the caller's matter. */
  async startServer(changes: Record<string, string | undefined> = {}, version = ''): Promise<ComponentProcess> {
    const environment = version === '' ? {} : { MTLS_RANGE_VERSION: version }
    const server = this.#start('kube-apiserver', this.flags(changes), environment)
    this.server = server
    server.on('witness', (line) => this.witnessed.push(line))
    await heard(server, (line) => line.about === 'listener')
    return server
  }

  /** A pair of files of the cluster's CA, for serving. */
  async writePair(name: string, spec: { commonName: string; dnsNames: string[] }): Promise<void> {
    const { certificate, privateKey } = await this.#leaf({ ...spec, usages: ['serverAuth'] }, 'cluster')
    writeFileSync(this.path(`${name}.crt`), certificate, { mode: 0o600 })
    writeFileSync(this.path(`${name}.key`), privateKey, { mode: 0o600 })
  }

  /** Another server on the same etcd; the caller ends it. */
  async startSecond(changes: Record<string, string | undefined>, more: string[] = []): Promise<ComponentProcess> {
    const server = this.#start('kube-apiserver', [...this.flags(changes), ...more])
    await heard(server, (line) => line.about === 'listener')
    return server
  }

  /** Runs the server until it refuses to: its exit code and last words. */
  async refusal(
    changes: Record<string, string | undefined>,
    more: string[] = [],
  ): Promise<{ code: number; text: string }> {
    const server = this.#start('kube-apiserver', [...this.flags(changes), ...more])
    if (!server.exited) await new Promise((resolve) => server.once('exit', resolve))
    const text = server.lastWords
      .replaceAll(this.folder, '<dir>')
      .replaceAll(/^([EW])\d{4} \S+ +\d+ ([\w.]+):\d+\]/gm, '$1 $2]')
    return { code: server.exited?.code ?? -1, text }
  }

  /** A client with a certificate of that name, or without any. */
  async client(name?: ClientName, port = this.port): Promise<KubeClient> {
    const pair = name && (await this.pairOf(name))
    return this.#remember(
      {
        ...(pair && { clientCertificateData: pair.certificate, clientKeyData: pair.privateKey }),
      },
      port,
    )
  }

  async pairOf(name: ClientName): Promise<Issued> {
    return this.#leaf({ ...name, usages: ['clientAuth'] }, name.foreign ? 'etcd' : 'cluster')
  }

  /** A certificate of the cluster's CA, PEM. */
  async clientCertificate(commonName: string): Promise<string> {
    return (await this.#leaf({ commonName, usages: ['clientAuth'] }, 'cluster')).certificate
  }

  tokenClient(token: string): KubeClient {
    return this.#remember({ token }, this.port)
  }

  #remember(user: object, port: number): KubeClient {
    const cluster = {
      server: `https://127.0.0.1:${port}`,
      certificateAuthorityData: this.#cas.cluster.certificate,
      insecureSkipTlsVerify: false,
    }
    const client = new KubeClient({ kubeconfig: { cluster, user } })
    this.#clients.push(client)
    return client
  }

  /** The first line that fits, of those that come and those that came. */
  async witness(fits: (line: WitnessLine) => boolean): Promise<WitnessLine> {
    const known = this.witnessed.find(fits)
    if (known || !this.server) return known ?? Promise.reject(new Error('no server'))
    return heard(this.server, fits)
  }

  async end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
    await this.store?.close()
    await Promise.all([this.server?.kill(), this.etcd?.kill()])
    rmSync(this.folder, { recursive: true, force: true })
  }

  #start(component: string, flags: string[], environment: Record<string, string> = {}): ComponentProcess {
    return new ComponentProcess({
      component,
      host: 'control-plane-1',
      command: nodeCommand([mainOf(component), ...flags], { tls: true }),
      environment: { ...TLS_ENVIRONMENT, ...environment },
      folder: this.folder,
    })
  }

  async #leaf(name: Parameters<typeof issue>[0] | object, by: 'cluster' | 'etcd'): Promise<Issued> {
    return issue({ ...name, ...validity }, this.#cas[by])
  }

  async #writeFiles(): Promise<void> {
    mkdirSync(this.path('etcd-data'), { mode: 0o700 })
    const write = (name: string, text: string): void => writeFileSync(this.path(name), text, { mode: 0o600 })
    const save = (name: string, { certificate, privateKey }: Issued): void => {
      write(`${name}.crt`, certificate)
      write(`${name}.key`, privateKey)
    }
    save('ca', this.#cas.cluster)
    save('etcd-ca', this.#cas.etcd)
    const both = { usages: ['serverAuth', 'clientAuth'], ipAddresses: ['127.0.0.1'] }
    save('apiserver', await this.#leaf({ ...both, commonName: 'kube-apiserver', dnsNames: ['kubernetes'] }, 'cluster'))
    save('etcd', await this.#leaf({ ...both, commonName: 'etcd-1' }, 'etcd'))
    const toEtcd = await this.#leaf({ commonName: 'kube-apiserver-etcd-client', usages: ['clientAuth'] }, 'etcd')
    save('apiserver-etcd-client', toEtcd)
    this.#etcdPair = { cert: toEtcd.certificate, key: toEtcd.privateKey }
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    write('sa.key', privateKey.export({ type: 'sec1', format: 'pem' }).toString())
    write('sa.pub', publicKey.export({ type: 'spki', format: 'pem' }).toString())
    write('encryption.yaml', ENCRYPTION)
  }
}

async function heard(process: ComponentProcess, fits: (line: WitnessLine) => boolean): Promise<WitnessLine> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => done(new Error(`not witnessed in time; last words:\n${process.lastWords}`)),
      DEADLINE_MS,
    )
    const look = (line: WitnessLine): void => {
      if (fits(line)) done(line)
    }
    const gone = (): void => done(new Error(`ended; last words:\n${process.lastWords}`))
    const done = (outcome: WitnessLine | Error): void => {
      clearTimeout(timer)
      process.off('witness', look).off('exit', gone)
      if (outcome instanceof Error) reject(outcome)
      else resolve(outcome)
    }
    process.on('witness', look).on('exit', gone)
  })
}

/** Asks until the answer fits. */
export async function until<Value>(ask: () => Promise<Value>, fits: (value: Value) => boolean): Promise<Value> {
  const end = performance.now() + DEADLINE_MS
  for (;;) {
    const value = await ask().catch((error: unknown) => error as Value)
    if (fits(value)) return value
    if (performance.now() > end) throw new Error(`not in time; last: ${JSON.stringify(value)}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
