/** A member of a recorded profile, its clients, and what the variables of the recordings stand for here. */
import { createHash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { GrpcClient } from '../../../lib/etcd/grpc-client.ts'
import { GRPC_CODES, GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { messageFromJson, messageToJson, type JsonValue } from '../../../lib/etcd/proto-json.ts'
import { Auth, Cluster, KV, Lease, Maintenance, Watch, type StatusResponse } from '../../../lib/etcd/rpc_pb.ts'
import { MemberPlace, MemberProcess } from './member-process.ts'
import { recorded, RecordedPki } from './recorded-pki.ts'

export interface GrpcCall {
  /** `KV/Put` */
  grpc: string
  message?: Record<string, JsonValue>
  /** The value is that many bytes. */
  pad_value_to_bytes?: number
  /** A Txn of that many Puts. */
  bulk_ops?: number
  metadata?: Record<string, string>
  repeat?: number
  /** What later calls know by these names: variable -> field of the reply. */
  capture?: Record<string, string>
  stream?: { send?: JsonValue; step?: GrpcCall; wait_ms?: number }[]
}

export interface GrpcAnswer {
  code?: number
  message?: string
  reply?: JsonValue
  replies?: JsonValue[]
}

interface Profile {
  name: string
  credential: string
  flags: string[]
  stepsFirst?: GrpcCall[]
}

/** Of a method only its messages' shapes matter here. */
export type AnyMethod = typeof KV.method.range

export const METHODS: ReadonlyMap<string, AnyMethod> = new Map(
  [KV, Lease, Maintenance, Watch, Cluster, Auth].flatMap((service) =>
    service.methods.map((method): [string, AnyMethod] => [`${service.name}/${method.name}`, method as AnyMethod]),
  ),
)

const FILL_DEADLINE_MS = 5000

export class ReplayMember {
  readonly place: MemberPlace
  readonly pki: RecordedPki
  readonly variables = new Map<string, string>()
  readonly #profile: Profile
  readonly #process: MemberProcess
  readonly #clients = new Map<string, GrpcClient>()

  static async start(profileName: string): Promise<ReplayMember> {
    const profile = recorded<Profile>('profiles.json').find(({ name }) => name === profileName)
    if (!profile) throw new Error(`no profile named ${profileName}`)
    const place = await MemberPlace.create()
    const pki = new RecordedPki(place.pki)
    for (const name of ['server', 'peer']) pki.credential(name)
    const member = new ReplayMember(profile, place, pki)
    if (!(await member.#process.serves())) throw new Error(member.#process.process.lastWords)
    await member.#prepare()
    return member
  }

  private constructor(profile: Profile, place: MemberPlace, pki: RecordedPki) {
    this.#profile = profile
    this.place = place
    this.pki = pki
    this.#process = new MemberProcess(place, profile.flags)
  }

  async end(): Promise<void> {
    for (const client of this.#clients.values()) await client.close()
    await this.#process.process.kill()
    this.place.remove()
  }

  /** With a certificate of that name; `none` shows none, and the profile's own is the default. */
  client(credential = this.#profile.credential): GrpcClient {
    const known = this.#clients.get(credential)
    if (known) return known
    const client = new GrpcClient({
      endpoints: [`https://127.0.0.1:${this.place.clientPort}`],
      caPem: () => this.pki.pem('etcd-ca.crt'),
      ...(credential === 'none' ? {} : { keyPair: () => this.pki.credential(credential) }),
    })
    this.#clients.set(credential, client)
    return client
  }

  credentialOr(credential: string | undefined): string {
    return credential ?? this.#profile.credential
  }

  /** `$rev` is the revision before what follows. */
  async mark(): Promise<void> {
    this.variables.set('rev', String(await this.revision()))
  }

  /** Asked with root's token where users are asked for. */
  async revision(): Promise<bigint> {
    const token = this.variables.get('admin_token')
    const request = { key: new Uint8Array([120]), countOnly: true }
    const { header } = await this.client().unary(KV.method.range, request, token ? { token } : {})
    return header!.revision
  }

  async call(request: GrpcCall, credential?: string): Promise<GrpcAnswer> {
    const [service = '', name = ''] = request.grpc.split('/')
    const known = METHODS.get(request.grpc)
    const method = known ?? { ...KV.method.range, name, parent: { ...KV, typeName: `etcdserverpb.${service}` } }
    const client = this.client(credential)
    const metadata = this.resolved(request.metadata ?? {}) as Record<string, string>
    try {
      if (request.grpc === 'Maintenance/Snapshot') return await snapshot(client, metadata)
      const message = messageFromJson(method.input, this.resolved(bodyOf(request)))
      const reply = messageToJson(method.output, await client.unary(method, message, metadata)) as Record<
        string,
        JsonValue
      >
      for (const [variable, field] of Object.entries(request.capture ?? {}))
        this.variables.set(variable, String(reply[field]))
      return { code: 0, reply }
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error
      return { code: GRPC_CODES[error.code], message: error.message }
    }
  }

  /** `$rev+2` and the other variables, as they stand here; what has no value stays. */
  resolved(json: JsonValue): JsonValue {
    const text = JSON.stringify(json).replaceAll(/"\$(\w+?)(?:\+(\d+))?"/g, (whole, name: string, more?: string) => {
      const value = this.variables.get(name)
      if (value === undefined) return whole
      return JSON.stringify(more === undefined ? value : String(BigInt(value) + BigInt(more)))
    })
    const urls = text.replaceAll(/https:\/\/\$(?:m1_)?(client|peer)\b/g, (_, port: string) => {
      return `https://127.0.0.1:${this.place.ports.get(port)}`
    })
    return JSON.parse(urls) as JsonValue
  }

  /** The same in a text that need not be JSON. */
  resolvedText(text: string): string {
    return text.replaceAll(/\$(\w+)(?:\+(\d+))?/g, (whole, name: string, more?: string) => {
      const port = this.place.ports.get(name.replace('m1_', ''))
      const value = this.variables.get(name)
      if (port !== undefined) return `127.0.0.1:${port}`
      return value === undefined ? whole : more === undefined ? value : String(BigInt(value) + BigInt(more))
    })
  }

  async #prepare(): Promise<void> {
    for (const step of this.#profile.stepsFirst ?? [])
      for (let count = 0; count < (step.repeat ?? 1); count += 1) await this.call(step)
    const token = this.variables.get('admin_token')
    const status = (): Promise<StatusResponse> =>
      this.client().unary(Maintenance.method.status, {}, token ? { token } : {})
    const { header } = await status()
    // The recorded steps filled the store; the db file, which the quota is about, follows with the next commit.
    const quotaBytes = Number(/--quota-backend-bytes=(\d+)/.exec(this.#profile.flags.join(' '))?.[1] ?? 0)
    const end = performance.now() + FILL_DEADLINE_MS
    while ((await status()).dbSize < quotaBytes && performance.now() < end) await turn()
    const id = String(header!.memberId)
    for (const [name, value] of [
      ['cluster_id', String(header!.clusterId)],
      ['member_id', id],
      ['m1_id', id],
      ['raft_term', String(header!.raftTerm)],
    ] as const)
      this.variables.set(name, value)
  }
}

/** What the recording says of a snapshot: not its bytes, but what they are like. */
async function snapshot(client: GrpcClient, metadata: Record<string, string>): Promise<GrpcAnswer> {
  const blobs: Buffer[] = []
  let version = ''
  const end = new EventEmitter()
  const ended = once(end, 'end')
  const stream = await client.stream(
    Maintenance.method.snapshot,
    {
      message: (reply) => {
        blobs.push(Buffer.from(reply.blob))
        version = reply.version
      },
      end: (error) => void (error ? end.emit('error', error) : end.emit('end')),
    },
    metadata,
  )
  stream.send({})
  stream.end()
  await ended
  const digest = blobs.at(-1)!
  const database = Buffer.concat(blobs.slice(0, -1))
  const reply = {
    bytes_modulo_512: (database.length + digest.length) % 512,
    messages: blobs.length,
    trailing_sha256_is_valid: createHash('sha256').update(database).digest().equals(digest),
    version,
  }
  return { code: 0, reply }
}

function bodyOf({ message = {}, pad_value_to_bytes: bytes, bulk_ops: operations }: GrpcCall): JsonValue {
  if (bytes !== undefined) return { ...message, value: Buffer.alloc(bytes, 'x').toString('base64') }
  if (operations === undefined) return message
  const put = (index: number): JsonValue => ({
    request_put: { key: Buffer.from(`bulk/${index}`).toString('base64'), value: 'dg==' },
  })
  return { ...message, success: Array.from({ length: operations }, (_, index) => put(index)) }
}

/** A variable without a value here, such as `$long`, is met by anything; `$rev-3` too, since not all rows are here. */
export function same(wanted: JsonValue | undefined, got: JsonValue | undefined): boolean {
  if (typeof wanted === 'string' && wanted.startsWith('$')) return got !== undefined
  if (typeof wanted !== 'object' || wanted === null || typeof got !== 'object' || got === null) return wanted === got
  const [one, other] = [new Map(Object.entries(wanted)), new Map(Object.entries(got))]
  return one.size === other.size && [...one].every(([key, value]) => same(value, other.get(key)))
}
