/** Puts the recorded requests of gateway.json to our member's JSON gateway, over TLS. */
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { request as askHttps } from 'node:https'
import { connect as connectTls } from 'node:tls'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonValue } from '../../../lib/etcd/proto-json.ts'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { ReplayMember } from './replay-member.ts'
import { same, type GrpcCall } from './replay-target.ts'

export interface GatewayRow {
  id: string
  profile: string
  credential?: string
  /** Steps of rows that are not among these, which came before. */
  unseen?: GrpcCall[]
  before?: GrpcCall[]
  request: { method: string; path: string; headers?: Record<string, string>; body?: string; version?: string }
  answer: { silent: true } | { status: number; proto?: 2; headers: string; body: string }
}

interface Got {
  status: number
  headers: Record<string, string>
  body: string
}

/** Header sets by name: they are few. */
const HEADS = JSON.parse(readFileSync(join(packageRoot(), 'test/fidelity/etcd/gateway-heads.json'), 'utf8')) as Record<
  string,
  Record<string, string>
>

/** What a client and a server add by themselves. */
const OWN = new Set(['date', 'connection', 'keep-alive', 'content-length', ':status'])

/** The real one's chunks end with its connection; a stream that stays open is left when its lines are there. */
const DEADLINE_MS = 8000

/** A body of the recordings that is told by its size. */
const PADDED = /^\$put_(\d+)$/

export class GatewayReplay {
  readonly #members = new Map<string, Promise<ReplayMember>>()

  async replay(row: GatewayRow): Promise<{ expected: string; got: string } | undefined> {
    const { profile, unseen = [], before = [], answer } = row
    this.#members.set(profile, this.#members.get(profile) ?? start(profile))
    const member = await this.#members.get(profile)!
    for (const step of unseen) await member.call(step)
    await member.mark()
    for (const step of before) await member.call(step)
    const got = await ask(member, row)
    if ('silent' in answer) return got === undefined ? undefined : { expected: 'silence', got: JSON.stringify(got) }
    const wanted = { status: answer.status, headers: HEADS[answer.headers]!, body: answer.body }
    const said = got ?? { status: 0, headers: {}, body: '' }
    const agrees =
      said.status === wanted.status &&
      same(wanted.headers, said.headers) &&
      same(member.resolved(bodyOf(wanted.body)), bodyOf(said.body))
    return agrees ? undefined : { expected: JSON.stringify(wanted), got: JSON.stringify(said) }
  }

  async end(): Promise<void> {
    for (const started of this.#members.values()) await (await started).end()
  }
}

/** The recorded member of the quota had been given room again by the time. */
async function start(profile: string): Promise<ReplayMember> {
  const member = await ReplayMember.start(profile)
  if (profile !== 'quota') return member
  await member.mark()
  await member.call({ grpc: 'KV/Compact', message: { physical: true, revision: '$rev+0' } })
  await member.call({ grpc: 'Maintenance/Defragment' })
  await member.call({
    grpc: 'Maintenance/Alarm',
    message: { action: 'DEACTIVATE', alarm: 'NOSPACE', memberID: '$m1_id' },
  })
  return member
}

/** Lines of JSON, or a text that is none. */
function bodyOf(text: string): JsonValue {
  try {
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as JsonValue)
  } catch {
    return text
  }
}

async function ask(member: ReplayMember, row: GatewayRow): Promise<Got | undefined> {
  const { request, answer } = row
  const credential = member.credentialOr(row.credential)
  const pair = credential === 'none' ? {} : member.pki.credential(credential)
  const size = PADDED.exec(request.body ?? '')?.[1]
  const body =
    size === undefined
      ? member.resolvedText(request.body ?? '')
      : JSON.stringify({ key: 'eA==', value: Buffer.alloc(Number(size), 'x').toString('base64') })
  const headers = member.resolved(request.headers ?? {}) as Record<string, string>
  const lines = 'silent' in answer ? 0 : answer.body.split('\n').length - 1
  if (request.version === '2') return askHttp2(member.place.clientPort, pair, { ...request, body }, headers)
  return new Promise((resolve, reject) => {
    const asked = askHttps({
      host: '127.0.0.1',
      port: member.place.clientPort,
      method: request.method,
      path: request.path,
      headers: { ...headers, ...(request.method === 'GET' ? {} : { 'content-length': Buffer.byteLength(body) }) },
      rejectUnauthorized: false,
      agent: false,
      ...pair,
    })
    const timer = setTimeout(() => reject(new Error(`${row.id}: no answer`)), DEADLINE_MS)
    const leave = (got: Got | undefined): void => {
      clearTimeout(timer)
      asked.destroy()
      resolve(got)
    }
    asked.on('error', reject)
    asked.on('response', (response) => {
      const got = { status: response.statusCode ?? 0, headers: foreign(response.headers), body: '' }
      response.setEncoding('utf8').on('data', (text: string) => {
        got.body += text
        // A stream that stays open.
        if (lines > 0 && got.body.split('\n').length - 1 >= lines && got.headers['transfer-encoding']) leave(got)
      })
      response.on('end', () => leave(got))
    })
    asked.end(body)
    // Silence counts once the member has answered others who asked later.
    if ('silent' in answer)
      asked.on('finish', () => void member.revision().then(() => member.revision().then(() => leave(undefined))))
  })
}

async function askHttp2(
  port: number,
  pair: { cert?: string; key?: string },
  { method, path, body }: { method: string; path: string; body: string },
  headers: Record<string, string>,
): Promise<Got> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'], ...pair })
  await once(socket, 'secureConnect')
  const session = connectHttp2('https://127.0.0.1', { createConnection: () => socket })
  const stream = session.request({ ':method': method, ':path': path, ...headers })
  if (method !== 'GET') stream.end(body)
  const [answered] = (await once(stream, 'response')) as [Record<string, string>]
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  socket.on('error', () => {})
  session.destroy()
  return { status: Number(answered[':status']), headers: foreign(answered), body: text }
}

function foreign(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => !OWN.has(name))
      .map(([name, value]) => [name, String(value)]),
  )
}
