/** Runs one act once: prepares the foothold, lets the attacker's process try, and judges what came of it. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Attempted } from '../attacker/attacker-process.ts'
import { AttackersAhead, endAttacker } from '../attacker/attackers-ahead.ts'
import { fillFoothold } from '../attacker/foothold-folder.ts'
import type { Foothold, LinkName } from '../attacker/foothold.ts'
import { mayBecome } from '../attacker/second-uid.ts'
import type { Observation } from '../attacker/world.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ATTACKER_HOST } from '../cluster/cluster.ts'
import type { Arrangement } from './change.ts'
import { conclude, type Acted } from './conclude.ts'
import type { Discovered } from './discover.ts'
import type { Outcome } from './outcome.ts'
import type { Staged, Variant } from './scenario.ts'
import { newCanary, stage, unstage } from './stage.ts'

/** Who bars the way to the store, or between its members, bars it for all that lead: they are given time before the next act. */
const ETCD_PORTS: readonly (number | undefined)[] = [2379, 2380]

export async function act(
  cluster: Cluster,
  discovered: Discovered,
  variant: Variant,
  how: Arrangement,
): Promise<Outcome> {
  const skip = cannotStand(how)
  if (skip) return { kind: 'skipped', reason: skip }
  const afterId = await cluster.wire.lastId()
  const heardBefore = cluster.witnessed.length
  const { stands } = how.foothold
  const machine = machineOf(cluster, how.foothold)
  const tidy = machine?.writable === undefined ? undefined : rememberFolder(machine.writable)
  const attackers = AttackersAhead.of(cluster)
  const started = attackers.take({
    scenario: discovered.url,
    ...(stands.on === 'machine' && machine ? { machineRoot: machine.root } : {}),
    ...(machine?.writable === undefined ? {} : { writable: machine.writable }),
  })
  const { folder, attacker } = started
  const mark = newCanary()
  let staged: Staged | undefined
  let result: Attempted | undefined
  let diverted: LinkName | undefined
  let disturbed: LinkName | undefined
  try {
    staged = await stage(cluster.operator, variant, how.target)
    await fillFoothold(folder, how.foothold, cluster, staged)
    await discovered.scenario.prepare?.(cluster.operator, staged)
    const { namespace, secret, pod, node } = staged
    result = await attacker.attempt(
      {
        kind: 'attempt',
        scenario: discovered.url,
        variant: variant.id,
        network: cluster.networkFacts(standsOn(how.foothold)),
        goal: { namespace, secret, pod, node },
        mark,
        ...(how.target === undefined ? {} : { target: how.target }),
        ...(machine ? { machine } : {}),
      },
      async (call) => {
        // Honest people may find their own way barred by what the attacker does: that is no fault of the scenario.
        if (call.call === 'meanwhile') await discovered.scenario.meanwhile?.(cluster.operator, staged!).catch(() => {})
        if (call.call === 'capture' && stands.on === 'tap') {
          await cluster.copyCapture(stands.link, join(folder, 'capture.pcapng'))
          // Session keys go on leaking while the recording goes on.
          await fillFoothold(folder, how.foothold, cluster, staged!)
        }
        if (call.call === 'disturb' && stands.on === 'path') {
          disturbed = stands.link
          await cluster.wire.fault(disturbed, call.faults)
          await cluster.wire.cut(disturbed)
        }
        if (call.call === 'divert' && stands.on === 'path') {
          diverted = stands.link
          await cluster.wire.divert(diverted, { address: call.address, port: call.port })
          // Who talks to the real end already would go on doing so: a takeover makes them dial again.
          await cluster.wire.cut(diverted)
        }
      },
    )
    attackers.prepare()
    const acted: Acted = {
      staged,
      mark,
      result,
      afterId,
      heardBefore,
      tapped: stands.on === 'tap' ? stands.link : undefined,
    }
    const outcome = await conclude(cluster, variant, acted)
    if (variant.ruins && outcome.kind === 'through') cluster.ruin()
    const barredStore = [disturbed, diverted].some((link) => ETCD_PORTS.includes(link?.port))
    if (disturbed) await cluster.wire.mend(disturbed)
    if (diverted) {
      await cluster.wire.undivert(diverted)
      await cluster.wire.cut(diverted)
      diverted = undefined
    }
    if (barredStore) await cluster.recovered()
    return await stillStanding(cluster, outcome)
  } finally {
    if (disturbed) await cluster.wire.mend(disturbed)
    if (diverted) await cluster.wire.undivert(diverted)
    await endAttacker(started)
    tidy?.()
    // Nothing is tidied in a cluster that is gone for good; the next act gets another.
    if (cluster.isFit) {
      await forget(cluster, result?.observed ?? [])
      if (staged) await unstage(cluster.operator, staged)
    }
  }
}

/** Takes out what the attacker left in the store, past the API: one record that it cannot read spoils a whole list. */
async function forget(cluster: Cluster, observed: readonly Observation[]): Promise<void> {
  for (const key of new Set(observed.flatMap(({ wrote }) => wrote ?? [])))
    await cluster.operator.store.deleteRange({ key })
}

/** A stop counts only if whoever stopped it is ready afterwards: a dead server refuses everybody. */
async function stillStanding(cluster: Cluster, outcome: Outcome): Promise<Outcome> {
  if (outcome.kind !== 'stopped') return outcome
  const down = await cluster.firstUnready()
  return down === undefined ? outcome : { kind: 'unclear', reason: `crash: ${down} is not ready after the attempt` }
}

/** The host whose addresses the attacker uses. */
function standsOn({ stands }: Foothold): string {
  if (stands.on === 'path') return stands.listensOn ?? ATTACKER_HOST
  return stands.on === 'host' || stands.on === 'machine' ? stands.host : ATTACKER_HOST
}

/** The machine that the attacker is a user of, or may write on as its root. */
function machineOf(
  cluster: Cluster,
  { stands }: Foothold,
): { uid?: number; root: string; writable?: string } | undefined {
  if (stands.on !== 'machine' && (stands.on !== 'host' || stands.writes === undefined)) return undefined
  const root = cluster.hostFolder(stands.host)
  return {
    root,
    ...(stands.on === 'machine' ? { uid: stands.uid } : {}),
    ...(stands.writes === undefined ? {} : { writable: join(root, stands.writes) }),
  }
}

/** What an attacker leaves on a machine goes with the attempt: the next one finds the folder's files as they were. */
function rememberFolder(folder: string): () => void {
  const before = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]))
  return () => {
    for (const name of readdirSync(folder)) if (!before.has(name)) rmSync(join(folder, name), { recursive: true })
    for (const [name, content] of before) {
      const file = join(folder, name)
      // Whoever watches the folder is told of what changed alone.
      if (!existsSync(file) || !readFileSync(file).equals(content)) writeFileSync(file, content)
    }
  }
}

function cannotStand(how: Arrangement): string | undefined {
  const { stands } = how.foothold
  if (stands.on === 'machine' && !mayBecome(stands.uid)) return 'needs_second_uid'
  return undefined
}
