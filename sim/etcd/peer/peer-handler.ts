/** What a member answers on its peer port: rafthttp's paths, /members, /version and what members ask each other besides. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { badRequest, cleanPath, redirect, targetOf } from '../http/mux.ts'
import { log, type Fields } from '../log.ts'
import { hexOf, type Message, type NodeId } from '../raft/message.ts'
import { headerProblem, idOf, one, type PeerIdentity } from './identity.ts'
import { FrameReader } from './frame-reader.ts'
import type { StreamKind } from './message-stream.ts'
import { decodeMessage } from './raft-message.ts'
import type { Transport } from './transport.ts'

/** What the handler wants to know of its member. */
export interface PeerHost {
  /** Undefined until the member knows who it is. */
  transport: Transport | undefined
  identity: PeerIdentity
  isRemoved(id: NodeId): boolean
  /** @throws Error `cannot process message to mismatch member` and the like. */
  process(message: Message): void
  /** Takes the database that comes with a MsgSnap, then the message. */
  takeSnapshot(message: Message, database: AsyncIterable<Buffer>): Promise<void>
  /** `{"etcdserver":"3.6.16","etcdcluster":"3.6.0","storage":"3.6.0"}` */
  version(): string
  /** JSON of /members. */
  members(): string
  /** What other paths answer; undefined: 404. */
  answer?(request: IncomingMessage, path: string): Promise<PlainAnswer | undefined>
}

export interface PlainAnswer {
  status: number
  type: string
  body: string | Buffer
  /** The method that would do, of a refused one. */
  allow?: string
  /** Whether the answer names the cluster. */
  namesCluster: boolean
}

/** An errant message of 1.5 MiB of request, and what Raft says around it, is far below this. */
const MOST_MESSAGE_BYTES = 64 * 1024 * 1024

type Handler = (request: IncomingMessage, response: ServerResponse) => void

export function peerHandler(host: PeerHost): Handler {
  return (request, response) => {
    // Go's server says nothing of how long it keeps a connection.
    response.removeHeader('Connection')
    const target = targetOf(request.url ?? '/')
    if (!target) return badRequest({ response })
    const path = cleanPath(target.path)
    if (path !== target.path) return redirect({ request, response, query: target.query }, path)
    handle(host, request, response, path).catch((error: unknown) => {
      log('warn', 'http: panic serving', { error: error instanceof Error ? error.message : String(error) })
      response.destroy()
    })
  }
}

async function handle(host: PeerHost, request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
  if (path === '/raft') return pipeline(host, request, response)
  if (path === '/raft/snapshot') return snapshot(host, request, response)
  if (path.startsWith('/raft/stream/')) return stream(host, request, response, path)
  request.resume()
  if (path === '/raft/probing') return probing(response)
  if (path === '/version') {
    if (!allows(request, response, 'GET', HEAD_TOO)) return
    return write(response, 200, 'application/json', host.version())
  }
  if (path === '/members') {
    if (!allows(request, response, 'GET')) return
    response.setHeader('X-Etcd-Cluster-Id', hexOf(host.identity.clusterId))
    return write(response, 200, 'application/json', `${host.members()}\n`)
  }
  const answer = await host.answer?.(request, path)
  if (!answer) return refuse(response, 404, '404 page not found')
  if (answer.allow) response.setHeader('Allow', answer.allow)
  if (answer.namesCluster) response.setHeader('X-Etcd-Cluster-Id', hexOf(host.identity.clusterId))
  if (answer.status >= 400) return refuse(response, answer.status, String(answer.body))
  write(response, answer.status, answer.type, answer.body)
}

async function pipeline(host: PeerHost, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isForUs(host, request, response, 'POST')) return
  let message: Message
  try {
    message = decodeMessage(await bodyOf(request))
  } catch (error) {
    warn(host, 'failed to unmarshal Raft message', error)
    return refuse(response, 400, 'error unmarshalling raft message')
  }
  try {
    host.process(message)
  } catch (error) {
    warn(host, 'failed to process Raft message', error)
    return hangUp(response, 500, 'error processing raft message')
  }
  response.writeHead(204).end()
}

async function snapshot(host: PeerHost, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isForUs(host, request, response, 'POST')) return
  const reader = new FrameReader()
  const pieces = request[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let message: Message
  try {
    message = decodeMessage(await firstFrame(reader, pieces))
  } catch (error) {
    request.resume()
    warn(host, 'failed to decode Raft message', error)
    return refuse(response, 400, `failed to decode raft message (${textOf(error)})`)
  }
  if (message.type !== 'snapshot') {
    request.resume()
    warn(host, 'unexpected Raft message type', undefined, { 'message-type': message.type })
    return refuse(response, 400, 'wrong raft message type')
  }
  log('info', 'receiving database snapshot', {
    'local-member-id': hexOf(host.identity.id),
    'remote-snapshot-sender-id': hexOf(message.from),
    'incoming-snapshot-index': message.snapshot?.index,
  })
  try {
    await host.takeSnapshot(message, rest(reader, pieces))
  } catch (error) {
    request.resume()
    warn(host, 'failed to save incoming database snapshot', error)
    return refuse(response, 500, `failed to save KV snapshot (${textOf(error)})`)
  }
  response.writeHead(204).end()
}

function stream(host: PeerHost, request: IncomingMessage, response: ServerResponse, path: string): void {
  request.resume()
  const { identity, transport } = host
  if (!allows(request, response, 'GET')) return
  response.setHeader('X-Server-Version', identity.version)
  if (!isForUs(host, request, response, 'GET')) return
  const [, kind, sender = ''] = /^\/raft\/stream\/(message|msgapp)\/([^/]*)$/.exec(path) ?? []
  if (!kind) return refuse(response, 404, 'invalid path')
  const from = idOf(sender)
  if (from === undefined) {
    warn(host, 'failed to parse path into ID', undefined, { path: sender })
    return refuse(response, 404, 'invalid from')
  }
  const fields = { 'remote-peer-id-from': hexOf(from) }
  if (host.isRemoved(from)) {
    warn(host, 'rejected stream from remote peer because it was removed', undefined, fields)
    return refuse(response, 410, 'removed member')
  }
  const peer = transport?.get(from)
  if (!peer) {
    const urls = one(request.headers, 'x-peerurls')
    if (urls !== '') transport?.addRemote(from, urls.split(','))
    warn(host, 'failed to find remote peer in cluster', undefined, fields)
    return refuse(response, 404, 'error sender not found')
  }
  const to = one(request.headers, 'x-raft-to')
  if (to !== hexOf(identity.id)) {
    warn(host, 'ignored streaming request; ID mismatch', undefined, { 'remote-peer-id-header': to, ...fields })
    return refuse(response, 412, 'to field mismatch')
  }
  response.writeHead(200)
  response.flushHeaders()
  response.on('error', () => {})
  peer.attach(kind as StreamKind, response)
}

function probing(response: ServerResponse): void {
  // Go writes the local time down to the nanosecond.
  const now = new Date().toISOString().replace('Z', '000000Z')
  write(response, 200, 'text/plain; charset=utf-8', `{"OK":true,"Now":"${now}"}\n`)
}

/** Method, version and cluster, in that order. False: refused. */
function isForUs(host: PeerHost, request: IncomingMessage, response: ServerResponse, method: 'GET' | 'POST'): boolean {
  if (!allows(request, response, method)) return false
  const { identity, transport } = host
  response.setHeader('X-Etcd-Cluster-Id', hexOf(identity.clusterId))
  const problem = headerProblem(request.headers, identity)
  if (problem) {
    const remote = one(request.headers, 'x-server-from')
    warn(host, problem.log, problem.error, { 'remote-peer-server-name': remote })
    refuse(response, 412, problem.answer)
    return false
  }
  if (method === 'GET') return true
  const from = idOf(one(request.headers, 'x-server-from'))
  const urls = one(request.headers, 'x-peerurls')
  if (from !== undefined && urls !== '' && !host.isRemoved(from)) transport?.addRemote(from, urls.split(','))
  return true
}

const HEAD_TOO = true

function allows(request: IncomingMessage, response: ServerResponse, method: string, headToo = false): boolean {
  if (request.method === method || (headToo && request.method === 'HEAD')) return true
  request.resume()
  response.setHeader('Allow', method)
  refuse(response, 405, 'Method Not Allowed')
  return false
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of request) {
    length += (piece as Buffer).length
    if (length > MOST_MESSAGE_BYTES) throw new Error('error limit exceeded')
    pieces.push(piece as Buffer)
  }
  return Buffer.concat(pieces)
}

/** @throws Error `unexpected EOF` where the body ends before it. */
async function firstFrame(reader: FrameReader, pieces: AsyncIterator<Buffer>): Promise<Buffer> {
  for (;;) {
    const frame = reader.frame(MOST_MESSAGE_BYTES)
    if (frame) return Buffer.from(frame)
    reader.rewind()
    const { done, value } = await pieces.next()
    if (done) throw new Error('unexpected EOF')
    reader.push(value)
  }
}

async function* rest(reader: FrameReader, pieces: AsyncIterator<Buffer>): AsyncIterable<Buffer> {
  const begun = reader.rest()
  if (begun.length > 0) yield begun
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) yield next.value
}

function write(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

/** http.Error. */
function refuse(response: ServerResponse, status: number, text: string): void {
  response.setHeader('X-Content-Type-Options', 'nosniff')
  write(response, status, 'text/plain; charset=utf-8', `${text}\n`)
}

/** etcd panics in the handler here, which net/http takes for a reason to end the connection with the body unfinished. */
function hangUp(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' })
  response.write(`${text}\n`, () => response.socket?.end())
}

function warn({ identity }: PeerHost, msg: string, error: unknown, fields: Fields = {}): void {
  const what = error === undefined ? {} : { error: textOf(error) }
  log('warn', msg, { 'local-member-id': hexOf(identity.id), ...fields, ...what })
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
