/** All that a member counts, and `/metrics` of it. */
import type { Member } from '../member.ts'
import { DiskMetrics } from './disk-metrics.ts'
import { PeerMetrics } from './peer-metrics.ts'
import { memberReadings, processReadings } from './readings.ts'
import { ServerMetrics } from './server-metrics.ts'
import type { Family } from './series.ts'

export class MemberMetrics {
  readonly disk = new DiskMetrics()
  readonly server = new ServerMetrics()
  readonly peers = new PeerMetrics()
  /** Of those who serve a member: gRPC, watches. */
  readonly #others: (() => readonly Family[])[] = []

  with(families: () => readonly Family[]): void {
    this.#others.push(families)
  }

  /** Prometheus' text, families in the order of their names. */
  render(member: Member): string {
    const families = [
      ...this.disk.families,
      ...this.server.families,
      ...this.peers.families,
      ...this.#others.flatMap((others) => others()),
      ...memberReadings(member),
      ...processReadings(),
    ]
    return families
      .toSorted(({ name: one }, { name: other }) => (one < other ? -1 : 1))
      .map((family) => family.render())
      .join('')
  }
}
