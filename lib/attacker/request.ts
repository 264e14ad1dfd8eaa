/** One HTTP/1.1 request on a connection of its own, by somebody who verifies nobody and notes all it sees. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { dialTls } from '../tls/dial.ts'
import { dialPlain } from '../tls/plain.ts'
import { refusalOf } from '../tls/refusal.ts'
import type { KeyPair } from '../tls/listen.ts'
import type { ApiRequest, Observation, Reply } from './world.ts'

export interface Caller {
  localAddress: string
  keyPair?: KeyPair
  token?: string
  observe: (observation: Observation) => void
  timeoutMs?: number
}

/** Dials a base URL from the attacker's place. Rejects with a Refusal. */
export async function dialBase(baseUrl: string, caller: Caller): Promise<Socket> {
  const url = new URL(baseUrl)
  const address = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port || (url.protocol === 'http:' ? 80 : 443))
  const { localAddress } = caller
  if (url.protocol === 'http:') return dialPlain({ address, port, localAddress })
  return dialTls({
    address,
    port,
    localAddress,
    serverName: address,
    insecureSkipVerify: true,
    ...(caller.keyPair ? { keyPair: caller.keyPair } : {}),
    alpn: ['http/1.1'],
  })
}

export async function requestOnce(baseUrl: string, request: ApiRequest, caller: Caller): Promise<Reply> {
  const url = new URL(baseUrl)
  const seen: Observation = { remote: url.host }
  try {
    const socket = await dialBase(baseUrl, caller)
    seen.local = `${socket.localAddress}:${socket.localPort}`
    const reply = await exchange(socket, url.host, request, caller)
    Object.assign(seen, statusFacts(reply))
    caller.observe(seen)
    return reply
  } catch (error) {
    caller.observe({ ...seen, ...refusalFacts(error, url.host) })
    return { headers: {}, body: '' }
  }
}

/** What a connection that was refused, or failed, says of itself. */
export function refusalFacts(error: unknown, remote: string): Observation {
  const { code, message, layer, details } = refusalOf(error, { subject: remote })
  return {
    remote,
    code,
    text: message,
    ...(layer ? { layer } : {}),
    ...(details.alert === undefined ? {} : { alert: details.alert }),
  }
}

/** Asks on a connection that stands, and ends it. Rejects with what the socket says. */
export function exchange(socket: Socket, host: string, request: ApiRequest, caller: Caller): Promise<Reply> {
  let resolve!: (reply: Reply) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<Reply>((yes, no) => {
    resolve = yes
    reject = no
  })
  const body = bodyOf(request.body)
  const outgoing = httpRequest({
    createConnection: () => socket,
    method: request.method ?? (body === undefined ? 'GET' : 'POST'),
    path: request.path,
    headers: {
      Host: host,
      Accept: 'application/json',
      Connection: 'close',
      ...(body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
      ...(caller.token ? { Authorization: `Bearer ${caller.token}` } : {}),
      ...request.headers,
    },
  })
  const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), caller.timeoutMs ?? 4000)
  outgoing.on('response', (response: IncomingMessage) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('error', reject)
    response.on('end', () =>
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      }),
    )
  })
  outgoing.on('error', reject)
  outgoing.end(body)
  return promise.finally(() => {
    clearTimeout(timer)
    socket.destroy()
  })
}

function bodyOf(body: unknown): string | Uint8Array | undefined {
  return body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
}

/** What a reply says of itself: a Status's reason and message, or the first line of its text. */
export function statusFacts(reply: Reply): Observation {
  const facts: Observation = {}
  if (reply.status !== undefined) facts.status = reply.status
  const text = reply.body.slice(0, 2000)
  try {
    const parsed = JSON.parse(reply.body) as { kind?: string; reason?: string; message?: string }
    if (parsed.kind === 'Status') {
      if (parsed.reason) facts.reason = parsed.reason
      if (parsed.message) facts.text = parsed.message
    }
  } catch {
    if ((reply.status ?? 0) >= 400) facts.text = text.split('\n', 1)[0] ?? ''
  }
  return facts
}
