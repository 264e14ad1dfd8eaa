/** `mtls-range attack`: scenarios x postures, each with its twin. */
import { startCluster } from '../cluster/start-cluster.ts'
import { CONTROLS } from '../posture/controls.ts'
import { loadPosture, shippedPostures } from '../posture/posture.ts'
import { differences, readBaseline } from '../report/baseline.ts'
import { palette } from '../report/colour.ts'
import { keepRows, lastRunFile } from '../report/last-run.ts'
import { summary, table } from '../report/table.ts'
import { parseReport, writeReport } from '../report/write-reports.ts'
import { discoverScenarios, selectScenarios, selectTour, TOUR_POSTURES, type Discovered } from '../scenario/discover.ts'
import { isGood, type Row } from '../scenario/row.ts'
import { runScenarios } from '../scenario/run.ts'
import { packageVersion } from '../settings/package-root.ts'
import { EXIT } from './exit.ts'
import { interruptible } from './interruptible.ts'
import { members } from './etcd-members.ts'
import { realBinaries } from './real-binaries.ts'
import { progressLine } from './progress.ts'

interface AttackOptions {
  posture?: string[]
  tour?: boolean
  json?: boolean
  baseline?: string
  failOnSkip?: boolean
  clusters?: string
  etcdMembers?: string
  with?: string[]
  report?: string[]
}

export async function attack(ids: readonly string[], options: AttackOptions): Promise<void> {
  const clusters = Number(options.clusters ?? 2)
  if (!Number.isInteger(clusters) || clusters < 1) {
    throw new Error(`[clusters_number] --clusters: a whole number from 1 on, got ${JSON.stringify(options.clusters)}`)
  }
  const reports = (options.report ?? []).map(parseReport)
  const baseline = options.baseline === undefined ? undefined : readBaseline(options.baseline)
  const all = await discoverScenarios()
  const shipped = await shippedPostures()
  const isTour = options.tour === true && ids.length === 0 && options.posture === undefined
  const selected = isTour ? selectTour(all) : selectScenarios(all, ids)
  const names = isTour ? TOUR_POSTURES : (options.posture ?? shipped)
  const postures = await Promise.all(names.map(async (name) => members(await loadPosture(name), options)))
  const real = await realBinaries(options.with)
  const progress = progressLine(process.stderr)
  const rows = await interruptible((signal) =>
    runScenarios({
      selected,
      postures,
      controls: CONTROLS,
      clusters,
      signal,
      startCluster: (posture, needs) => startCluster(posture, { ...needs, real }),
      onProgress: (text) => progress.say(text),
      onRow: (row) => {
        if (options.json) process.stdout.write(`${JSON.stringify(row)}\n`)
        else progress.note(row)
      },
    }),
  )
  progress.end()
  // What a real binary answered is not the simulation's last run.
  if (real.length === 0) keep(rows)
  const ordered = inOrder(
    rows,
    postures.map(({ name }) => name),
  )
  const context = {
    version: packageVersion(),
    scenarios: selected.map(({ discovered: { id, scenario } }) => ({
      id,
      title: scenario.title,
      story: scenario.story,
    })),
    postures: new Map(postures.map(({ name, folder }) => [name, folder])),
  }
  for (const report of reports) writeReport(report, ordered, context)
  if (!options.json) {
    const colour = palette(process.stdout)
    process.stdout.write(`${table(ordered, colour)}\n\n${summary(ordered, colour)}\n`)
    if (isTour) process.stdout.write(`\n${colour.dim(restOf(all, shipped))}\n`)
  }
  process.exitCode = exitCode(ordered, options, baseline)
}

/** What there is beside the tour. */
function restOf(all: readonly Discovered[], postures: readonly string[]): string {
  const variants = all.flatMap(({ scenario }) => scenario.variants).length
  return `That was the tour: mtls-range attack runs all ${all.length} attacks in ${variants} variants against ${postures.length} postures.`
}

/** For `explain`. A run is not worse for a home that cannot be written to. */
function keep(rows: readonly Row[]): void {
  const file = lastRunFile()
  if (file === undefined) return
  try {
    keepRows(file, rows)
  } catch (error) {
    process.stderr.write(`[last_run_not_kept] ${file}: ${(error as Error).message} (explain will not show this run)\n`)
  }
}

function exitCode(rows: readonly Row[], options: AttackOptions, baseline: readonly Row[] | undefined): number {
  const skipped = options.failOnSkip === true && rows.some((row) => row.verdict === 'skipped')
  if (baseline === undefined) return !skipped && rows.every(isGood) ? EXIT.good : EXIT.different
  const different = differences(baseline, rows)
  for (const line of different) process.stderr.write(`differs from the baseline: ${line}\n`)
  const unproved = rows.some((row) => row.verdict === 'vacuous' || row.verdict === 'unclear')
  return different.length > 0 || unproved || skipped ? EXIT.different : EXIT.good
}

/** By attack, then by posture in the order asked for: a run's own order depends on which cluster was ready first. */
function inOrder(rows: readonly Row[], postures: readonly string[]): Row[] {
  return rows.toSorted(
    (one, other) =>
      one.scenario.localeCompare(other.scenario, 'en') ||
      one.variant.localeCompare(other.variant, 'en') ||
      postures.indexOf(one.posture) - postures.indexOf(other.posture),
  )
}
