/** Whatever recorded calls are put to: what their variables stand for here, and how a call and its answer are told. */
import { createHash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import type { GrpcClient } from '../../../lib/etcd/grpc-client.ts'
import { GRPC_CODES, GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { messageFromJson, messageToJson, type JsonValue } from '../../../lib/etcd/proto-json.ts'
import { Auth, Cluster, KV, Lease, Maintenance, Watch } from '../../../lib/etcd/rpc_pb.ts'

export interface GrpcCall {
  /** `KV/Put` */
  grpc: string
  /** Of several: `$leader`, `$follower`, `$survivor`, or a name. */
  member?: string
  message?: Record<string, JsonValue>
  /** The value is that many bytes. */
  pad_value_to_bytes?: number
  /** A Txn of that many Puts. */
  bulk_ops?: number
  metadata?: Record<string, string>
  repeat?: number
  /** The client waits no longer. */
  timeout_ms?: number
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

/** Of a method only its messages' shapes matter here. */
export type AnyMethod = typeof KV.method.range

export const METHODS: ReadonlyMap<string, AnyMethod> = new Map(
  [KV, Lease, Maintenance, Watch, Cluster, Auth].flatMap((service) =>
    service.methods.map((method): [string, AnyMethod] => [`${service.name}/${method.name}`, method as AnyMethod]),
  ),
)

export abstract class ReplayTarget {
  readonly variables = new Map<string, string>()

  /** `member` is how a row names one of several. */
  abstract client(credential?: string, member?: string): GrpcClient

  /** `m1_peer` -> `127.0.0.1:2380`, for names that are of a port. */
  protected abstract portOf(name: string): string | undefined

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
    const client = this.client(credential, request.member)
    const metadata = this.resolved(request.metadata ?? {}) as Record<string, string>
    try {
      if (request.grpc === 'Maintenance/Snapshot') return await snapshot(client, metadata)
      const message = messageFromJson(method.input, this.resolved(bodyOf(request)))
      const reply = messageToJson(
        method.output,
        await within(request.timeout_ms, client.unary(method, message, metadata)),
      ) as Record<string, JsonValue>
      for (const [variable, field] of Object.entries(request.capture ?? {}))
        this.variables.set(variable, String(fieldOf(reply, field)))
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
    const urls = text.replaceAll(/\$(\w+)/g, (whole, name: string) => this.portOf(name) ?? whole)
    return JSON.parse(urls) as JsonValue
  }

  /** The same in a text that need not be JSON. */
  resolvedText(text: string): string {
    return text.replaceAll(/\$(\w+)(?:\+(\d+))?/g, (whole, name: string, more?: string) => {
      const port = this.portOf(name)
      const value = this.variables.get(name)
      if (port !== undefined) return port
      return value === undefined ? whole : more === undefined ? value : String(BigInt(value) + BigInt(more))
    })
  }
}

/** As grpc-go's client gives up. */
function within<T>(timeoutMs: number | undefined, answer: Promise<T>): Promise<T> {
  if (timeoutMs === undefined) return answer
  return new Promise((resolve, reject) => {
    const late = new GrpcError('DeadlineExceeded', 'context deadline exceeded')
    const timer = setTimeout(() => reject(late), timeoutMs)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
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

/** `member.ID` */
function fieldOf(reply: JsonValue, path: string): JsonValue | undefined {
  let found: JsonValue | undefined = reply
  for (const name of path.split('.')) found = (found as Record<string, JsonValue> | undefined)?.[name]
  return found
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
