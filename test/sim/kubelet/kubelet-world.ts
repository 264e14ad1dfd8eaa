/** A kubelet as a child process, with an API in memory to register at and a CA to be asked with. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { WitnessLine } from '../../../lib/cluster/witness.ts'
import { KubeClient } from '../../../lib/kube/client.ts'
import type { Kubeconfig } from '../../../lib/kube/kubeconfig.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { issue } from '../../../lib/x509/issue.ts'
import type { Issued } from '../../../lib/x509/certificate-spec.ts'
import { stringify } from '../../../lib/settings/yaml.ts'
import { entryPoint } from '../../../lib/settings/entry-point.ts'

export interface ApiCall {
  method: string
  path: string
  body: Record<string, unknown>
}

export interface Review {
  user: string
  groups: string[]
  resourceAttributes: { verb?: string; subresource?: string; name?: string; resource?: string; version?: string }
}

const HOUR_MS = 3_600_000
const DEADLINE_MS = 10_000

/** The least of an API that a kubelet needs. `mayReview` answers the SubjectAccessReviews. */
export class FakeApi {
  readonly calls: ApiCall[] = []
  readonly objects = new Map<string, KubeObject>()
  readonly tokens = new Map<string, { username: string; groups: string[] }>()
  /** A code in the place of an answer. */
  refuse: (method: string, path: string) => number | undefined = () => undefined
  mayReview: (review: Review) => boolean | 'error' = ({ groups }) => groups.includes('system:masters')
  readonly #server: Server
  readonly #watches = new Set<ServerResponse>()
  readonly #sockets = new Set<Socket>()
  #version = 1
  #changed = new Set<() => void>()

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  cutWatches(): void {
    for (const watch of this.#watches) watch.socket?.destroy()
  }

  put(type: 'ADDED' | 'MODIFIED' | 'DELETED', path: string, object: KubeObject): void {
    object.metadata.resourceVersion = String(++this.#version)
    if (type === 'DELETED') this.objects.delete(path)
    else this.objects.set(path, object)
    if (object.kind === 'Pod') for (const watch of this.#watches) watch.write(`${JSON.stringify({ type, object })}\n`)
  }

  until<T>(look: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#changed.delete(again)
        reject(new Error(`waited in vain: ${what}`))
      }, DEADLINE_MS)
      const again = (): void => {
        const found = look()
        if (found === undefined) return
        clearTimeout(timer)
        this.#changed.delete(again)
        resolve(found)
      }
      this.#changed.add(again)
      again()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    const text = Buffer.concat(pieces).toString('utf8')
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
    const { method = '', url = '' } = request
    const path = url.split('?')[0]!
    this.calls.push({ method, path: url, body })
    const say = (status: number, object: object): void => {
      response.writeHead(status, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify(object))
      for (const changed of this.#changed) changed()
    }
    const problem = (code: number, reason: string): void =>
      say(code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: `${path}: ${reason}`, reason, code })
    const refused = this.refuse(method, path)
    if (refused !== undefined) return problem(refused, 'Refused')
    if (path.endsWith('/subjectaccessreviews')) {
      const allowed = this.mayReview(body['spec'] as Review)
      return allowed === 'error' ? problem(503, 'ServiceUnavailable') : say(201, { ...body, status: { allowed } })
    }
    if (path.endsWith('/tokenreviews')) {
      const user = this.tokens.get((body['spec'] as { token: string }).token)
      return say(201, { ...body, status: user ? { authenticated: true, user } : { user: {} } })
    }
    if (method === 'GET' && path === '/api/v1/pods') {
      if (!url.includes('watch=true')) {
        const items = [...this.objects.values()].filter(({ kind }) => kind === 'Pod')
        return say(200, {
          kind: 'PodList',
          apiVersion: 'v1',
          metadata: { resourceVersion: String(this.#version) },
          items,
        })
      }
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.flushHeaders()
      this.#watches.add(response)
      // what happened since
      const since = Number(new URL(url, 'http://api').searchParams.get('resourceVersion') ?? 0)
      for (const object of this.objects.values()) {
        if (object.kind !== 'Pod' || Number(object.metadata.resourceVersion) <= since) continue
        response.write(`${JSON.stringify({ type: 'MODIFIED', object })}\n`)
      }
      response.once('close', () => this.#watches.delete(response))
      for (const changed of this.#changed) changed()
      return
    }
    const bare = path.replace(/\/status$/, '')
    if (path.endsWith('/token')) {
      const { expirationSeconds = 3600 } = body['spec'] as { expirationSeconds?: number }
      const expirationTimestamp = new Date(Date.now() + expirationSeconds * 1000).toISOString()
      return say(201, { ...body, status: { token: `token-${++this.#version}`, expirationTimestamp } })
    }
    if (method === 'POST') {
      const { name = '' } = (body['metadata'] ?? {}) as { name?: string }
      const key = `${path}/${name}`
      if (this.objects.has(key)) return problem(409, 'AlreadyExists')
      const made = body as unknown as KubeObject
      made.metadata.uid ??= `uid-${++this.#version}`
      this.put('ADDED', key, made)
      return say(201, made)
    }
    const known = this.objects.get(bare)
    if (!known) return problem(404, 'NotFound')
    if (method === 'DELETE') this.put('DELETED', bare, known)
    if (method === 'PATCH') known['status'] = body['status']
    if (method === 'PUT') this.objects.set(bare, body as unknown as KubeObject)
    say(200, known)
  }
}

export interface KubeletOptions {
  config?: Record<string, unknown>
  flags?: readonly string[]
  /** Its whole configuration file, in place of kubeadm's with `config` over it. */
  configText?: string
  env?: Record<string, string>
  /** Another kube-apiserver than the world's. */
  server?: string
}

export class KubeletWorld {
  readonly api = new FakeApi()
  readonly folder = mkdtempSync(join(tmpdir(), 'mtls-range-test-'))
  readonly #authorities = new Map<string, Issued>()
  readonly #clients: KubeClient[] = []
  readonly #children: ChildProcess[] = []
  #server = ''

  /** `clientCa` is what kubelets trust, PEM; by default an authority of its own. */
  async start(clientCa?: string): Promise<this> {
    this.#server = await this.api.listen()
    writeFileSync(join(this.folder, 'ca.crt'), clientCa ?? (await this.authority('kubernetes')).certificate)
    return this
  }

  stop(): void {
    for (const client of this.#clients) void client.close()
    for (const child of this.#children) child.kill('SIGKILL')
    this.api.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  async authority(commonName: string): Promise<Issued> {
    const known = this.#authorities.get(commonName)
    if (known) return known
    const made = await issue({ commonName, isCa: true, ...validity() })
    this.#authorities.set(commonName, made)
    return made
  }

  /** A client of a kubelet's port, with a certificate of `by` or without one. */
  async client(
    port: number,
    who?: { commonName: string; organizations?: string[]; by?: string; notAfter?: Date },
    scheme: 'https' | 'http' = 'https',
  ): Promise<KubeClient> {
    const certificate =
      who &&
      (await issue({ ...validity(), usages: ['clientAuth'], ...who }, await this.authority(who.by ?? 'kubernetes')))
    const user = certificate
      ? { clientCertificateData: certificate.certificate, clientKeyData: certificate.privateKey }
      : {}
    return this.clientAs(port, user, scheme)
  }

  clientAs(port: number, user: Kubeconfig['user'], scheme: 'https' | 'http' = 'https'): KubeClient {
    const cluster = { server: `${scheme}://127.0.0.1:${port}`, insecureSkipTlsVerify: true }
    const client = new KubeClient({ kubeconfig: { cluster, user } })
    this.#clients.push(client)
    return client
  }

  async kubelet(options: KubeletOptions = {}): Promise<RunningKubelet> {
    const port = await freePort()
    const readOnlyPort = await freePort()
    const healthzPort = await freePort()
    const config = {
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      address: '127.0.0.1',
      port,
      healthzPort: 0,
      authentication: {
        anonymous: { enabled: false },
        webhook: { enabled: true },
        x509: { clientCAFile: join(this.folder, 'ca.crt') },
      },
      authorization: { mode: 'Webhook', webhook: { cacheAuthorizedTTL: '1ms', cacheUnauthorizedTTL: '1ms' } },
      ...options.config,
      // a port that is asked for by 1 is a free one
      ...(options.config?.['readOnlyPort'] === 1 ? { readOnlyPort } : {}),
      ...(options.config?.['healthzPort'] === 1 ? { healthzPort } : {}),
    }
    const configFile = join(this.folder, `config-${port}.yaml`)
    writeFileSync(configFile, options.configText ?? stringify(config))
    const kubeconfig = join(this.folder, `kubelet-${port}.conf`)
    writeFileSync(kubeconfig, kubeconfigText(options.server ?? this.#server))
    const args = [
      `--kubeconfig=${kubeconfig}`,
      `--config=${configFile}`,
      '--hostname-override=worker-1',
      '--node-ip=127.0.0.1',
    ]
    const command = ['-u', 'NODE_OPTIONS', '-u', 'NODE_EXTRA_CA_CERTS', process.execPath, entryPoint('sim/kubelet')]
    const child = spawn('/usr/bin/env', [...command, ...args, ...(options.flags ?? [])], {
      env: { ...process.env, MTLS_RANGE_WITNESS_FD: '3', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    })
    this.#children.push(child)
    return new RunningKubelet(child, port, readOnlyPort, healthzPort)
  }
}

export class RunningKubelet {
  readonly port: number
  readonly readOnlyPort: number
  readonly healthzPort: number
  readonly witnessed: WitnessLine[] = []
  stdout = ''
  stderr = ''
  readonly exited: Promise<number | null>
  readonly #child: ChildProcess
  #ended = false
  #looks = new Set<() => void>()

  constructor(child: ChildProcess, port: number, readOnlyPort: number, healthzPort: number) {
    this.#child = child
    this.port = port
    this.readOnlyPort = readOnlyPort
    this.healthzPort = healthzPort
    let pending = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#look()
    })
    ;(child.stdio[3] as Readable).setEncoding('utf8').on('data', (text: string) => {
      const lines = (pending + text).split('\n')
      pending = lines.pop() ?? ''
      this.witnessed.push(...lines.map((line) => JSON.parse(line) as WitnessLine))
      this.#look()
    })
    this.exited = new Promise((resolve) =>
      child.once('close', (code) => {
        this.#ended = true
        this.#look()
        resolve(code)
      }),
    )
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }

  serving(count = 1): Promise<true> {
    const open = (): true | undefined =>
      this.witnessed.filter(({ about }) => about === 'listener').length >= count || undefined
    return this.until(open, 'the kubelet listens')
  }

  until<T>(look: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (how: () => void): void => {
        clearTimeout(timer)
        this.#looks.delete(again)
        how()
      }
      const timer = setTimeout(
        () => end(() => reject(new Error(`waited in vain: ${what}\n${this.stderr}`))),
        DEADLINE_MS,
      )
      const again = (): void => {
        const found = look()
        if (found !== undefined) end(() => resolve(found))
        else if (this.#ended) end(() => reject(new Error(`the kubelet ended: ${what}\n${this.stderr}`)))
      }
      this.#looks.add(again)
      again()
    })
  }

  #look(): void {
    for (const look of this.#looks) look()
  }
}

function validity(): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) }
}

function kubeconfigText(server: string): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  })
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createTcpServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** The two Pods that were there when answers were recorded. */
export function recordedPods(): Record<string, KubeObject> {
  const script = "echo 'line one'; echo 'line two (stderr)' >&2; echo 'line three'; sleep infinity"
  const pod = (name: string, containers: object[]): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: `00000000-0000-4000-8000-${name.padStart(12, '0')}` },
    spec: { nodeName: 'worker-1', restartPolicy: 'Always', containers },
  })
  const app = {
    name: 'app',
    image: 'example/app:1',
    command: ['sh', '-c', script],
    env: [{ name: 'CANARY', value: 'canary-value' }],
  }
  return {
    '/api/v1/namespaces/default/pods/web': pod('web', [app]),
    '/api/v1/namespaces/default/pods/two': pod('two', [
      { name: 'a', image: 'example/a:1' },
      { name: 'b', image: 'example/b:1' },
    ]),
  }
}
