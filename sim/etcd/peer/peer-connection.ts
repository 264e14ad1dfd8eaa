/** Dials a peer's port as members do: HTTP/1.1, with TLS where its URL says so, from this host's own address. */
import { readFileSync } from 'node:fs'
import {
  Agent,
  request,
  type AgentOptions,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { witness } from '../../../lib/cluster/witness.ts'
import { dialFrom, type Place } from '../../../lib/cluster/place.ts'
import { dialTls } from '../../../lib/tls/dial.ts'
import { dialPlain } from '../../../lib/tls/plain.ts'
import type { TlsPolicy } from '../../../lib/tls/policy.ts'
import { Refusal } from '../../../lib/tls/refusal.ts'

/** The files that the `--peer-…` flags name. */
export interface PeerTls {
  certFile: string
  keyFile: string
  /** PEM bundle to verify peers with, read once at start. Without one no peer is trusted. */
  caPem?: string
  /** `--peer-auto-tls`: nobody is verified. */
  insecureSkipVerify?: boolean
  policy: TlsPolicy
}

export interface PeerDialing {
  place: Place
  tls: PeerTls
}

/** rafthttp's DialTimeout: a second, and an election timeout more. */
const DIAL_TIMEOUT_MS = 2000
/** As many as etcd posts at once to one peer (rafthttp/pipeline.go, connPerPipeline). */
const MOST_CONNECTIONS = 4

export class PeerConnections extends Agent {
  readonly #dialing: PeerDialing

  constructor(dialing: PeerDialing, options: AgentOptions = { keepAlive: true, maxSockets: MOST_CONNECTIONS }) {
    super(options)
    this.#dialing = dialing
  }

  override createConnection(options: RequestOptions, done: (error: Error | null, stream: Duplex) => void): undefined {
    const url = new URL(String((options as { peerUrl?: string }).peerUrl))
    dialPeer(url, this.#dialing).then(
      (socket) => done(null, socket),
      (error: Error) => {
        witnessRefusal(error)
        ;(done as (error: Error) => void)(error)
      },
    )
  }
}

/** What a peer refuses, the peer says; a peer that this end did not take is this end's word. */
function witnessRefusal(error: Error): void {
  if (!(error instanceof Refusal) || error.layer !== 'cert-verify') return
  const { layer, code, message: text, details } = error
  const { local, remote } = details
  if (local && remote) witness({ about: 'certificate', decision: 'refuse', local, remote, layer, code, text })
}

async function dialPeer(url: URL, { place, tls }: PeerDialing): Promise<Socket> {
  const host = url.hostname === 'localhost' ? '127.0.0.1' : url.hostname.replace(/^\[|\]$/g, '')
  const localAddress = dialFrom(place, host)
  const where = {
    address: host,
    port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
    timeoutMs: DIAL_TIMEOUT_MS,
    ...(localAddress ? { localAddress } : {}),
  }
  if (url.protocol !== 'https:') return dialPlain(where)
  const { certFile, keyFile, caPem, insecureSkipVerify = false, policy } = tls
  return dialTls({
    ...where,
    serverName: url.hostname.replace(/^\[|\]$/g, ''),
    insecureSkipVerify,
    policy,
    ...(caPem === undefined ? {} : { caPem }),
    // Read for each connection, so that a rotated certificate is shown.
    ...(certFile ? { keyPair: { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') } } : {}),
  })
}

export interface PeerRequest {
  method: 'GET' | 'POST'
  /** `https://127.0.0.1:2380` */
  url: string
  path: string
  headers?: Record<string, string>
}

/** The request's headers are sent when its body begins or ends. */
export function startRequest(agent: PeerConnections, { method, url, path, headers = {} }: PeerRequest): ClientRequest {
  const { host, hostname, port } = new URL(url)
  const options = { agent, method, path, hostname, port, headers: { Host: host, ...headers }, peerUrl: url }
  return request(options)
}

export interface PeerAnswer {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
}

/** Rejects with a Refusal for what happens below HTTP. */
export function exchange(
  agent: PeerConnections,
  what: PeerRequest,
  body?: Buffer,
  timeoutMs = 10_000,
): Promise<PeerAnswer> {
  return new Promise((resolve, reject) => {
    const headers = { ...what.headers, ...(body ? { 'Content-Length': String(body.length) } : {}) }
    const outgoing = startRequest(agent, { ...what, headers })
    outgoing.setTimeout(timeoutMs, () =>
      outgoing.destroy(new Error(`${what.method} ${what.url}${what.path}: timed out`)),
    )
    outgoing.on('error', reject)
    outgoing.once('response', (incoming) => void answerOf(incoming).then(resolve, reject))
    outgoing.end(body)
  })
}

export async function answerOf(incoming: IncomingMessage): Promise<PeerAnswer> {
  const pieces: Buffer[] = []
  for await (const piece of incoming) pieces.push(piece as Buffer)
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(pieces) }
}
