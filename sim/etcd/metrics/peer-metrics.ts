/** What goes to the other members and comes from them (server/etcdserver/api/rafthttp/metrics.go). */
import { hexOf, type NodeId } from '../raft/message.ts'
import { Counter, doubling, Gauge, Histogram, type Family } from './series.ts'

export class PeerMetrics {
  readonly #active = new Gauge('etcd_network_active_peers', 'The current number of active peer connections.', [
    'Local',
    'Remote',
  ])
  readonly #disconnected = new Counter(
    'etcd_network_disconnected_peers_total',
    'The total number of disconnected peers.',
    ['Local', 'Remote'],
  )
  readonly #sentBytes = new Counter('etcd_network_peer_sent_bytes_total', 'The total number of bytes sent to peers.', [
    'To',
  ])
  readonly #receivedBytes = new Counter(
    'etcd_network_peer_received_bytes_total',
    'The total number of bytes received from peers.',
    ['From'],
  )
  readonly #sentFailures = new Counter(
    'etcd_network_peer_sent_failures_total',
    'The total number of send failures from peers.',
    ['To'],
  )
  readonly #receivedFailures = new Counter(
    'etcd_network_peer_received_failures_total',
    'The total number of receive failures from peers.',
    ['From'],
  )
  readonly #snapshots = new Counter('etcd_network_snapshot_send_success', 'Total number of successful snapshot sends', [
    'To',
  ])
  readonly #snapshotFailures = new Counter(
    'etcd_network_snapshot_send_failures',
    'Total number of snapshot send failures',
    ['To'],
  )
  readonly #roundTrip = new Histogram(
    'etcd_network_peer_round_trip_time_seconds',
    'Round-Trip-Time histogram between peers',
    doubling(0.0001, 16),
    ['To'],
  )

  get families(): Family[] {
    return [
      ...[this.#active, this.#disconnected, this.#sentBytes, this.#receivedBytes],
      ...[this.#sentFailures, this.#receivedFailures],
      ...[this.#snapshots, this.#snapshotFailures, this.#roundTrip],
    ]
  }

  active(local: NodeId, peer: NodeId, isActive: boolean): void {
    this.#active.set(isActive ? 1 : 0, hexOf(local), hexOf(peer))
    if (!isActive) this.#disconnected.inc(1, hexOf(local), hexOf(peer))
  }

  sent(peer: NodeId, bytes: number): void {
    this.#sentBytes.inc(bytes, hexOf(peer))
  }

  received(peer: NodeId, bytes: number): void {
    this.#receivedBytes.inc(bytes, hexOf(peer))
  }

  sendFailed(peer: NodeId): void {
    this.#sentFailures.inc(1, hexOf(peer))
  }

  receiveFailed(peer: NodeId): void {
    this.#receivedFailures.inc(1, hexOf(peer))
  }

  snapshotSent(peer: NodeId, arrived: boolean): void {
    const counter = arrived ? this.#snapshots : this.#snapshotFailures
    counter.inc(1, hexOf(peer))
  }

  roundTrip(peer: NodeId, seconds: number): void {
    this.#roundTrip.observe(seconds, hexOf(peer))
  }
}
