/** Has the next attacker's process ready before it is known what it will try: a process takes longer to start than most acts do. */
import { rmSync } from 'node:fs'
import type { Cluster } from '../cluster/cluster.ts'
import { AttackerProcess, isShipped, type AttackerOptions } from './attacker-process.ts'
import { makeFootholdFolder } from './foothold-folder.ts'

/** A process and the folder that will be its foothold, still empty. */
export interface StartedAttacker {
  folder: string
  attacker: AttackerProcess
}

const ofClusters = new WeakMap<Cluster, AttackersAhead>()

export class AttackersAhead {
  readonly #cluster: Cluster
  #next: StartedAttacker | undefined

  static of(cluster: Cluster): AttackersAhead {
    const known = ofClusters.get(cluster)
    if (known) return known
    const attackers = new AttackersAhead(cluster)
    ofClusters.set(cluster, attackers)
    return attackers
  }

  private constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** The one that waits, where its fence is the one wanted: a fence is drawn when a process starts. */
  take(fence: Omit<AttackerOptions, 'foothold'>): StartedAttacker {
    const isPlain = fence.machineRoot === undefined && fence.writable === undefined && isShipped(fence.scenario)
    const next = isPlain ? this.#next : undefined
    if (next) this.#next = undefined
    return next ?? start(this.#cluster, fence)
  }

  /** Starts the next one. Whoever still waits when the cluster ends is ended by the run's janitor. */
  prepare(): void {
    this.#next ??= start(this.#cluster, {})
  }
}

function start(cluster: Cluster, fence: Omit<AttackerOptions, 'foothold'>): StartedAttacker {
  const folder = makeFootholdFolder(cluster.folder)
  const attacker = new AttackerProcess({ foothold: folder, ...fence })
  cluster.watch(attacker.pid)
  return { folder, attacker }
}

export async function endAttacker({ folder, attacker }: StartedAttacker): Promise<void> {
  await attacker.stop()
  rmSync(folder, { recursive: true, force: true })
}
