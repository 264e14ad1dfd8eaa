/** Puts the recorded calls of grpc.json to our member, over mutual TLS. */
import { setImmediate as turn } from 'node:timers/promises'
import { GrpcClient } from '../../../lib/etcd/grpc-client.ts'
import { GRPC_CODES, GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { messageFromJson, messageToJson, type JsonValue } from '../../../lib/etcd/proto-json.ts'
import { KV, Lease, Maintenance, Watch, type RangeResponse } from '../../../lib/etcd/rpc_pb.ts'
import { flagSet, MemberPlace, MemberProcess } from './member-process.ts'
import { RecordedPki } from './recorded-pki.ts'

interface Call {
  /** `KV/Put` */
  grpc: string
  message?: Record<string, JsonValue>
  /** The value is that many bytes. */
  pad_value_to_bytes?: number
  /** A Txn of that many Puts. */
  bulk_ops?: number
  metadata?: Record<string, string>
  stream?: { send?: JsonValue; step?: Call; wait_ms?: number }[]
}

export interface GrpcRow {
  id: string
  profile: 'mtls' | 'small' | 'progress'
  before?: (Call | { proc: string })[]
  request: Call
  answer: { code?: number; message?: string; reply?: JsonValue; replies?: JsonValue[] }
}

const PROFILE_FLAGS: Readonly<Record<GrpcRow['profile'], string[]>> = {
  mtls: [],
  small: ['--max-request-bytes=4096', '--max-txn-ops=4'],
  progress: ['--watch-progress-notify-interval=300ms'],
}

/** How long an answer may take to come, the end of a lease among them. */
const DEADLINE_MS = 8000

const METHODS: ReadonlyMap<string, AnyMethod> = new Map(
  [KV, Lease, Maintenance, Watch].flatMap((service) =>
    service.methods.map((method): [string, AnyMethod] => [`${service.name}/${method.name}`, method as AnyMethod]),
  ),
)

/** Of a method only its messages' shapes matter here. */
type AnyMethod = typeof KV.method.range

interface Running {
  place: MemberPlace
  member: MemberProcess
  client: GrpcClient
  /** What the variables of the recordings stand for here. */
  variables: Map<string, string>
}

export class GrpcReplay {
  readonly #members = new Map<string, Promise<Running>>()

  async replay({
    profile,
    before = [],
    request,
    answer,
  }: GrpcRow): Promise<{ expected: string; got: string } | undefined> {
    this.#members.set(profile, this.#members.get(profile) ?? start(PROFILE_FLAGS[profile]))
    const running = await this.#members.get(profile)!
    running.variables.set('rev', String(await revisionOf(running.client)))
    let waits = false
    for (const step of before) {
      if ('proc' in step) waits = true
      else await call(running, step)
    }
    const end = performance.now() + DEADLINE_MS
    for (;;) {
      const got = request.stream ? await this.#stream(running, request, answer) : await call(running, request)
      if (agrees(answer, got, running.variables)) return undefined
      if (!waits || performance.now() > end)
        return { expected: said(answer, running.variables), got: said(got, running.variables) }
      await turn()
    }
  }

  async end(): Promise<void> {
    for (const started of this.#members.values()) {
      const { client, member, place } = await started
      await client.close()
      await member.process.kill()
      place.remove()
    }
  }

  /** Replies come until there are as many as recorded; one more call shows whether more were on their way. */
  async #stream(running: Running, request: Call, wanted: GrpcRow['answer']): Promise<GrpcRow['answer']> {
    const method = METHODS.get(request.grpc)!
    const replies: JsonValue[] = []
    const count = wanted.replies?.length ?? 0
    let changed = (): void => {}
    const listener = {
      message: (message: RangeResponse) => {
        const reply = messageToJson(method.output, message)
        if (JSON.stringify(reply) !== JSON.stringify(replies.at(-1))) replies.push(reply)
        changed()
      },
      end: () => changed(),
    }
    const stream = await running.client.stream(method, listener, request.metadata)
    for (const { send, step } of request.stream ?? []) {
      if (step) {
        // The member has the requests before: it answers each of them at once.
        await settled(running)
        await call(running, step)
      }
      if (send !== undefined) stream.send(messageFromJson(method.input, resolved(send, running.variables)))
    }
    const end = performance.now() + DEADLINE_MS
    while (replies.length < count && performance.now() < end) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, DEADLINE_MS)
        changed = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    await settled(running)
    stream.cancel()
    return replies.length > 0 ? { replies } : {}
  }
}

async function start(flags: string[]): Promise<Running> {
  const place = await MemberPlace.create()
  const pki = new RecordedPki(place.pki)
  for (const name of ['server', 'peer']) pki.credential(name)
  const member = new MemberProcess(place, [...flagSet('mtls'), ...flags])
  if (!(await member.serves())) throw new Error(member.process.lastWords)
  const client = new GrpcClient({
    endpoints: [`https://127.0.0.1:${place.clientPort}`],
    caPem: () => pki.pem('etcd-ca.crt'),
    keyPair: () => pki.credential('healthcheck-client'),
  })
  const { header } = await client.unary(Maintenance.method.status, {})
  const variables = new Map([
    ['cluster_id', String(header!.clusterId)],
    ['member_id', String(header!.memberId)],
    ['raft_term', String(header!.raftTerm)],
  ])
  return { place, member, client, variables }
}

async function revisionOf(client: GrpcClient): Promise<bigint> {
  const { header } = await client.unary(KV.method.range, { key: new Uint8Array([120]), countOnly: true })
  return header!.revision
}

/** Two calls on the same connection: what was sent on a stream before them has been handled, and its answers came. */
async function settled({ client }: Running): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    await revisionOf(client)
    await turn()
  }
}

async function call({ client, variables }: Running, request: Call): Promise<GrpcRow['answer']> {
  const [service = '', name = ''] = request.grpc.split('/')
  const known = METHODS.get(request.grpc)
  const method = known ?? { ...KV.method.range, name, parent: { ...KV, typeName: `etcdserverpb.${service}` } }
  const json = resolved(bodyOf(request), variables)
  try {
    const reply = await client.unary(method, messageFromJson(method.input, json))
    return { code: 0, reply: messageToJson(method.output, reply) }
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error
    return { code: GRPC_CODES[error.code], message: error.message }
  }
}

function bodyOf({ message = {}, pad_value_to_bytes: bytes, bulk_ops: operations }: Call): JsonValue {
  if (bytes !== undefined) return { ...message, value: Buffer.alloc(bytes, 'x').toString('base64') }
  if (operations === undefined) return message
  const put = (index: number): JsonValue => ({
    request_put: { key: Buffer.from(`bulk/${index}`).toString('base64'), value: 'dg==' },
  })
  return { ...message, success: Array.from({ length: operations }, (_, index) => put(index)) }
}

/** `$rev+2` and the other variables, as they stand here; what has no value stays. */
function resolved(json: JsonValue, variables: Map<string, string>): JsonValue {
  const text = JSON.stringify(json).replaceAll(/"\$(\w+)(?:\+(\d+))?"/g, (whole, name: string, more?: string) => {
    const value = variables.get(name)
    return value === undefined ? whole : `"${BigInt(value) + BigInt(more ?? 0)}"`
  })
  return JSON.parse(text) as JsonValue
}

function agrees(wanted: GrpcRow['answer'], got: GrpcRow['answer'], variables: Map<string, string>): boolean {
  return same(shape(wanted, variables), got as JsonValue)
}

/** A stream's message says only how the recording client left it. */
function shape({ message, ...rest }: GrpcRow['answer'], variables: Map<string, string>): JsonValue {
  const json = message?.startsWith('stream open') ? rest : { ...rest, ...(message === undefined ? {} : { message }) }
  const { code, ...others } = json
  return resolved(
    (rest.replies ? others : { ...(code === undefined ? {} : { code }), ...others }) as JsonValue,
    variables,
  )
}

/** A variable without a value here, such as `$long`, is met by anything. */
function same(wanted: JsonValue | undefined, got: JsonValue | undefined): boolean {
  if (typeof wanted === 'string' && wanted.startsWith('$')) return got !== undefined
  if (typeof wanted !== 'object' || wanted === null || typeof got !== 'object' || got === null) return wanted === got
  const [one, other] = [new Map(Object.entries(wanted)), new Map(Object.entries(got))]
  return one.size === other.size && [...one].every(([key, value]) => same(value, other.get(key)))
}

function said(answer: GrpcRow['answer'], variables: Map<string, string>): string {
  return JSON.stringify(shape(answer, variables)).slice(0, 1000)
}
