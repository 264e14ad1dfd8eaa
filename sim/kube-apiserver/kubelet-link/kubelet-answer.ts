/** Writing to the client, whichever way it came: an HTTP response, or the bare socket of an upgrade. */
import { Socket } from 'node:net'
import { witnessCanaries } from '../../../lib/cluster/canary-witness.ts'
import { endsOf } from '../../../lib/tls/plain.ts'
import { STATUS_CODES } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Duplex, Readable, Writable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Status } from '../../../lib/kube/status.ts'
import type { KubeletRequest } from '../contract.ts'
import { answeredHeaders } from './forwarded-headers.ts'

/** The head of an HTTP/1.1 response as text. */
export function responseHead(code: number, headers: readonly (readonly [string, string])[], message?: string): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${code} ${message ?? STATUS_CODES[code] ?? ''}\r\n${lines.join('')}\r\n`
}

export function answerStatus({ response, upgrade }: KubeletRequest, status: Status): void {
  const body = `${JSON.stringify(status)}\n`
  const code = status.code ?? 500
  const headers: [string, string][] = [
    ['Cache-Control', 'no-cache, private'],
    ['Content-Type', 'application/json'],
    ...(status.reason === 'Forbidden' ? [['X-Content-Type-Options', 'nosniff'] as [string, string]] : []),
    ['Content-Length', String(Buffer.byteLength(body))],
  ]
  if (response) {
    writeHead(response, code, headers)
    response.end(body)
  } else upgrade?.socket.end(responseHead(code, [...headers, ['Connection', 'close']]) + body)
}

/** A code without a body. */
export function answerEmpty({ response, upgrade }: KubeletRequest, code: number): void {
  if (response) {
    writeHead(response, code, [])
    response.end()
  } else upgrade?.socket.end(responseHead(code, [['Connection', 'close']]))
}

/** A whole body as text. */
export async function readText(body: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

export interface RelayOptions {
  /** Take off the compression that only our side asked for. */
  decode?: boolean
  /** Say these headers instead of the kubelet's. */
  headers?: [name: string, value: string][]
}

/** Relays a kubelet's answer. The client's going away ends the kubelet's side. */
export function relayResponse(
  { response, upgrade }: KubeletRequest,
  answer: IncomingMessage,
  options: RelayOptions = {},
): void {
  const to: Writable | undefined = response ?? upgrade?.socket
  if (!to) return
  const code = answer.statusCode ?? 502
  const gunzip = options.decode === true && answer.headers['content-encoding'] === 'gzip'
  const headers =
    options.headers ?? answeredHeaders(answer.rawHeaders).filter(([name]) => !(gunzip && OF_COMPRESSION.test(name)))
  if (response) writeHead(response, code, headers)
  // the length is told by the end of the connection: a chunked body comes out of the parser bare
  else to.write(responseHead(code, [...headers, ['Connection', 'close']], answer.statusMessage))
  to.on('close', () => answer.destroy())
  const body = gunzip ? answer.pipe(createGunzip()) : answer
  for (const source of new Set<Readable>([answer, body])) source.on('error', () => to.destroy())
  body.pipe(to)
}

const OF_COMPRESSION = /^content-(encoding|length)$/i

/** Hands the client the kubelet's 101 and joins the two connections. */
export function splice(
  client: Duplex,
  clientHead: Buffer,
  kubelet: Duplex,
  kubeletHead: Buffer,
  answer: IncomingMessage,
): void {
  const headers: [string, string][] = []
  for (let at = 0; at + 1 < answer.rawHeaders.length; at += 2) {
    headers.push([answer.rawHeaders[at] ?? '', answer.rawHeaders[at + 1] ?? ''])
  }
  client.write(responseHead(101, headers, answer.statusMessage))
  if (kubelet instanceof Socket) {
    // What the container prints passes unmasked; what is typed does not, and the container's end says it.
    const ends = endsOf(kubelet)
    if (kubeletHead.length > 0) witnessCanaries(kubeletHead, ends)
    kubelet.on('data', (chunk: Buffer) => witnessCanaries(chunk, ends))
  }
  if (kubeletHead.length > 0) client.write(kubeletHead)
  if (clientHead.length > 0) kubelet.write(clientHead)
  for (const [one, other] of [
    [client, kubelet],
    [kubelet, client],
  ] as const) {
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
    one.pipe(other)
  }
}

function writeHead(
  response: NonNullable<KubeletRequest['response']>,
  code: number,
  headers: readonly [string, string][],
): void {
  response.statusCode = code
  const grouped = new Map<string, string[]>()
  for (const [name, value] of headers) grouped.set(name, [...(grouped.get(name) ?? []), value])
  for (const [name, values] of grouped) response.setHeader(name, values.length === 1 ? (values[0] ?? '') : values)
}
