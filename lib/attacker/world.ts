/** What a scenario's act can do and know. Everything else about the cluster it has to find out. */
import type { Layer } from '../tls/layer.ts'
import type { Intercepted, InterceptOptions } from './intercept.ts'
import type { Fault } from '../wire/fault.ts'
import type { EtcdThief } from './etcd.ts'
import type { RuntimeThief } from './runtime.ts'
import type { ResumeOptions } from './resume.ts'
import type { KeyPair } from '../tls/listen.ts'
import type { ExecReply, ExecRequest } from './exec.ts'
import type { Followed, FollowRequest } from './follow.ts'

/** Whatever the act got hold of; the range looks for the canary in it. */
export type Loot = ReadonlyArray<string | Uint8Array>

/** What an attacker may know of the network by looking at it: names, addresses, where the API is said to be. */
export interface NetworkFacts {
  /** Host name -> face address. */
  hosts: Record<string, string>
  /** Base URL that the cluster's own kubeconfigs name, such as `https://127.20.1.1:6443`. */
  apiserver: string
  /** Base URL of each etcd member that kube-apiserver is told of. */
  etcd: string[]
  /** Base URL of each etcd member as the others dial it. */
  etcdPeers: string[]
  /** The attacker's own addresses: what it dials out from, where it may listen, and its localhost. */
  own: { face: string; back: string; loop: string }
}

/** One thing that the attacker saw with its own eyes, in order. */
export interface Observation {
  /** `ip:port` of the attacker's end and of what it dialled (or of the victim, for one who dialled the attacker). */
  local?: string
  remote?: string
  status?: number
  /** `reason` and `message` of a Status, or the body's first line. */
  reason?: string
  text?: string
  layer?: Layer
  code?: string
  alert?: number
  /** Key of a record that the attacker left in the store: whoever cannot read it says so by this name. */
  wrote?: string
}

export interface Reply {
  /** Undefined where no answer came; the observation says why. */
  status?: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

export interface ApiRequest {
  method?: string
  path: string
  headers?: Record<string, string>
  /** An object is sent as JSON, a string or bytes as they are. */
  body?: unknown
  /**
   * Name of a credential in the foothold: a kubeconfig of that name, or `name.crt` and `name.key`. Left out, it is the
   * one called `credential` where the foothold holds one, and nothing otherwise.
   */
  as?: string
  /** A bearer token in place of a held credential, for one that was found on the way. */
  bearer?: string
  /** A kubeconfig's text in place of a held credential, for one that was found on the way. */
  with?: string
  /** A certificate and its key in place of a held credential, for ones that were found on the way. */
  withKeyPair?: KeyPair
}

export interface World {
  readonly network: NetworkFacts
  /** Where the goal was put: names only. */
  readonly goal: { namespace: string; secret: string; pod: string; node: string }
  /** What to leave in the cluster, for a goal of the writing kind. */
  readonly mark: string
  /** What this run aims at, where the scenario's twin or variants differ in it. */
  readonly target: string | undefined

  /** Asks the API where the cluster's kubeconfigs say it is. */
  api(request: ApiRequest): Promise<Reply>
  /** Any HTTP request to any base URL. The attacker verifies nobody. */
  request(baseUrl: string, request: ApiRequest): Promise<Reply>
  /** Listens to an answer that does not end by itself, as a watch or a member's stream: at most so long. */
  follow(baseUrl: string, request: FollowRequest): Promise<Followed>
  /** Runs a command through exec's WebSocket, at a kubelet or at the API. */
  exec(baseUrl: string, request: ExecRequest): Promise<ExecReply>
  /** Speaks etcd's own protocol. */
  etcd(baseUrl: string, as?: string): Promise<EtcdThief>

  /** Stands between the two ends of the foothold's link; honest people meet it from `meanwhile` on. */
  intercept(options: InterceptOptions): Promise<Intercepted>
  /** Lets things go wrong on the foothold's link, for whoever dials from now on: one who owns the path owns its packets. */
  disturb(faults: readonly Fault[]): Promise<void>
  /** Gets a session ticket at one server, and brings it to another (or back) without any certificate. */
  resume(where: ResumeOptions, request: ApiRequest): Promise<Reply>
  /** Asks for a second handshake within a connection of TLS 1.2, then asks the question. */
  renegotiate(baseUrl: string, request: ApiRequest): Promise<Reply>
  /** Begins a handshake with this random and leaves the rest to the server; what it said to it. */
  halfOpen(baseUrl: string, random: Buffer): Promise<Buffer>
  /** Whether this user may open a packet socket; the system's word on it is noted where not. */
  sniff(): Promise<boolean>
  /** Lets honest people and components act, and waits until they have. */
  meanwhile(): Promise<void>
  /**
   * What the tap on the foothold's link recorded so far, in the clear as far as it is: bodies and raw streams. What the
   * foothold holds is put to it: `keylog`, every `*.key`, every
   * `*.stek` (a session-ticket key), in folders as well. It stays as `capture.pcapng`.
   */
  capture(): Promise<Uint8Array[]>

  /** A file of the foothold. */
  held(name: string): Promise<Buffer>
  /** Path of a folder or file of the foothold, for readers of whole folders. */
  heldPath(name: string): string
  /** Whether the foothold holds a file of that name. */
  holds(name: string): Promise<boolean>
  /** A file of the machine that the attacker is a user of, by its path on that machine. */
  readAsUser(path: string): Promise<Buffer | undefined>
  /** Puts a file on the machine that the attacker is a user of, or root of; the system's word is noted where it may not. */
  writeAsUser(path: string, content: string | Uint8Array): Promise<boolean>
  /** Connects to the container runtime's socket of that machine; undefined where the system does not let this user. */
  runtime(): Promise<RuntimeThief | undefined>
  /** The environment of another process; the system's word is noted where it does not show it to this user. Undefined for one that is gone. */
  environmentOf(pid: string): Promise<Buffer | undefined>
  /** Notes something seen that no verb noted by itself. */
  observe(observation: Observation): void
}
