/** Another member, as this one talks to it: two streams each way, a pipeline for the rest, and a prober (rafthttp/peer.go). */
import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { log } from '../log.ts'
import type { PeerMetrics } from '../metrics/peer-metrics.ts'
import { hexOf, type Message, type NodeId } from '../raft/message.ts'
import type { PeerIdentity } from './identity.ts'
import type { StreamKind } from './message-stream.ts'
import { exchange, PeerConnections, type PeerDialing } from './peer-connection.ts'
import { Pipeline, RemovedError } from './pipeline.ts'
import { StreamReader } from './stream-reader.ts'
import { StreamWriter } from './stream-writer.ts'

export interface PeerEvents {
  onMessage: (message: Message) => void
  /** What was sent there may not have come. */
  onUnreachable: (peer: NodeId) => void
  onSnapshotSent: (peer: NodeId, arrived: boolean) => void
  /** The other members have taken this one out. */
  onRemoved: () => void
}

export interface PeerOptions {
  id: NodeId
  urls: readonly string[]
  identity: PeerIdentity
  dialing: PeerDialing
  events: PeerEvents
  metrics?: PeerMetrics | undefined
}

const PROBE_MS = 4000

/** As etcd's log names them. */
const STREAM_NAMES: Readonly<Record<StreamKind, string>> = { msgapp: 'stream MsgApp v2', message: 'stream Message' }

export class Peer {
  readonly id: NodeId
  readonly #options: PeerOptions
  readonly #agent: PeerConnections
  readonly #pipeline: Pipeline
  readonly #writers: Record<StreamKind, StreamWriter>
  readonly #readers: StreamReader[]
  readonly #prober: NodeJS.Timeout
  #urls: readonly string[]
  #urlAt = 0
  #activeSinceMs: number | undefined
  #isStopped = false

  constructor(options: PeerOptions) {
    this.#options = options
    this.id = options.id
    this.#urls = options.urls
    const { identity, dialing, id: peer, metrics } = options
    const onSent = (bytes: number): void => metrics?.sent(peer, bytes)
    log('info', 'starting remote peer', this.#fields())
    this.#agent = new PeerConnections(dialing)
    const url = (): string => this.#urls[this.#urlAt % this.#urls.length]!
    this.#pipeline = new Pipeline(this.#agent, { identity, peer, url, onSent })
    const writer = (kind: StreamKind): StreamWriter =>
      new StreamWriter(kind, { onLost: () => this.#lostWriter(kind), onSent })
    this.#writers = { msgapp: writer('msgapp'), message: writer('message') }
    const reader = (kind: StreamKind): StreamReader =>
      new StreamReader({
        kind,
        peer,
        identity,
        dialing,
        url,
        onMessage: options.events.onMessage,
        onBytes: (bytes) => metrics?.received(peer, bytes),
        onOpen: () => this.#opened(kind),
        onLost: (why) => this.#lostReader(kind, why),
        onUnreachableUrl: (tried) => this.#nextUrl(tried),
        onRemoved: options.events.onRemoved,
      })
    this.#readers = [reader('msgapp'), reader('message')]
    this.#prober = setInterval(() => void this.#probe(url()), PROBE_MS)
    this.#prober.unref()
    log('info', 'started remote peer', this.#fields())
  }

  get isActive(): boolean {
    return this.#activeSinceMs !== undefined
  }

  /** Milliseconds since the epoch, or undefined while it cannot be reached. */
  get activeSinceMs(): number | undefined {
    return this.#activeSinceMs
  }

  update(urls: readonly string[]): void {
    this.#urls = urls
    this.#urlAt = 0
  }

  /** On the stream for it, if the peer has opened one. */
  send(message: Message): void {
    const { msgapp, message: other } = this.#writers
    const writer = message.type === 'append' && msgapp.isWorking ? msgapp : other
    if (writer.isWorking) {
      if (writer.send(message)) return
      this.#options.metrics?.sendFailed(this.id)
      this.#options.events.onUnreachable(this.id)
      return
    }
    this.#pipeline.post(message).then(
      () => this.#activate(),
      (error: Error) => this.#failed('pipeline', 'write', error),
    )
  }

  sendSnapshot(message: Message, database: Readable): void {
    const { events } = this.#options
    const index = { 'snapshot-index': message.snapshot?.index, ...this.#fields() }
    log('info', 'sending database snapshot', index)
    this.#pipeline.postSnapshot(message, database).then(
      () => {
        log('info', 'sent database snapshot', index)
        this.#activate()
        this.#options.metrics?.snapshotSent(this.id, true)
        events.onSnapshotSent(this.id, true)
      },
      (error: Error) => {
        database.destroy()
        log('warn', 'failed to send database snapshot', { ...index, error: error.message })
        this.#failed('snapshot', 'post', error)
        this.#options.metrics?.snapshotSent(this.id, false)
        events.onSnapshotSent(this.id, false)
      },
    )
  }

  /** The peer has dialled a stream and was let in. */
  attach(kind: StreamKind, response: ServerResponse): void {
    if (this.#isStopped) return void response.end()
    const fields = { 'stream-writer-type': STREAM_NAMES[kind], ...this.#fields() }
    if (this.#writers[kind].attach(response)) log('warn', 'closed TCP streaming connection with remote peer', fields)
    log('info', 'established TCP streaming connection with remote peer', fields)
    this.#activate()
  }

  stop(): void {
    this.#isStopped = true
    log('info', 'stopping remote peer', this.#fields())
    clearInterval(this.#prober)
    for (const kind of ['msgapp', 'message'] as const) {
      if (this.#writers[kind].isWorking) {
        const fields = { 'stream-writer-type': STREAM_NAMES[kind], ...this.#fields() }
        log('warn', 'closed TCP streaming connection with remote peer', fields)
      }
      this.#writers[kind].stop()
    }
    for (const reader of this.#readers) reader.stop()
    this.#agent.destroy()
    log('info', 'stopped remote peer', this.#fields())
  }

  #fields(): Record<string, string> {
    return { 'local-member-id': hexOf(this.#options.identity.id), 'remote-peer-id': hexOf(this.#options.id) }
  }

  #opened(kind: StreamKind): void {
    log('info', 'established TCP streaming connection with remote peer', {
      'stream-reader-type': STREAM_NAMES[kind],
      ...this.#fields(),
    })
    this.#activate()
  }

  #lostReader(kind: StreamKind, { stage, error }: { stage: 'dial' | 'read'; error: string }): void {
    const fields = { 'stream-reader-type': STREAM_NAMES[kind], ...this.#fields(), error }
    if (stage === 'read') log('warn', 'lost TCP streaming connection with remote peer', fields)
    if (error === 'cluster ID mismatch')
      log('warn', 'request sent was ignored by remote peer due to cluster ID mismatch', fields)
    if (error === 'incompatible version')
      log('warn', 'request sent was ignored by remote peer due to server version incompatibility', fields)
    // An end that the other side made is no failure.
    if (stage === 'read' && error === 'EOF') return
    if (stage === 'read') this.#options.metrics?.receiveFailed(this.id)
    this.#deactivate(`failed to ${stage} ${hexOf(this.id)} on ${STREAM_NAMES[kind]} (${error})`)
  }

  #lostWriter(kind: StreamKind): void {
    const fields = { 'stream-writer-type': STREAM_NAMES[kind], ...this.#fields() }
    log('warn', 'lost TCP streaming connection with remote peer', fields)
    this.#options.events.onUnreachable(this.id)
  }

  #failed(source: string, action: string, error: Error): void {
    if (this.#isStopped) return
    this.#options.metrics?.sendFailed(this.id)
    if (error instanceof RemovedError) this.#options.events.onRemoved()
    if (error.message === 'cluster ID mismatch')
      log('error', 'request sent was ignored due to cluster ID mismatch', this.#fields())
    this.#deactivate(`failed to ${action} ${hexOf(this.id)} on ${source} (${error.message})`)
    this.#nextUrl()
    this.#options.events.onUnreachable(this.id)
  }

  /** Another of the peer's URLs may do. */
  #nextUrl(tried?: string): void {
    if (tried === undefined || this.#urls[this.#urlAt % this.#urls.length] === tried) this.#urlAt++
  }

  #activate(): void {
    if (this.#activeSinceMs !== undefined || this.#isStopped) return
    this.#activeSinceMs = Date.now()
    this.#options.metrics?.active(this.#options.identity.id, this.id, true)
    log('info', 'peer became active', { 'peer-id': hexOf(this.id) })
  }

  #deactivate(error: string): void {
    if (this.#activeSinceMs === undefined) return
    this.#activeSinceMs = undefined
    this.#options.metrics?.active(this.#options.identity.id, this.id, false)
    log('warn', 'peer became inactive (message send to peer failed)', { 'peer-id': hexOf(this.id), error })
  }

  async #probe(url: string): Promise<void> {
    const beginMs = performance.now()
    try {
      const { status } = await exchange(this.#agent, { method: 'GET', url, path: '/raft/probing' })
      if (status !== 200) throw new Error(`unhealthy with status ${status}`)
      this.#options.metrics?.roundTrip(this.id, (performance.now() - beginMs) / 1000)
    } catch (error) {
      if (this.#isStopped) return
      log('warn', 'prober detected unhealthy status', {
        'round-tripper-name': 'ROUND_TRIPPER_RAFT_MESSAGE',
        'remote-peer-id': hexOf(this.id),
        error: error instanceof Error ? error.message : String(error),
      })
    }
  }
}
