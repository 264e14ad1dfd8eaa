/** Members in this process that talk over real loopback mTLS, each from an address of its own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { CONF_CHANGE, decodeConfChange, ENTRY_TYPE, encodeConfChange, voters } from '../../../lib/etcd/raft-entry.ts'
import { ProtoWriter } from '../../../lib/etcd/protobuf.ts'
import { decodeRaftRequest, encodeRaftRequest, putsOf } from '../../../lib/etcd/raft-request.ts'
import { alertName } from '../../../lib/tls/alerts.ts'
import { listenTls, type Listener, type TlsConnection } from '../../../lib/tls/listen.ts'
import { GO_DEFAULT_POLICY } from '../../../lib/tls/policy.ts'
import type { Issued } from '../../../lib/x509/certificate-spec.ts'
import { answerToClientChain } from '../../../lib/x509/handshake-answer.ts'
import { issue } from '../../../lib/x509/issue.ts'
import { parseCertificate } from '../../../lib/x509/parse.ts'
import { certPool } from '../../../lib/x509/pool.ts'
import { peerHandler, type PeerHost } from '../../../sim/etcd/peer/peer-handler.ts'
import { sourceAddressProblem } from '../../../sim/etcd/peer/source-address.ts'
import { Transport } from '../../../sim/etcd/peer/transport.ts'
import type { Entry, HardState, Message, NodeId, Snapshot } from '../../../sim/etcd/raft/message.ts'
import type { RaftStorage, StoredRaft } from '../../../sim/etcd/replica/raft-storage.ts'
import { Replica } from '../../../sim/etcd/replica/replica.ts'
import type { StateMachine } from '../../../sim/etcd/replica/state-machine.ts'

/** What members tell each other of themselves. */
export interface PeerWorldOptions {
  clusterId: bigint
  version: string
}

const OF_OURS: PeerWorldOptions = { clusterId: 0xc1n, version: '3.6.16' }
const DEADLINE_MS = 15_000

/** Keeps what is appended for the next start, and calls it synced at the end of the turn. */
class MemoryStorage implements RaftStorage {
  entries: Entry[] = []
  state: HardState = { term: 0, vote: 0n, commit: 0 }
  snapshot: Snapshot | undefined

  append(entries: readonly Entry[], state: HardState | undefined): void {
    const [first] = entries
    if (first) this.entries = [...this.entries.filter(({ index }) => index < first.index), ...entries]
    if (state) this.state = state
  }

  synced(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve)
    })
  }

  async saveSnapshot(snapshot: Snapshot): Promise<void> {
    this.snapshot = snapshot
    this.entries = this.entries.filter(({ index }) => index > snapshot.index)
  }

  get stored(): StoredRaft {
    const { entries, state: hardState, snapshot } = this
    return { entries, hardState, ...(snapshot ? { snapshot } : {}) }
  }
}

/** Values by name; and who is a member, which its peers are told. */
class Registers implements StateMachine<string> {
  values = new Map<string, string>()
  readonly #onMember: (id: NodeId, urls: readonly string[] | undefined) => void
  #received: string | undefined
  #last = { index: 0, term: 0 }

  constructor(onMember: (id: NodeId, urls: readonly string[] | undefined) => void) {
    this.#onMember = onMember
  }

  apply({ type, data, index, term }: Entry): { result: string } {
    this.#last = { index, term }
    if (data.length === 0) return { result: '' }
    if (type === ENTRY_TYPE.normal) {
      const [put] = putsOf(decodeRaftRequest(data))
      if (!put) return { result: '' }
      this.values.set(put.key.toString(), put.value.toString())
      return { result: `${put.key.toString()} is ${put.value.toString()}` }
    }
    const { type: kind, nodeId, context } = decodeConfChange(data)
    this.#onMember(nodeId, kind === CONF_CHANGE.removeNode ? undefined : urlsOf(context))
    return { result: 'changed' }
  }

  requestId({ type, data }: Entry): bigint {
    return type === ENTRY_TYPE.normal ? decodeRaftRequest(data).id : decodeConfChange(data).id
  }

  async image() {
    const database = Readable.from([Buffer.from(JSON.stringify([...this.values]))])
    return { ...this.#last, data: Buffer.alloc(0), database }
  }

  async receive(_: Snapshot, database: AsyncIterable<Buffer>): Promise<void> {
    const pieces: Buffer[] = []
    for await (const piece of database) pieces.push(piece)
    this.#received = Buffer.concat(pieces).toString()
  }

  async restore({ index, term }: Snapshot): Promise<void> {
    this.#last = { index, term }
    this.values = new Map(JSON.parse(this.#received!) as [string, string][])
  }

  async checkpoint(): Promise<Buffer> {
    return Buffer.alloc(0)
  }
}

function urlsOf(context: Buffer): string[] {
  const { peerURLs }: { peerURLs: string[] } = JSON.parse(context.toString())
  return peerURLs
}

/** A member as the others are told of it. */
export interface KnownMember {
  id: NodeId
  url: string
  name: string
}

/** As etcd writes it (membership.Member); ids are beyond JavaScript's numbers. */
function contextOf({ id, url, name }: KnownMember): Buffer {
  return Buffer.from(`{"id":${id},"peerURLs":["${url}"],"name":"${name}"}`)
}

export class PeerWorld {
  readonly options: PeerWorldOptions
  readonly folder = mkdtempSync(join(tmpdir(), 'etcd-peers-'))
  readonly members = new Map<NodeId, PeerMember>()
  readonly ca: Issued
  /** Every line that any member logged. */
  readonly log: Record<string, unknown>[] = []
  readonly #restoreStderr: () => void
  #nextRequest = 1n

  static async create(options = OF_OURS): Promise<PeerWorld> {
    return new PeerWorld(options, await issue({ commonName: 'etcd-ca', isCa: true, ...VALIDITY }))
  }

  private constructor(options: PeerWorldOptions, ca: Issued) {
    this.options = options
    this.ca = ca
    writeFileSync(join(this.folder, 'ca.crt'), ca.certificate)
    const write = process.stderr.write.bind(process.stderr)
    // Members log to stderr, as etcd does.
    process.stderr.write = ((text: string | Uint8Array) => {
      const line = String(text)
      if (!line.startsWith('{')) return write(text)
      this.log.push(JSON.parse(line) as Record<string, unknown>)
      return true
    }) as typeof process.stderr.write
    this.#restoreStderr = () => (process.stderr.write = write)
  }

  /** Members of a new cluster, with ids from 1 on. */
  async startCluster(count: number): Promise<void> {
    const ids = Array.from({ length: count }, (_, at) => BigInt(at + 1))
    const members = await Promise.all(ids.map((id) => this.prepare(id)))
    for (const member of members) member.start(members)
  }

  /** A member that listens and does not take part yet. `ipAddresses` are what its certificate says. */
  async prepare(id: NodeId, { ipAddresses, ...where }: PreparedMember = {}): Promise<PeerMember> {
    const { address = `127.81.0.${id}`, port = 0, name = `m${id}` } = where
    await this.writeCertificate(name, ipAddresses ?? [address])
    const member = new PeerMember(this, { id, address, name })
    await member.listen(port)
    this.members.set(id, member)
    return member
  }

  /** `<name>.crt` and `<name>.key` in this world's folder. */
  async writeCertificate(name: string, ipAddresses: readonly string[]): Promise<void> {
    const usages = ['clientAuth', 'serverAuth'] as const
    const { certificate, privateKey } = await issue({ commonName: name, usages, ipAddresses, ...VALIDITY }, this.ca)
    writeFileSync(join(this.folder, `${name}.crt`), certificate)
    writeFileSync(join(this.folder, `${name}.key`), privateKey)
  }

  running(): PeerMember[] {
    return [...this.members.values()].filter(({ replica }) => replica !== undefined)
  }

  async leader(): Promise<PeerMember> {
    const found = await this.until('a leader', () => this.running().find(({ replica }) => replica!.leads))
    return found
  }

  /** Resolves with the first answer that is not undefined. */
  async until<T>(what: string, look: () => T | undefined): Promise<T> {
    const deadline = Date.now() + DEADLINE_MS
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  nextRequest(): bigint {
    return this.#nextRequest++
  }

  async end(): Promise<void> {
    for (const member of this.members.values()) {
      member.stop()
      await member.listener?.close()
    }
    this.#restoreStderr()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const VALIDITY = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) }

interface PreparedMember {
  ipAddresses?: string[]
  address?: string
  port?: number
  name?: string
}

export class PeerMember implements KnownMember {
  readonly world: PeerWorld
  readonly id: NodeId
  readonly name: string
  readonly address: string
  readonly storage = new MemoryStorage()
  machine = new Registers(() => {})
  replica: Replica<string> | undefined
  transport: Transport | undefined
  listener: Listener | undefined
  panic: Error | undefined
  isRemoved = false
  readonly #removed = new Set<NodeId>()

  constructor(world: PeerWorld, { id, name, address }: { id: NodeId; name: string; address: string }) {
    this.world = world
    this.id = id
    this.name = name
    this.address = address
  }

  get url(): string {
    return `https://${this.address}:${this.listener!.port}`
  }

  get files() {
    const { folder } = this.world
    return { certFile: join(folder, `${this.name}.crt`), keyFile: join(folder, `${this.name}.key`) }
  }

  async listen(port: number): Promise<void> {
    const { certFile, keyFile } = this.files
    const caPem = this.world.ca.certificate
    const roots = certPool(caPem)
    const verify = ({ peerChain }: TlsConnection) => {
      const answer = answerToClientChain(peerChain, { mode: 'require', version: 'TLSv1.3', roots, time: new Date() })
      return answer.ok ? undefined : { alert: answer.alert, code: alertName(answer.alert), text: answer.error }
    }
    const server = createServer(peerHandler(this.#host()))
    this.listener = await listenTls({
      address: this.address,
      port,
      policy: GO_DEFAULT_POLICY,
      keyPair: () => ({ cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }),
      clientCertificates: { mode: 'require', verify, caPem: () => caPem },
      alpn: ['http/1.1'],
      plainHttp: 'close',
      onConnection: (socket, { remote, peerChain }) => {
        const problem = sourceAddressProblem(parseCertificate(peerChain[0]!), remote.split(':')[0]!)
        if (problem === undefined) return void server.emit('connection', socket)
        this.world.log.push({ msg: 'rejected connection on peer endpoint', error: problem, 'remote-addr': remote })
        socket.end()
      },
    })
  }

  /** With all that its storage has; `first` are the members of a new cluster. */
  start(first: readonly KnownMember[] = []): void {
    this.machine = new Registers((id, urls) => {
      if (urls) return this.transport?.add(id, urls)
      this.#removed.add(id)
      this.transport?.remove(id)
    })
    const { certFile, keyFile } = this.files
    const tls = { certFile, keyFile, caPem: this.world.ca.certificate, policy: GO_DEFAULT_POLICY }
    const place = { host: `etcd-${this.id}`, face: this.address }
    this.transport = new Transport({
      identity: this.#identity(),
      dialing: { place, tls },
      events: {
        onMessage: (message) => this.#take(message),
        onUnreachable: (peer) => this.replica?.reportUnreachable(peer),
        onSnapshotSent: (peer, arrived) => this.replica?.reportSnapshot(peer, arrived),
        onRemoved: () => (this.isRemoved = true),
      },
    })
    for (const { id, url } of first) this.transport.add(id, [url])
    if (first.length > 0) this.#bootstrap(first)
    this.replica = new Replica({
      id: this.id,
      storage: this.storage,
      stored: this.storage.stored,
      confState: this.storage.snapshot?.confState ?? voters(...first.map(({ id }) => id)),
      machine: this.machine,
      transport: this.transport,
      heartbeatMs: 20,
      electionMs: 200,
      preVote: true,
      snapshotCount: 20,
      catchUpEntries: 5,
      random: (limit) => Math.floor(Math.random() * limit),
      tell: () => {},
      errors: {
        notTaken: () => new Error('not taken'),
        notApplied: () => new Error('not applied'),
        stopped: () => new Error('stopped'),
        readTimedOut: () => new Error('read timed out'),
      },
      onPanic: (error) => (this.panic = error),
      onRemoved: () => (this.isRemoved = true),
    })
  }

  /** Its process is gone; its disk and its port's number stay. */
  stop(): void {
    this.replica?.stop()
    this.transport?.stop()
    this.replica = undefined
    this.transport = undefined
  }

  put(name: string, value: string, timeoutMs = 10_000): Promise<string> {
    const id = this.world.nextRequest()
    const data = encodeRaftRequest({
      id,
      kind: 'put',
      body: new ProtoWriter().string(1, name).string(2, value).finish(),
    })
    return this.replica!.propose({ id, type: ENTRY_TYPE.normal, data }, timeoutMs)
  }

  configure(type: number, member: PeerMember): Promise<string> {
    const id = this.world.nextRequest()
    const data = encodeConfChange({ id, type, nodeId: member.id, context: contextOf(member) })
    return this.replica!.propose({ id, type: ENTRY_TYPE.confChange, data }, 10_000)
  }

  async read(name: string): Promise<string | undefined> {
    await this.replica!.linearizable(10_000)
    return this.machine.values.get(name)
  }

  #take(message: Message): void {
    this.replica?.process(message)
  }

  /** Every member's log begins with the same entries: who the members are. */
  #bootstrap(first: readonly KnownMember[]): void {
    const entries = [...first].sort(byId).map((member, at) => {
      const change = { id: 0n, type: CONF_CHANGE.addNode, nodeId: member.id, context: contextOf(member) }
      const data = encodeConfChange(change)
      return { type: ENTRY_TYPE.confChange, term: 1, index: at + 1, data }
    })
    this.storage.append(entries, { term: 1, vote: 0n, commit: entries.length })
  }

  #identity() {
    return { id: this.id, ...this.world.options, peerUrls: [this.url] }
  }

  #host(): PeerHost {
    const transport = (): Transport | undefined => this.transport
    const identity = () => this.#identity()
    return {
      get transport() {
        return transport()
      },
      get identity() {
        return identity()
      },
      isRemoved: (id) => this.#removed.has(id),
      process: (message) => {
        if (!this.replica) throw new Error('stopped')
        this.replica.process(message)
      },
      takeSnapshot: async (message, database) => {
        await this.machine.receive(message.snapshot!, database)
        this.replica!.process(message)
      },
      version: () => JSON.stringify({ etcdserver: this.world.options.version, etcdcluster: 'not_decided' }),
      members: () => '[]',
    }
  }
}

function byId(one: KnownMember, other: KnownMember): number {
  return one.id < other.id ? -1 : 1
}
