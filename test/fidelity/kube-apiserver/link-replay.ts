/**
 * Replays kubelet-link.json: a kubelet that answers as the row says, kube-apiserver's link to it, and a client in front. The
 * addresses of the recording are put in the place of ours before anything is compared.
 */
import { EventEmitter, once } from 'node:events'
import { createServer, request } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { gzipSync } from 'node:zlib'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { CertificateSpec, Issued } from '../../../lib/x509/certificate-spec.ts'
import { issue } from '../../../lib/x509/issue.ts'
import { requestInfo } from '../../../sim/kube-apiserver/authorization/request-info.ts'
import { splitSchemeNamePort } from '../../../sim/kube-apiserver/kubelet-link/kubelet-address.ts'
import { KubeletLink } from '../../../sim/kube-apiserver/kubelet-link/kubelet-link.ts'
import { recordedWorld } from './recorded-world.ts'

export type Frame = { channel: number; data?: string; status?: unknown } | { close: number }

export interface LinkRow {
  id: string
  certificate?: string
  reply?: string
  nodeStatus?: object
  verify?: boolean
  declares?: boolean
  request: { method: string; path: string; headers?: [string, string][]; body?: string }
  answer: {
    status: number
    headers?: Record<string, string>
    body?: unknown
    text?: string
    /** What a WebSocket said after its 101. */
    frames?: Frame[]
    kubeletSaw?: { requestLine?: string; headers?: string[]; clientCertificateCN?: string; tlsError?: string }[]
  }
}

const KUBELET = '127.0.0.11'
const ADMIN: User = { username: 'kubernetes-admin', groups: ['kubeadm:cluster-admins', 'system:authenticated'] }

const REPLIES: Record<string, Buffer | undefined> = {
  200: plain(200, 'hello\n'),
  400: plain(400, 'you must specify at least 1 of stdin, stdout, stderr\n'),
  401: plain(401, 'Unauthorized'),
  403: plain(403, 'Forbidden (user=x, verb=create, resource=nodes, subresource(s)=[proxy])\n', '; charset=utf-8'),
  404: plain(404, 'pod does not exist\n'),
  500: plain(500, 'container not running\n'),
  302: head(302, 'Location: https://192.168.99.12:10250/exec/team-a/web-2/main\r\nContent-Length: 0\r\n'),
  307: head(307, 'Location: https://192.168.99.12:10250/\r\nContent-Length: 0\r\n'),
  101: head(101, 'Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n'),
  garbage: Buffer.from('SSH-2.0-OpenSSH\r\n'),
  closed: undefined,
  gzip: Buffer.concat([
    head(200, `Content-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: ${gzipSync('hello').length}\r\n`),
    gzipSync('hello'),
  ]),
  'set-cookie': Buffer.concat([
    head(
      200,
      'Content-Type: text/plain; charset=utf-8\r\nSet-Cookie: a=b\r\nWww-Authenticate: Basic realm=x\r\nContent-Length: 1\r\n',
    ),
    Buffer.from('x'),
  ]),
}

function head(code: number, headers: string): Buffer {
  return Buffer.from(`HTTP/1.1 ${code} X\r\n${headers}\r\n`)
}

function plain(code: number, body: string, charset = ''): Buffer {
  return Buffer.concat([
    head(code, `Content-Type: text/plain${charset}\r\nContent-Length: ${body.length}\r\n`),
    Buffer.from(body),
  ])
}

interface Seen {
  requestLine?: string
  headers?: string[]
  clientCertificateCN?: string
  tlsError?: string
}

interface Kubelet {
  port: number
  seen: Seen[]
  /** Settles when no connection is left; a refusal is heard only then. */
  quiet(): Promise<void>
  close(): void
}

export class LinkReplay {
  readonly #ca: Issued
  readonly #client: Issued
  readonly #servers: Map<string, Issued>
  readonly #world = recordedWorld()

  private constructor(ca: Issued, client: Issued, servers: Map<string, Issued>) {
    this.#ca = ca
    this.#client = client
    this.#servers = servers
  }

  static async create(): Promise<LinkReplay> {
    const valid = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) }
    const make = (spec: Omit<CertificateSpec, 'notBefore' | 'notAfter'>, authority?: Issued): Promise<Issued> =>
      issue({ ...valid, ...spec }, authority)
    const ca = await make({ commonName: 'kubernetes', isCa: true })
    const server = (spec: Omit<CertificateSpec, 'notBefore' | 'notAfter'>): Promise<Issued> =>
      make({ commonName: 'kubelet', usages: ['serverAuth'], ...spec }, ca)
    const servers = new Map<string, Issued>([
      ['self-signed', await make({ commonName: 'worker-1@1', dnsNames: ['worker-1'], usages: ['serverAuth'] })],
      ['ca-good-ip', await server({ ipAddresses: [KUBELET] })],
      ['ca-dns-only', await server({ dnsNames: ['worker-1'] })],
      ['ca-other-ip', await server({ ipAddresses: ['127.0.0.12'] })],
      ['ca-no-san', await server({})],
      ['apiserver-certificate', await server({ ipAddresses: ['10.96.0.1', '127.0.0.10'] })],
      ['ca-client-auth-only', await server({ usages: ['clientAuth'] })],
    ])
    const client = await make({ commonName: 'kube-apiserver-kubelet-client', usages: ['clientAuth'] }, ca)
    return new LinkReplay(ca, client, servers)
  }

  /** What our link answers to the row's request, and what its kubelet saw. */
  async replay(row: LinkRow): Promise<LinkRow['answer']> {
    const kubelet = row.reply === undefined ? undefined : await this.#kubelet(row)
    const front = await this.#front(row, kubelet?.port ?? 10250)
    try {
      const answer = await ask(front, row, kubelet?.port ?? 10250)
      if (kubelet && (answer.status !== 101 || answer.frames)) await kubelet.quiet()
      const mask = (text: string): string => inRecordedWorld(text, kubelet?.port)
      const masked: LinkRow['answer'] = JSON.parse(mask(JSON.stringify(answer)))
      if (kubelet) masked.kubeletSaw = JSON.parse(mask(JSON.stringify(kubelet.seen)))
      return masked
    } finally {
      kubelet?.close()
      front.closeAllConnections()
      front.close()
    }
  }

  async #kubelet({ certificate = '', reply = '' }: LinkRow): Promise<Kubelet> {
    const pair = this.#servers.get(certificate)
    if (!pair) throw new Error(`[certificate_unknown] ${certificate}`)
    const seen: Seen[] = []
    const sockets = new Set<Socket>()
    const events = new EventEmitter()
    const server = createTlsServer(
      {
        cert: pair.certificate,
        key: pair.privateKey,
        requestCert: true,
        rejectUnauthorized: false,
        ALPNProtocols: ['http/1.1'],
      },
      (socket) => answerAs(reply, socket, seen),
    )
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.once('close', () => {
        sockets.delete(socket)
        if (sockets.size === 0) events.emit('quiet')
      })
    })
    server.on('tlsClientError', (error) => seen.push({ tlsError: alertOf(error) }))
    server.listen(0, KUBELET)
    await once(server, 'listening')
    const quiet = async (): Promise<void> => {
      if (sockets.size > 0) await once(events, 'quiet', { signal: AbortSignal.timeout(2000) })
    }
    const close = (): void => {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
    return { port: (server.address() as AddressInfo).port, seen, quiet, close }
  }

  async #front(row: LinkRow, kubeletPort: number): Promise<Server> {
    const { objects, authorize } = this.#world
    const node = structuredClone(objects.get('nodes', '', 'worker-1') ?? missing('worker-1'))
    node['status'] = {
      addresses: [{ type: 'InternalIP', address: KUBELET }],
      daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
      ...row.nodeStatus,
      ...(row.declares && { declaredFeatures: ['ExtendWebSocketsToKubelet'] }),
    }
    objects.put('nodes', node)
    const link = new KubeletLink(
      {
        keyPair: () => ({ cert: this.#client.certificate, key: this.#client.privateKey }),
        caPem: () => (row.verify ? this.#ca.certificate : undefined),
        preferredAddressTypes: ['InternalIP', 'ExternalIP', 'Hostname'],
        minorVersion: 36,
        place: { host: 'control-plane-1', loop: '127.0.0.3' },
      },
      objects,
      authorize,
    )
    const object = (request: IncomingMessage): KubeObject => {
      const { resource, namespace, name } = requestInfo(request.method ?? '', request.url ?? '')
      const bare = splitSchemeNamePort(name)?.name ?? name
      return objects.get(resource, resource === 'nodes' ? '' : namespace, bare) ?? missing(name)
    }
    const server = createServer((request, response) => {
      const info = requestInfo(request.method ?? '', request.url ?? '')
      void link.serve({ info, user: ADMIN, request, object: object(request), response })
    })
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const info = requestInfo(request.method ?? '', request.url ?? '')
      void link.serve({ info, user: ADMIN, request, object: object(request), upgrade: { socket, head } })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
}

function missing(name: string): never {
  throw new Error(`[object_missing] ${name}: not in the recorded state`)
}

/** An alert by OpenSSL's name, as the recording has it. */
function alertOf(error: Error): string {
  return error.message.includes('SSL alert number 42') ? 'SSLV3_ALERT_BAD_CERTIFICATE' : error.message
}

function answerAs(reply: string, socket: TLSSocket, seen: Seen[]): void {
  let got = ''
  socket.on('error', (error) => seen.push({ tlsError: alertOf(error) }))
  socket.on('data', (chunk: Buffer) => {
    got += chunk.toString('latin1')
    if (!got.includes('\r\n\r\n')) return
    const [requestLine = '', ...headers] = (got.split('\r\n\r\n')[0] ?? '').split('\r\n')
    got = ''
    const commonName = socket.getPeerCertificate().subject?.CN
    seen.push({
      requestLine,
      headers,
      clientCertificateCN: Array.isArray(commonName) ? commonName.join() : String(commonName),
    })
    const bytes = REPLIES[reply]
    if (bytes === undefined) socket.end()
    else if (reply === '101') socket.write(bytes)
    else socket.end(requestLine.startsWith('HEAD') ? bytes.subarray(0, bytes.indexOf('\r\n\r\n') + 4) : bytes)
  })
}

async function ask(front: Server, row: LinkRow, kubeletPort: number): Promise<LinkRow['answer']> {
  const { method, path, headers = [], body } = row.request
  const { port } = front.address() as AddressInfo
  const outgoing = request({
    host: '127.0.0.1',
    port,
    method,
    path: path.replace(':10250/', `:${kubeletPort}/`),
    setHost: false,
    agent: false,
  })
  const grouped = new Map<string, string[]>([['Host', ['192.168.99.10:6443']]])
  for (const [name, value] of headers) grouped.set(name, [...(grouped.get(name) ?? []), value])
  if (!grouped.has('Accept')) grouped.set('Accept', ['application/json'])
  if (body !== undefined) grouped.set('Content-Type', ['application/json'])
  for (const [name, values] of grouped) outgoing.setHeader(name, values)
  outgoing.end(body)
  return new Promise((resolve, reject) => {
    outgoing.once('error', reject)
    outgoing.once('upgrade', (response: IncomingMessage, socket: Socket, first: Buffer) => {
      const said = { status: 101, headers: { Upgrade: response.headers.upgrade ?? '' } }
      if (!row.answer.frames) {
        socket.destroy()
        return resolve(said)
      }
      const bytes = [first]
      socket.on('data', (chunk: Buffer) => {
        bytes.push(chunk)
        const frames = framesOf(Buffer.concat(bytes))
        if (!frames.some((frame) => 'close' in frame)) return
        socket.destroy()
        resolve({ ...said, frames })
      })
      socket.once('error', reject)
    })
    outgoing.once('response', (response: IncomingMessage) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => resolve(answerOf(response, Buffer.concat(chunks).toString())))
    })
  })
}

/** A server's frames: unmasked, each whole. RFC 6455 section 5.2. */
function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at + 2 <= bytes.length;) {
    const short = (bytes[at + 1] ?? 0) & 0x7f
    const start = at + (short === 126 ? 4 : 2)
    const length = short === 126 ? bytes.readUInt16BE(at + 2) : short
    const payload = bytes.subarray(start, start + length)
    if (payload.length < length) break
    if (((bytes[at] ?? 0) & 0x0f) === 8) frames.push({ close: payload.readUInt16BE(0) })
    else {
      const channel = payload[0] ?? -1
      const data = payload.subarray(1).toString()
      frames.push(data.startsWith('{') ? { channel, status: JSON.parse(data) as unknown } : { channel, data })
    }
    at = start + length
  }
  return frames
}

function answerOf(response: IncomingMessage, text: string): LinkRow['answer'] {
  const status = response.statusCode ?? 0
  const type = response.headers['content-type'] ?? ''
  if (type.startsWith('application/json')) return { status, body: JSON.parse(text) }
  const headers: Record<string, string> = {}
  if (type !== '') headers['Content-Type'] = type
  if (response.headers.location) headers['Location'] = response.headers.location
  if (response.headers['www-authenticate']) headers['Www-Authenticate'] = response.headers['www-authenticate']
  return { status, ...(Object.keys(headers).length > 0 && { headers }), ...(text !== '' && { text }) }
}

/** Our loopback addresses and ports as the recording has them. */
function inRecordedWorld(text: string, port: number | undefined): string {
  const hosts = text.replace(/127\.0\.0\.(1[0-2])\b/g, '192.168.99.$1')
  const ports = port === undefined ? hosts : hosts.replaceAll(`:${port}`, ':10250')
  return ports.replaceAll('X-Forwarded-For: 127.0.0.1', 'X-Forwarded-For: 192.168.99.10')
}

/** What is compared: status, body, telling headers, and what reached the kubelet; headers in any order. */
export function comparable({ status, headers, body, text, frames, kubeletSaw = [] }: LinkRow['answer']): unknown {
  const { 'X-Content-Type-Options': _, 'Sec-WebSocket-Protocol': __, ...telling } = headers ?? {}
  const saw = kubeletSaw.map(({ requestLine, headers: sent, clientCertificateCN, tlsError }) =>
    tlsError === undefined ? [requestLine, sent?.toSorted(), clientCertificateCN] : tlsError,
  )
  return { status, telling, body, text, frames, saw }
}
