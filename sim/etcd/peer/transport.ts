/** All the peers of a member (rafthttp/transport.go). */
import type { Readable } from 'node:stream'
import { log } from '../log.ts'
import type { PeerMetrics } from '../metrics/peer-metrics.ts'
import { hexOf, NOBODY, type Message, type NodeId } from '../raft/message.ts'
import type { PeerIdentity } from './identity.ts'
import { PeerConnections, type PeerDialing } from './peer-connection.ts'
import { Peer, type PeerEvents } from './peer.ts'
import { Pipeline } from './pipeline.ts'

/** So many strangers are remembered at most: their ids are what a caller says. */
const MOST_REMOTES = 16

export class Transport {
  readonly identity: PeerIdentity
  readonly #dialing: PeerDialing
  readonly #events: PeerEvents
  readonly #metrics: PeerMetrics | undefined
  readonly #agent: PeerConnections
  readonly #peers = new Map<NodeId, Peer>()
  /** Members that this one does not know yet, being behind: it can answer them, and dials no stream. */
  readonly #remotes = new Map<NodeId, Pipeline>()
  #isStopped = false

  constructor(options: {
    identity: PeerIdentity
    dialing: PeerDialing
    events: PeerEvents
    metrics?: PeerMetrics | undefined
  }) {
    this.identity = options.identity
    this.#dialing = options.dialing
    this.#events = options.events
    this.#metrics = options.metrics
    this.#agent = new PeerConnections(options.dialing)
  }

  get(id: NodeId): Peer | undefined {
    return this.#peers.get(id)
  }

  get ids(): NodeId[] {
    return [...this.#peers.keys()]
  }

  /** How many peers can be reached now. */
  get activeCount(): number {
    return [...this.#peers.values()].filter(({ isActive }) => isActive).length
  }

  add(id: NodeId, urls: readonly string[]): void {
    if (this.#isStopped || this.#peers.has(id) || id === this.identity.id) return
    this.#remotes.delete(id)
    const { identity } = this
    const common = { identity, dialing: this.#dialing, events: this.#events, metrics: this.#metrics }
    this.#peers.set(id, new Peer({ id, urls, ...common }))
    log('info', 'added remote peer', {
      'local-member-id': hexOf(identity.id),
      'remote-peer-id': hexOf(id),
      'remote-peer-urls': urls,
    })
  }

  addRemote(id: NodeId, urls: readonly string[]): void {
    if (this.#isStopped || this.#peers.has(id) || this.#remotes.has(id) || this.#remotes.size >= MOST_REMOTES) return
    const url = urls.find((each) => /^https?:\/\//.test(each) && URL.canParse(each))
    if (url === undefined || id === this.identity.id) return
    this.#remotes.set(id, new Pipeline(this.#agent, { identity: this.identity, peer: id, url: () => url }))
  }

  update(id: NodeId, urls: readonly string[]): void {
    this.#peers.get(id)?.update(urls)
  }

  remove(id: NodeId): void {
    this.#peers.get(id)?.stop()
    if (this.#peers.delete(id)) {
      log('info', 'removed remote peer', {
        'local-member-id': hexOf(this.identity.id),
        'removed-remote-peer-id': hexOf(id),
      })
    }
  }

  send(message: Message): void {
    const { to } = message
    if (to === NOBODY || this.#isStopped) return
    const peer = this.#peers.get(to)
    if (peer) return peer.send(message)
    const remote = this.#remotes.get(to)
    // Somebody unknown may not be there at all.
    if (remote) remote.post(message).catch(() => {})
    else
      log('info', 'ignored message send request; unknown remote peer target', { 'unknown-target-peer-id': hexOf(to) })
  }

  sendSnapshot(message: Message, database: Readable): void {
    const peer = this.#peers.get(message.to)
    if (peer) return peer.sendSnapshot(message, database)
    database.destroy()
    this.#events.onSnapshotSent(message.to, false)
  }

  stop(): void {
    this.#isStopped = true
    for (const peer of this.#peers.values()) peer.stop()
    this.#peers.clear()
    this.#agent.destroy()
  }
}
