/**
 * Runs scenarios against postures. Acts that need the same change of posture share a cluster; a twin that differs in
 * foothold or target runs right after its attack, in the same cluster, so that rows come early.
 */
import type { Foothold } from '../attacker/foothold.ts'
import type { Cluster, ClusterNeeds } from '../cluster/cluster.ts'
import { ClockWatch } from '../cluster/clock-watch.ts'
import { machineFault } from '../cluster/machine-fault.ts'
import { Site } from '../cluster/site.ts'
import type { Control } from '../posture/control.ts'
import type { Posture } from '../posture/posture.ts'
import { act } from './act.ts'
import { arrange, changeText, type Arrangement } from './change.ts'
import type { Discovered, Selected } from './discover.ts'
import { asExpected, verdictOf, type Expectation, type Outcome } from './outcome.ts'
import type { Row } from './row.ts'
import type { Change, Variant } from './scenario.ts'
import { twinFor } from './twin.ts'
import { WorkByKey } from './work-by-key.ts'

export interface RunOptions {
  selected: readonly Selected[]
  postures: readonly Posture[]
  controls: readonly Control[]
  startCluster: (posture: Posture, options: ClusterNeeds & { site: Site }) => Promise<Cluster>
  onRow: (row: Row) => void
  /** One short line on what is going on, for stderr. */
  onProgress: (text: string) => void
  /** Clusters alive at once. */
  clusters?: number
  signal?: AbortSignal
}

interface Task {
  discovered: Discovered
  variant: Variant
  posture: Posture
  how: Arrangement
  startedMs: number
  /** Set in a twin's task. */
  twinOf?: { attack: Outcome; change: Change }
}

/** @throws MachineFault where the machine lets nothing more be judged. */
export async function runScenarios(options: RunOptions): Promise<Row[]> {
  const clock = new ClockWatch()
  const rows: Row[] = []
  const work = new WorkByKey<Task>()
  const add = (row: Row): void => {
    rows.push(row)
    options.onRow(row)
  }
  for (const posture of options.postures) {
    for (const { discovered, variants } of options.selected) {
      for (const variant of discovered.scenario.variants.filter(({ id }) => variants.includes(id))) {
        const expected = expectationOf(variant, posture)
        const lack = lackOf(variant, posture)
        if (expected && 'notApplicable' in expected) {
          const reason = expected.notApplicable
          add(untried(discovered, variant, posture, { verdict: 'not-applicable', reason, expected }))
        } else if (lack !== undefined) {
          add(untried(discovered, variant, posture, { verdict: 'skipped', reason: lack }))
        } else {
          const how = arrange(posture, variant, options.controls)
          work.add(how.clusterKey, { discovered, variant, posture, how, startedMs: 0 })
        }
      }
    }
  }

  /** Runs one task; gives back the twin's task, or nothing once the row is whole. */
  const runTask = async (cluster: Cluster, task: Task): Promise<Task | undefined> => {
    options.onProgress(
      `${task.discovered.id}:${task.variant.id} on ${task.posture.name}${task.twinOf ? `, ${changeText(task.twinOf.change)}` : ''}`,
    )
    const startedMs = performance.now()
    const outcome = await attempt(cluster, task)
    clock.check()
    const spentMs = task.startedMs + performance.now() - startedMs
    if (task.twinOf) {
      add(rowOf(task, task.twinOf.attack, { ...outcome, change: changeText(task.twinOf.change) }, spentMs))
      return undefined
    }
    const change =
      outcome.kind === 'through' || outcome.kind === 'stopped'
        ? twinFor(task.variant, task.posture.name)[outcome.kind]
        : undefined
    if (!change) {
      add(rowOf(task, outcome, { kind: 'unclear', reason: whyNoTwin(outcome), change: 'no twin' }, spentMs))
      return undefined
    }
    return {
      ...task,
      how: arrange(task.posture, task.variant, options.controls, change),
      startedMs: spentMs,
      twinOf: { attack: outcome, change },
    }
  }

  const addUnclear = (task: Task, reason: string): void => {
    const { attack, change } = task.twinOf!
    add(rowOf(task, attack, { kind: 'unclear', reason, change: changeText(change) }, task.startedMs))
  }

  /** Where each worker's cluster stands. */
  const standing: (string | undefined)[] = []

  const worker = async (_: unknown, me: number): Promise<void> => {
    const site = await Site.claim()
    let cluster: Cluster | undefined
    const cost = (key: string): number => {
      const others = standing.filter((_key, other) => other !== me)
      return costOfChange(standing[me], key, options.controls) + costOfCompany(key, others)
    }
    try {
      for await (const { key, tasks } of work.batches(options.signal, cost)) {
        const { posture } = tasks[0]!.how
        const needs = needsOf(tasks)
        standing[me] = key
        cluster = await reshape(cluster, posture, needs)
        try {
          cluster ??= await options.startCluster(posture, { ...needs, site })
        } catch (error) {
          // A posture that does not stand is the reader's to know at once; a twin's change is that row's alone.
          if (!tasks.every(({ twinOf }) => twinOf)) throw error
          standing[me] = undefined
          for (const task of tasks.splice(0)) addUnclear(task, `harness: ${(error as Error).message}`)
          continue
        }
        for (let task = tasks.shift(); task && !options.signal?.aborted; task = tasks.shift()) {
          if (!cluster.isFit) {
            // What killed or ruined it is told in the row that it happened in.
            await cluster.stop()
            cluster = await options.startCluster(posture, { ...needs, site })
          }
          const twin = await runTask(cluster, task)
          if (!twin) continue
          if (twin.how.clusterKey === key) tasks.unshift(twin)
          else work.add(twin.how.clusterKey, twin)
        }
      }
    } finally {
      standing[me] = undefined
      await cluster?.stop()
      await site.release()
    }
  }
  await Promise.all(Array.from({ length: options.clusters ?? 2 }, () => undefined).map(worker))
  return rows
}

/** Runs an act; a fault of the range in one act is that row's, and no other's. A dead process refuses nobody. */
async function attempt(cluster: Cluster, { discovered, variant, how }: Task): Promise<Outcome> {
  const dead = (): Outcome | undefined => {
    const who = cluster.firstDead()
    return who === undefined ? undefined : { kind: 'unclear', reason: `crash: ${who} in the middle of the attempt` }
  }
  try {
    const outcome = await act(cluster, discovered, variant, how)
    return outcome.kind === 'through' ? outcome : (dead() ?? outcome)
  } catch (error) {
    const fault = machineFault(error)
    if (fault) throw fault
    return dead() ?? { kind: 'unclear', reason: `harness: ${(error as Error).message}` }
  }
}

/** More than any change of controls. */
const NEW_CLUSTER = 1000

/** A change that leaves sealed Secrets behind needs a new cluster next: it comes last. */
const SEALING = 100

/** A posture that another worker's cluster has: it gets through by itself, at less than what one more cluster costs. */
function costOfCompany(key: string, others: readonly (string | undefined)[]): number {
  return others.some((other) => other?.split(' ')[0] === key.split(' ')[0]) ? NEW_CLUSTER / 2 : 0
}

/** How much a cluster must change from one key's posture to the other's: files that the differing controls touch. */
function costOfChange(from: string | undefined, to: string, controls: readonly Control[]): number {
  const [name, ...wanted] = to.split(' ')
  const [nameNow, ...held] = from?.split(' ') ?? []
  if (name !== nameNow) return NEW_CLUSTER
  const differing = [...wanted.filter((each) => !held.includes(each)), ...held.filter((each) => !wanted.includes(each))]
  const files = new Set(differing.flatMap((each) => controls.find(({ id }) => id === each.slice(1))?.files ?? []))
  return files.size + (wanted.some((each) => each.includes('encryption')) ? SEALING : 0)
}

/**
 * The same cluster under another posture where that will do: a posture of the same name differs by a change of controls.
 * Undefined where a new one is needed; the old one is gone then.
 */
async function reshape(
  cluster: Cluster | undefined,
  posture: Posture,
  needs: ClusterNeeds,
): Promise<Cluster | undefined> {
  if (!cluster) return undefined
  try {
    if (cluster.isFit && cluster.posture.name === posture.name && cluster.offers(needs)) {
      await cluster.become(posture)
      return cluster
    }
  } catch {
    // What cannot be reached by a change can be reached from the start; a posture that stands nowhere says so there.
  }
  await cluster.stop()
  return undefined
}

/**
 * What a cluster must do from its first moment for the acts it will see, those of its twins included: links that are
 * tapped, because a recording that begins in the middle of a connection cannot be opened, and session keys that leak.
 */
function needsOf(tasks: readonly Task[]): ClusterNeeds {
  const footholds = tasks.flatMap((task): Foothold[] => {
    const twins = task.twinOf ? [] : (Object.values(twinFor(task.variant, task.posture.name)) as Change[])
    return [task.how.foothold, ...twins.flatMap((change) => ('foothold' in change ? [change.foothold] : []))]
  })
  return {
    taps: footholds.flatMap(({ stands }) => (stands.on === 'tap' ? [stands.link] : [])),
    sessionKeys: footholds.some(({ holds }) => Object.values(holds).some((holding) => 'sessionKeysOf' in holding)),
  }
}

/** A posture that the scenario was not written for has no expectation. */
export function expectationOf(variant: Variant, posture: Posture): Expectation | undefined {
  return posture.shipped ? variant.expect[posture.name] : undefined
}

function whyNoTwin(outcome: Outcome): string {
  if (outcome.kind === 'through' || outcome.kind === 'stopped') return `the scenario names no twin for ${outcome.kind}`
  return outcome.reason
}

function rowOf(task: Task, attack: Outcome, twin: Row['twin'], milliseconds: number): Row {
  const expected = expectationOf(task.variant, task.posture)
  return {
    scenario: task.discovered.id,
    variant: task.variant.id,
    posture: task.posture.name,
    title: task.variant.title,
    attack,
    twin,
    verdict: verdictOf(attack, twin),
    ...(expected ? { expected, asExpected: asExpected(expected, attack) } : {}),
    milliseconds: Math.round(milliseconds),
  }
}

/** Why an act cannot be tried there at all. */
function lackOf({ etcdMembers = 1 }: Variant, { hosts }: Posture): string | undefined {
  const ofTheirOwn = hosts.filter(({ role }) => role === 'etcd').length
  // Where etcd has no hosts of its own, each host of the control plane has a member.
  const members = ofTheirOwn || hosts.filter(({ role }) => role === 'control-plane').length
  return members < etcdMembers ? `needs_etcd_members: ${etcdMembers}, there are ${members}` : undefined
}

/** A row of an act that was not tried. */
function untried(
  discovered: Discovered,
  variant: Variant,
  posture: Posture,
  why: { verdict: 'not-applicable' | 'skipped'; reason: string; expected?: Expectation },
): Row {
  const { verdict, reason, expected } = why
  const nothing: Outcome = { kind: 'skipped', reason }
  return {
    scenario: discovered.id,
    variant: variant.id,
    posture: posture.name,
    title: variant.title,
    attack: nothing,
    twin: { ...nothing, change: '' },
    verdict,
    ...(expected ? { expected } : {}),
    milliseconds: 0,
  }
}
