/**
 * `npm run bench -- [--rounds 5] [--runs 3] [--json]`: what the range costs, beside a floor measured in the same rounds.
 * One etcd, kube-apiserver, kube-controller-manager, kube-scheduler, three kubelets and the wire, PKI included, from
 * the first spawn until all answer over mTLS; their memory; an attack with its twin on a warm cluster; a whole `attack`.
 * Medians count; `--json` prints the record of every round instead of the table.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Cluster } from '../../lib/cluster/cluster.ts'
import { nodeCommand } from '../../lib/cluster/node-command.ts'
import { startCluster } from '../../lib/cluster/start-cluster.ts'
import { CONTROLS } from '../../lib/posture/controls.ts'
import { act } from '../../lib/scenario/act.ts'
import { arrange } from '../../lib/scenario/change.ts'
import { discoverScenarios } from '../../lib/scenario/discover.ts'
import { twinFor } from '../../lib/scenario/twin.ts'
import { benchPosture } from './bench-posture.ts'
import { startFloor } from './floor.ts'

const MAIN = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url))

/** Seven components, the wire and its janitor. */
const PROCESSES = 9

/** A twin that differs in its foothold runs in the same cluster. */
const WARM_ATTACK = 'impersonate/anon-apiserver'

interface Measure {
  name: string
  unit: 'ms' | 'MB' | '%'
  target?: number
  values: number[]
}

const measures = new Map<string, Measure>()

function note(name: string, unit: Measure['unit'], value: number, target?: number): void {
  const measure = measures.get(name) ?? { name, unit, values: [], ...(target === undefined ? {} : { target }) }
  measure.values.push(Math.round(value))
  measures.set(name, measure)
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
})

const posture = await benchPosture()
for (let round = 0; round < Number(values.rounds); round += 1) {
  process.stderr.write(`round ${round + 1} of ${values.rounds}\n`)
  const floor = await startFloor(PROCESSES)
  note(`floor: ${PROCESSES} bare Node processes, every one dials the next over mTLS`, 'ms', floor.milliseconds)
  note(`floor: their resident memory`, 'MB', residentMb(floor.pids))
  await floor.stop()
  const started = performance.now()
  const steps: [step: string, milliseconds: number][] = []
  const cluster = await startCluster(posture, { onStep: (step, milliseconds) => steps.push([step, milliseconds]) })
  const spentMs = performance.now() - started
  note('cluster: spawn to all ready over mTLS, PKI included', 'ms', spentMs, 800)
  for (const [step, milliseconds] of steps) note(`  of which ${step}`, 'ms', milliseconds)
  note('cluster: its start beside the floor of the same round', '%', (spentMs / floor.milliseconds) * 100)
  try {
    note(
      'cluster: resident memory',
      'MB',
      residentMb([...cluster.processes.map(({ pid }) => pid), cluster.wire.pid ?? 0]),
      600,
    )
    await attackAndTwin(cluster)
  } finally {
    await cluster.stop()
  }
}
for (let run = 0; run < Number(values.runs); run += 1) {
  process.stderr.write(`whole run ${run + 1} of ${values.runs}\n`)
  await wholeRun()
}

const rows = [...measures.values()].map((measure) => ({ ...measure, median: median(measure.values) }))
const machine = { node: process.version, cores: availableParallelism(), model: cpus()[0]?.model ?? '' }
if (values.json) process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), machine, measures: rows })}\n`)
else {
  process.stdout.write(`Node ${machine.node}, ${machine.cores} cores, ${machine.model}\n\n`)
  for (const { name, unit, target, values: all, median } of rows) {
    const spread = `${Math.min(...all)} to ${Math.max(...all)}`
    const aim = target === undefined ? '' : `  aim ${target}${median <= target ? '' : ' MISSED'}`
    process.stdout.write(`${name.padEnd(74)} ${String(median).padStart(7)} ${unit.padEnd(2)}  (${spread})${aim}\n`)
  }
}

/** The first time pays for what is loaded once; it is not counted. */
async function attackAndTwin(cluster: Cluster): Promise<void> {
  const discovered = (await discoverScenarios()).find(({ id }) => id === WARM_ATTACK)
  const variant = discovered?.scenario.variants[0]
  if (!discovered || !variant) throw new Error(`[bench_attack] no scenario is called ${WARM_ATTACK}`)
  const twin = twinFor(variant, posture.name).stopped
  for (let time = 0; time < 4; time += 1) {
    const started = performance.now()
    for (const change of [undefined, twin]) {
      const outcome = await act(cluster, discovered, variant, arrange(posture, variant, CONTROLS, change))
      if (outcome.kind !== (change ? 'through' : 'stopped'))
        throw new Error(`[bench_outcome] ${JSON.stringify(outcome)}`)
    }
    if (time > 0) note('warm cluster: an attack and its twin', 'ms', performance.now() - started, 150)
  }
}

async function wholeRun(): Promise<void> {
  const [program, ...args] = nodeCommand([MAIN, 'attack', '--tour', '--json'])
  const started = performance.now()
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'ignore'], env: { PATH: process.env['PATH'] } })
  child.stdout.once('data', () => note('npm run attack: its first row', 'ms', performance.now() - started, 5000))
  await new Promise((resolve) => child.once('close', resolve))
  note('npm run attack: all of it', 'ms', performance.now() - started, 20_000)
}

/** VmRSS of each process, summed: pages that several share are counted in each. */
function residentMb(pids: readonly number[]): number {
  const kib = pids.map((pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0))
  return kib.reduce((sum, each) => sum + each, 0) / 1000
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
