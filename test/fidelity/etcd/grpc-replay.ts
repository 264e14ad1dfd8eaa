/** Puts the recorded calls of grpc.json to our member, over TLS. */
import { setImmediate as turn } from 'node:timers/promises'
import { GRPC_CODES, GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { messageFromJson, messageToJson, type JsonValue } from '../../../lib/etcd/proto-json.ts'
import type { RangeResponse } from '../../../lib/etcd/rpc_pb.ts'
import type { Difference } from '../hold-rows.ts'
import { ReplayMember } from './replay-member.ts'
import { METHODS, same, type GrpcAnswer, type GrpcCall, type ReplayTarget } from './replay-target.ts'

export interface GrpcRow {
  id: string
  profile: string
  credential?: string
  /** Steps of rows that are not among these, which came before. */
  unseen?: GrpcCall[]
  before?: (GrpcCall | { proc: string })[]
  request: GrpcCall
  after?: GrpcCall[]
  answer: GrpcAnswer
}

/** How long an answer may take to come, the end of a lease among them. */
const DEADLINE_MS = 8000

export class GrpcReplay {
  readonly #members = new Map<string, Promise<ReplayMember>>()

  async replay(row: GrpcRow): Promise<Difference | undefined> {
    const { profile } = row
    this.#members.set(profile, this.#members.get(profile) ?? ReplayMember.start(profile))
    return replayCall(await this.#members.get(profile)!, row)
  }

  async end(): Promise<void> {
    for (const started of this.#members.values()) await (await started).end()
  }
}

/** The steps before it, the call, and the steps after it. */
export async function replayCall(
  member: ReplayTarget,
  { credential, unseen = [], before = [], request, after = [], answer }: GrpcRow,
): Promise<Difference | undefined> {
  for (const step of unseen) await member.call(step)
  await member.mark()
  let waits = false
  for (const step of before) {
    if ('proc' in step) waits = true
    else await member.call(step)
  }
  const end = performance.now() + DEADLINE_MS
  for (;;) {
    const got = request.stream
      ? await stream(member, request, answer, credential)
      : await member.call(request, credential)
    const wanted = member.resolved(shape(answer))
    if (same(wanted, got as JsonValue)) break
    if (!waits || performance.now() > end)
      return { expected: JSON.stringify(wanted).slice(0, 1000), got: JSON.stringify(got).slice(0, 1000) }
    await turn()
  }
  for (const step of after) await member.call(step)
  return undefined
}

/** Replies come until there are as many as recorded; two more calls show whether more were on their way. */
async function stream(
  member: ReplayTarget,
  request: GrpcCall,
  wanted: GrpcAnswer,
  credential: string | undefined,
): Promise<GrpcAnswer> {
  const method = METHODS.get(request.grpc)!
  const replies: JsonValue[] = []
  const count = wanted.replies?.length ?? 0
  let changed = (): void => {}
  const failures: GrpcError[] = []
  const listener = {
    message: (message: RangeResponse) => {
      const reply = messageToJson(method.output, message)
      if (JSON.stringify(reply) !== JSON.stringify(replies.at(-1))) replies.push(reply)
      changed()
    },
    end: (error: Error | undefined) => {
      if (error instanceof GrpcError && !isEnd(error)) failures.push(error)
      changed()
    },
  }
  const metadata = member.resolved(request.metadata ?? {}) as Record<string, string>
  const opened = await member.client(credential, request.member).stream(method, listener, metadata)
  for (const { send, step } of request.stream ?? []) {
    if (step) {
      // The member has the requests before: it answers each of them at once.
      await settled(member)
      await member.call(step)
    }
    if (send !== undefined) opened.send(messageFromJson(method.input, member.resolved(send)))
  }
  const end = performance.now() + DEADLINE_MS
  while (replies.length < count && failures.length === 0 && performance.now() < end) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, DEADLINE_MS)
      changed = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
  await settled(member)
  opened.cancel()
  const [failure] = failures
  if (failure) return { code: GRPC_CODES[failure.code], message: failure.message }
  return replies.length > 0 ? { replies } : {}
}

/** Two calls on the same connection: what was sent on a stream before them has been handled, and its answers came. */
async function settled(member: ReplayTarget): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    await member.revision()
    await turn()
  }
}

/** The client left, or the connection did. */
function isEnd({ code, message }: GrpcError): boolean {
  return code === 'Unavailable' && message.startsWith('error reading from server')
}

/** A stream's message says only how the recording client left it. */
function shape({ message, code, ...rest }: GrpcAnswer): JsonValue {
  const said = message === undefined || message.startsWith('stream open') ? {} : { message }
  return { ...(code === undefined || rest.replies ? {} : { code }), ...said, ...rest } as JsonValue
}
