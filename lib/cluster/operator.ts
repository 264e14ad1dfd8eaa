/** The honest administrator of a range: plants canaries, looks what became of them, and does an administrator's work. */
import { etcdClient, type EtcdClient } from '../etcd/client.ts'
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { execOverWebSocket, type ExecResult } from '../kube/exec-websocket.ts'
import { KubeClient, StatusError, type KubeReply } from '../kube/client.ts'
import type { Kubeconfig } from '../kube/kubeconfig.ts'
import type { KeyPair } from '../tls/listen.ts'
import type { KubeObject } from '../kube/object.ts'
import type { CertificateAuthority, ListFacts } from './certificate-authority.ts'
import { dumpCore } from './core-dump.ts'
import { discoverCluster, hashOf, type JoinOptions } from './join-discovery.ts'
import { openLocalProxy, type LocalProxy, type ProxyOptions } from './local-proxy.ts'
import type { MintedCertificate } from './minted-certificate.ts'
import { startProgram, type ProgramOrder } from './program.ts'
import { useTool, type ToolReply, type ToolUse } from './tool.ts'
import type { WitnessFacts } from './witness.ts'

export interface ExecOrder {
  namespace: string
  pod: string
  container?: string
  command: readonly string[]
  /** As one piece, or line by line. */
  stdin?: string | readonly string[]
}

export interface OperatorOptions {
  kubeconfig: Kubeconfig
  /** Address of a host, for what an administrator's monitoring asks of kubelets. */
  faceOf: (host: string) => string
  /** The folder that is a host's root, for what an administrator does there. */
  folderOf?: (host: string) => string
  /** A host's localhost, for what an administrator runs there. */
  loopOf?: (host: string) => string
  /** Hears what an honest person's tools decided. */
  witness?: (tool: string, facts: WitnessFacts) => void
  /** Where etcd is, and what opens it: kube-apiserver's own pair. */
  store?: () => { endpoints: readonly string[]; keyPair?: KeyPair }
  /** A component's process; undefined where that host runs none. */
  pidOf?: (host: string, component: string) => number | undefined
  /** Opens a port of a host's face until it is shut, and says where to listen for what comes there. */
  openPort?: (host: string, port: number) => Promise<{ address: string; port: number; shut: () => Promise<void> }>
  /** Tells the janitor of a process that must not outlive the run. */
  watch?: (pid: number) => void
  /** What an administrator has who runs the cluster's CAs. */
  authority?: CertificateAuthority
}

const POD_DEADLINE_MS = 8000
const OBJECT_DEADLINE_MS = 5000
const STORE_TIMEOUT_MS = 2000
const POLL_MS = 10

export class Operator {
  readonly client: KubeClient
  readonly #options: OperatorOptions
  /** Undone when the goal is taken away, the latest first. */
  readonly #undo: (() => unknown)[] = []
  #store: EtcdClient | undefined

  constructor(options: OperatorOptions) {
    this.#options = options
    this.client = new KubeClient({ kubeconfig: options.kubeconfig, userAgent: 'mtls-range-operator' })
  }

  /** `etcdctl`, with kube-apiserver's pair: what an administrator is left with where the API cannot read its own store. */
  get store(): EtcdClient {
    const { store } = this.#options
    if (store === undefined) throw new Error('[operator_store] this operator has no way to etcd')
    this.#store ??= etcdClient({ ...store(), insecureSkipVerify: true, timeoutMs: STORE_TIMEOUT_MS })
    return this.#store
  }

  get(path: string): Promise<KubeObject> {
    return this.client.get(path)
  }

  /** The object, or undefined where there is none. */
  async find(path: string): Promise<KubeObject | undefined> {
    try {
      return await this.client.get(path)
    } catch (error) {
      if (error instanceof StatusError && error.status === 404) return undefined
      throw error
    }
  }

  /** Resolves once the object is there. @throws Error `[object_missing]` at the deadline. */
  async waitFor(path: string, deadlineMs = OBJECT_DEADLINE_MS): Promise<KubeObject> {
    const end = performance.now() + deadlineMs
    for (;;) {
      const found = await this.find(path)
      if (found) return found
      if (performance.now() > end) throw new Error(`[object_missing] ${path}: not there after ${deadlineMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  create(path: string, object: object): Promise<KubeObject> {
    return this.client.create(path, object)
  }

  /** Creates an object where there is none of its name yet. */
  async ensure(path: string, object: object): Promise<void> {
    await this.create(path, object).catch((error: unknown) => {
      if (!(error instanceof StatusError && error.status === 409)) throw error
    })
  }

  /** Creates a Pod; admission may learn of its service account a moment after the API did. */
  async createPod(pod: KubeObject): Promise<void> {
    const path = `/api/v1/namespaces/${pod.metadata.namespace}/pods`
    const end = performance.now() + OBJECT_DEADLINE_MS
    for (;;) {
      try {
        return void (await this.create(path, pod))
      } catch (error) {
        const early = error instanceof StatusError && error.message.includes('error looking up service account')
        if (!early || performance.now() > end) throw error
        await new Promise((resolve) => setTimeout(resolve, POLL_MS))
      }
    }
  }

  /** Writes over the object that is there. */
  async replace(path: string, object: object): Promise<void> {
    const reply = await this.client.request({ method: 'PUT', path, body: object })
    if (reply.status >= 400) throw new StatusError({ method: 'PUT', path }, reply)
  }

  async delete(path: string): Promise<void> {
    const reply = await this.client.request({ method: 'DELETE', path, body: { gracePeriodSeconds: 0 } })
    if (reply.status >= 400 && reply.status !== 404) throw new StatusError({ method: 'DELETE', path }, reply)
  }

  /** Resolves when the Pod runs. @throws Error `[pod_not_running]` at the deadline, with its last phase. */
  async waitForPod(namespace: string, name: string, deadlineMs = POD_DEADLINE_MS): Promise<void> {
    const end = performance.now() + deadlineMs
    let phase = 'unknown'
    do {
      const pod = await this.find(`/api/v1/namespaces/${namespace}/pods/${name}`)
      phase = (pod?.['status'] as { phase?: string } | undefined)?.phase ?? 'unknown'
      if (phase === 'Running') return
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    } while (performance.now() < end)
    throw new Error(`[pod_not_running] Pod ${namespace}/${name}: still ${phase} after ${deadlineMs} ms`)
  }

  /** `kubectl exec`, over a WebSocket as kubectl >= 1.30 does. */
  async exec(order: ExecOrder): Promise<ExecResult> {
    const query = new URLSearchParams()
    for (const word of order.command) query.append('command', word)
    query.set('container', order.container ?? 'main')
    query.set('stdout', 'true')
    query.set('stderr', 'true')
    if (order.stdin !== undefined) query.set('stdin', 'true')
    const { namespace, pod } = order
    const server = new URL(this.client.server)
    return execOverWebSocket({
      socket: await this.client.connect(),
      host: server.host,
      path: `/api/v1/namespaces/${namespace}/pods/${pod}/exec?${query.toString()}`,
      headers: this.client.identity(),
      ...(order.stdin === undefined ? {} : { stdin: order.stdin }),
    })
  }

  /** A monitoring system scrapes a kubelet with a bearer token; what the kubelet makes of the token is its affair. */
  async meetKubelet(node: string, { bearer }: { bearer: string }): Promise<KubeReply> {
    const client = new KubeClient({
      kubeconfig: {
        cluster: { server: `https://${this.#options.faceOf(node)}:10250`, insecureSkipTlsVerify: true },
        user: { token: bearer },
      },
    })
    try {
      return await client.request({ path: '/metrics' })
    } finally {
      await client.close()
    }
  }

  /** What a component says of itself on its own machine's localhost; undefined where it does not, not even to an administrator. */
  async metricsOf(host: string, port: number, { tls }: { tls: boolean }): Promise<string | undefined> {
    const { address } = this.localhost(host, port)
    const server = `${tls ? 'https' : 'http'}://${address}:${port}`
    const { user } = this.#options.kubeconfig
    const client = new KubeClient({ kubeconfig: { cluster: { server, insecureSkipTlsVerify: true }, user } })
    try {
      const { status, text } = await client.request({ path: '/metrics' })
      return status === 200 ? text : undefined
    } catch {
      return undefined
    } finally {
      await client.close()
    }
  }

  /** Uses a tool with settings of its own at the API. Rejects with what it refused, or was refused by. */
  async use(use: ToolUse): Promise<ToolReply> {
    const { cluster, user } = this.#options.kubeconfig
    const { certificateAuthorityData: caPem, server: url } = cluster
    const { clientCertificateData: cert, clientKeyData: key, token } = user
    const server = {
      url,
      ...(caPem ? { caPem } : {}),
      ...(cert && key ? { keyPair: { cert, key } } : {}),
      ...(token ? { token } : {}),
    }
    return useTool(use, server, this.#options.witness ?? (() => {}))
  }

  /** The administrator's place on a host: its localhost. */
  localhost(host: string, port: number): { address: string; port: number } {
    return { address: this.#options.loopOf?.(host) ?? '127.0.0.1', port }
  }

  /** What an administrator pins for `kubeadm join`: the hash of the CA that his own kubeconfig holds. */
  caCertHash(): string {
    return hashOf(this.#options.kubeconfig.cluster.certificateAuthorityData ?? '')
  }

  /** A certificate of the cluster's CA for an honest person's tool. */
  async mint(wanted: MintedCertificate): Promise<KeyPair> {
    return this.#authority().mint(wanted)
  }

  /** A file of a host, as its administrator reads it. */
  fileOn(host: string, path: string): Buffer {
    return readFileSync(this.#pathOn(host, path))
  }

  /** `gcore`: an administrator looks for a fault in a component, and leaves its memory in /var/crash, as a file of that mode. */
  async dumpCore(host: string, component: string, mode: number): Promise<void> {
    const pid = this.#options.pidOf?.(host, component)
    if (pid === undefined) throw new Error(`[core_process] ${component} on ${host}: no such process`)
    const folder = this.#pathOn(host, '/var/crash')
    mkdirSync(folder, { recursive: true, mode: 0o755 })
    const file = join(folder, `core.${component}`)
    // It holds keys.
    this.afterwards(() => rmSync(file, { force: true }))
    await dumpCore(pid, file, mode)
  }

  /** Where an administrator's tool listens on a host that is told to listen everywhere: others reach it by the host's face. */
  async everywhere(host: string, port: number): Promise<{ address: string; port: number }> {
    const { openPort } = this.#options
    if (openPort === undefined) throw new Error('[operator_port] this operator has no network to listen on')
    const { shut, ...place } = await openPort(host, port)
    this.afterwards(shut)
    return place
  }

  /** An administrator reports stolen keys. */
  async revoke(list: ListFacts = {}): Promise<void> {
    return this.#authority().revokeMinted(list)
  }

  /** `kubectl proxy`, until the goal is taken away: whoever reaches it is the administrator. */
  async proxy(options: Omit<ProxyOptions, 'witness'>): Promise<LocalProxy> {
    const { witness } = this.#options
    const proxy = await openLocalProxy(this.client, {
      ...options,
      ...(witness ? { witness: (facts) => witness('kubectl', facts) } : {}),
    })
    this.afterwards(() => proxy.close())
    return proxy
  }

  /** `kubeadm join` as far as the discovery: which cluster the machine would take for its own. */
  async join(how: JoinOptions): Promise<string> {
    return discoverCluster(this.client.server, how, this.#options.witness ?? (() => {}))
  }

  /** Starts a second Pod that uses the goal's Secret on the goal's node. Nobody waits for it: an attacker may be in the way. */
  async startCourier(goal: { namespace: string; node: string; secret: string; pod: string }): Promise<void> {
    const name = `courier-of-${goal.pod}`
    const container = {
      name: 'main',
      image: 'registry.example/courier:1',
      command: ['sleep', 'infinity'],
      env: [{ name: 'CANARY', valueFrom: { secretKeyRef: { name: goal.secret, key: 'value' } } }],
    }
    const pods = `/api/v1/namespaces/${goal.namespace}/pods`
    // It would ask for the Secret for ever.
    this.afterwards(() => this.delete(`${pods}/${name}`))
    await this.create(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: goal.namespace },
      spec: { nodeName: goal.node, containers: [container] },
    })
  }

  /** `chmod` on a host, until the goal is taken away. */
  changeMode(host: string, path: string, mode: number): void {
    const file = this.#pathOn(host, path)
    const before = statSync(file).mode
    this.afterwards(() => chmodSync(file, before))
    chmodSync(file, mode)
  }

  /** Writes a file of a host anew, as its administrator may, until the goal is taken away. */
  replaceFile(host: string, path: string, text: string): void {
    const file = this.#pathOn(host, path)
    const before = readFileSync(file)
    this.afterwards(() => writeFileSync(file, before))
    writeFileSync(file, text)
  }

  /** Puts a file on a host where there was none, until the goal is taken away. */
  placeFile(host: string, path: string, text: string, mode: number): void {
    const file = this.#pathOn(host, path)
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
    writeFileSync(file, text, { flag: 'wx', mode: 0o600 })
    this.afterwards(() => rmSync(file, { force: true }))
    chmodSync(file, mode)
  }

  /** Starts a program on a machine; it runs until the goal is taken away. */
  async runProgram(order: ProgramOrder): Promise<void> {
    const program = await startProgram(order)
    this.#options.watch?.(program.pid)
    this.afterwards(() => program.stop())
  }

  /** Has something undone when the goal is taken away, the latest first: one act leaves nothing behind for the next. */
  afterwards(step: () => unknown): void {
    this.#undo.push(step)
  }

  /** Undoes all of it, whatever becomes of one step. Rejects with the first that failed. */
  async undo(): Promise<void> {
    const failed: unknown[] = []
    for (let step = this.#undo.pop(); step; step = this.#undo.pop()) {
      try {
        await step()
      } catch (error) {
        failed.push(error)
      }
    }
    if (failed.length > 0) throw failed[0]
  }

  /** Has a kubelet speak to the API of a bearer token that it was shown, and ask for the goal's Secret anew. */
  async makeKubeletTalk(goal: {
    namespace: string
    node: string
    secret: string
    pod: string
    canary: string
  }): Promise<void> {
    await this.meetKubelet(goal.node, { bearer: goal.canary })
    await this.startCourier(goal)
  }

  /** Has the API store a note that holds the canary. It stays unanswered while the store is gone. */
  async storeNote({ namespace, secret, canary }: { namespace: string; secret: string; canary: string }): Promise<void> {
    const note = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: secret, namespace }, data: { note: canary } }
    const path = `/api/v1/namespaces/${namespace}/configmaps`
    this.afterwards(() => this.delete(`${path}/${secret}`))
    await this.use({ tool: 'kubectl', path, body: JSON.stringify(note), timeoutMs: 1000 })
  }

  async close(): Promise<void> {
    // What is left to undo in a cluster that is no more has gone with it.
    await this.undo().catch(() => {})
    await Promise.all([this.client.close(), this.#store?.close()])
  }

  #authority(): CertificateAuthority {
    const { authority } = this.#options
    if (authority === undefined) throw new Error('[operator_authority] this operator runs no CA')
    return authority
  }

  #pathOn(host: string, path: string): string {
    const { folderOf } = this.#options
    if (folderOf === undefined) throw new Error('[operator_host] this operator runs no host')
    return join(folderOf(host), path)
  }
}
