/** Starts a cluster from a posture: files, network, processes, and the wait until all of it answers from outside. */
import { join } from 'node:path'
import type { Posture } from '../posture/posture.ts'
import { renderHost } from '../posture/render-host.ts'
import { Wire } from '../wire/control.ts'
import { Cluster, linkKey, type ClusterNeeds } from './cluster.ts'
import { Components } from './components.ts'
import { machineFault } from './machine-fault.ts'
import { networkPolicy } from './network-policy.ts'
import type { RealBinary } from './real-binary.ts'
import { makeRunFolder } from './run-folder.ts'
import { Site } from './site.ts'

export interface StartOptions extends Partial<ClusterNeeds> {
  /** Shared with clusters before and after this one; without it the cluster has one of its own. */
  site?: Site
  /** Binaries that stand in for simulated components. */
  real?: readonly RealBinary[]
  /** Told how long each step took. */
  onStep?: (step: string, milliseconds: number) => void
}

/** @throws Error `[component_died]`, `[cluster_not_ready]`, or a MachineFault; what had started by then is ended first. */
export async function startCluster(posture: Posture, options: StartOptions = {}): Promise<Cluster> {
  const undo: Array<() => Promise<void>> = []
  try {
    return await start(posture, options, undo)
  } catch (error) {
    for (const step of undo.toReversed()) await step().catch(() => {})
    throw machineFault(error) ?? error
  }
}

async function start(posture: Posture, options: StartOptions, undo: Array<() => Promise<void>>): Promise<Cluster> {
  const step = stopwatch(options.onStep)
  const site = options.site ?? (await Site.claim())
  const release = async (): Promise<void> => (options.site ? undefined : site.release())
  undo.push(release)
  const plan = site.plan(posture)
  const run = makeRunFolder()
  undo.push(() => run.remove())
  const [wire, pki] = await Promise.all([
    Wire.start(plan.hosts.map(({ name, face, back }) => ({ name, face, back }))),
    site.pki(posture),
  ])
  undo.push(() => wire.stop())
  if (wire.pid) run.watch(wire.pid)
  await wire.allow(networkPolicy(posture))
  step('network and certificates')

  const captures = new Map<string, string>()
  for (const link of options.taps ?? []) {
    if (captures.has(linkKey(link))) continue
    const file = join(run.path, `tap-${captures.size + 1}.pcapng`)
    captures.set(linkKey(link), file)
    await wire.tap(link, file)
  }
  const rendered = posture.hosts.map(({ name }) =>
    renderHost(posture, name, { addresses: plan, pki, folder: run.path }),
  )
  step('files')

  const sessionKeys = options.sessionKeys ?? false
  const components = new Components({ plan, run, wire, sessionKeys, real: options.real ?? [] })
  undo.push(() => components.killAll())
  components.start(rendered.flatMap(({ launches }) => launches))
  step('processes spawned')

  const cluster = new Cluster({
    posture,
    site,
    plan,
    run,
    wire,
    components,
    rendered,
    pki,
    captures,
    sessionKeys,
    release,
  })
  undo.push(() => cluster.operator.close())
  await cluster.ready({ onStep: step })
  return cluster
}

function stopwatch(onStep: StartOptions['onStep']): (step: string) => void {
  let last = performance.now()
  return (step) => {
    const now = performance.now()
    onStep?.(step, now - last)
    last = now
  }
}
