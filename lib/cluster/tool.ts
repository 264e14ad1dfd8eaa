/**
 * A tool in an honest person's hands (kubectl, kubeadm join, a monitoring system), with TLS settings of its own. It says what
 * it decided as components do: a person's refusal is evidence as well.
 */
import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import { dialTls } from '../tls/dial.ts'
import type { KeyPair } from '../tls/listen.ts'
import { dialPlain, endsOf } from '../tls/plain.ts'
import type { TlsPolicy } from '../tls/policy.ts'
import { refusalOf } from '../tls/refusal.ts'
import type { WitnessFacts } from './witness.ts'

export interface ToolUse {
  /** What witness lines call it. */
  tool: string
  method?: string
  path: string
  /** Paths that are asked for first, one after the other on the same connection. */
  before?: readonly string[]
  headers?: Record<string, string>
  body?: string
  policy?: TlsPolicy
  /** Verifies nobody; by default the server is verified by the administrator's CA. */
  insecureSkipVerify?: boolean
  /** The administrator's own unless told otherwise, and so is the token; null: neither. */
  keyPair?: KeyPair | null
  token?: string
  /** What must be noted as having crossed if it did, beside what is sent in the clear of the request. */
  canary?: string
  timeoutMs?: number
}

export interface ToolServer {
  /** `https://127.20.1.1:6443`, or plain http. */
  url: string
  caPem?: string
  keyPair?: KeyPair
  token?: string
}

export interface ToolReply {
  status: number
  text: string
  /** `ip:port` of both ends of the connection that carried it. */
  local: string
  remote: string
}

export async function useTool(
  use: ToolUse,
  server: ToolServer,
  say: (tool: string, facts: WitnessFacts) => void,
): Promise<ToolReply> {
  const url = new URL(server.url)
  let ends = { local: '', remote: url.host }
  try {
    const socket = await dial(use, server, url)
    ends = endsOf(socket)
    const token = use.token ?? (use.keyPair === undefined ? server.token : undefined)
    const asked = token === undefined ? use : { ...use, token }
    for (const path of use.before ?? []) await exchange(socket, { tool: use.tool, path }, url.host)
    const reply = await exchange(socket, asked, url.host)
    socket.destroy()
    if (use.canary !== undefined) {
      const sha256 = createHash('sha256').update(use.canary).digest('hex')
      say(use.tool, { about: 'stream', decision: 'allow', ...ends, text: `canary sha256:${sha256}` })
    }
    return { ...reply, ...ends }
  } catch (error) {
    const { layer, code, message, details } = refusalOf(error)
    const { local = ends.local, remote = ends.remote } = details
    say(use.tool, {
      about: 'connection',
      decision: 'refuse',
      local,
      remote,
      code,
      text: message,
      ...(layer ? { layer } : {}),
    })
    throw error
  }
}

async function dial(use: ToolUse, server: ToolServer, url: URL): Promise<Socket> {
  const where = { address: url.hostname, port: Number(url.port) }
  if (url.protocol === 'http:') return dialPlain(where)
  const keyPair = use.keyPair === undefined ? server.keyPair : (use.keyPair ?? undefined)
  return dialTls({
    ...where,
    serverName: where.address,
    alpn: ['http/1.1'],
    insecureSkipVerify: use.insecureSkipVerify ?? false,
    ...(server.caPem ? { caPem: server.caPem } : {}),
    ...(keyPair ? { keyPair } : {}),
    ...(use.policy ? { policy: use.policy } : {}),
  })
}

const ANSWER_TIMEOUT_MS = 3000

/** One question and its answer on a connection that stays. */
function exchange(socket: Socket, use: ToolUse, host: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      createConnection: () => socket,
      method: use.method ?? (use.body === undefined ? 'GET' : 'POST'),
      path: use.path,
      headers: {
        Host: host,
        Connection: 'keep-alive',
        Accept: 'application/json',
        'User-Agent': use.tool,
        ...(use.token === undefined ? {} : { Authorization: `Bearer ${use.token}` }),
        ...(use.body === undefined
          ? {}
          : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(use.body)) }),
        ...use.headers,
      },
    })
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), use.timeoutMs ?? ANSWER_TIMEOUT_MS)
    const closed = (): void => fail(new Error('closed before an answer'))
    const over = (): void => {
      clearTimeout(timer)
      socket.off('close', closed)
    }
    const fail = (error: Error): void => {
      over()
      reject(error)
    }
    socket.once('close', closed)
    outgoing.on('error', fail)
    outgoing.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      response.on('error', fail)
      response.on('end', () => {
        over()
        resolve({ status: response.statusCode ?? 0, text })
      })
    })
    outgoing.end(use.body)
  })
}
