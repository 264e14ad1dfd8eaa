/**
 * Every variant against kubeadm and against one more of the shipped postures in turn, each with its twin: the row is as
 * expected, and the one change flips it. Real sockets, real processes. Every variant against every posture is what
 * `npm run attack` runs, and CI with it: five minutes of two cores by themselves.
 */
import t from 'tap'
import { startCluster } from '../lib/cluster/start-cluster.ts'
import { CONTROLS } from '../lib/posture/controls.ts'
import { withEtcdMembers } from '../lib/posture/etcd-members.ts'
import { loadPosture, shippedPostures, type Posture } from '../lib/posture/posture.ts'
import { act } from '../lib/scenario/act.ts'
import { arrange } from '../lib/scenario/change.ts'
import { discoverScenarios, selectScenarios } from '../lib/scenario/discover.ts'
import { asExpected } from '../lib/scenario/outcome.ts'
import { rowId, type Row } from '../lib/scenario/row.ts'
import { runScenarios } from '../lib/scenario/run.ts'

t.setTimeout(900_000)

/** Where an attack does not ask about etcd's peers one member answers for three, in less of the machine. */
async function small(name: string): Promise<Posture> {
  return withEtcdMembers(await loadPosture(name), 1)
}

t.test('every row is as expected, and every change flips its row', async (t) => {
  const discovered = await discoverScenarios()
  const variants = discovered.flatMap(({ id, scenario }) =>
    scenario.variants.map((variant) => ({ id: `${id}:${variant.id}`, members: variant.etcdMembers ?? 1 })),
  )
  const ids = variants.map(({ id }) => id)
  const amongPeers = new Set(variants.filter(({ members }) => members > 1).map(({ id }) => id))
  const others = (await shippedPostures()).filter((name) => name !== 'kubeadm')
  const rows: Row[] = []
  const run = async (name: string, own: readonly string[]): Promise<void> => {
    await runOn(
      await small(name),
      own.filter((id) => !amongPeers.has(id)),
    )
    await runOn(
      await loadPosture(name),
      own.filter((id) => amongPeers.has(id)),
    )
  }
  const runOn = async (posture: Posture, own: readonly string[]): Promise<void> => {
    const ran = await runScenarios({
      selected: own.length > 0 ? selectScenarios(discovered, own) : [],
      postures: [posture],
      controls: CONTROLS,
      clusters: 1,
      startCluster,
      onRow: () => {},
      onProgress: () => {},
    })
    t.equal(ran.length, own.length, `a row for each variant asked of ${posture.name}`)
    rows.push(...ran)
  }
  const inTurn = async (): Promise<void> => {
    for (const [turn, other] of others.entries()) {
      await run(
        other,
        ids.filter((_, index) => index % others.length === turn),
      )
    }
  }
  await Promise.all([run('kubeadm', ids), inTurn()])
  for (const row of rows) {
    const name = `${rowId(row)} on ${row.posture}`
    if (row.verdict === 'not-applicable') continue
    if (row.verdict === 'skipped') {
      t.comment(`SKIPPED ${name}: ${row.attack.kind === 'skipped' ? row.attack.reason : ''}`)
      continue
    }
    t.equal(row.asExpected, true, `${name}: ${JSON.stringify({ ...row.attack, evidence: undefined })}`)
    const wanted = row.expected && 'kind' in row.expected && row.expected.kind === 'through' ? 'broken' : 'held'
    t.equal(row.verdict, wanted, `${name}, ${row.twin.change}: ${JSON.stringify({ ...row.twin, evidence: undefined })}`)
  }
})

t.test('drops that do nothing change nothing (ATTACKS.md section 14)', async (t) => {
  const kubeadm = await small('kubeadm')
  const all = await discoverScenarios()
  const byControl = groupBy(
    all.flatMap((discovered) =>
      discovered.scenario.variants.flatMap((variant) =>
        (variant.unmoved ?? []).map((control) => ({ control, discovered, variant })),
      ),
    ),
    ({ control }) => control,
  )
  t.ok(byControl.size > 1)
  for (const [control, cases] of byControl) {
    const how = arrange(kubeadm, cases[0]!.variant, CONTROLS, { weaken: control })
    const cluster = await startCluster(how.posture)
    try {
      for (const { discovered, variant } of cases) {
        const expected = variant.expect['kubeadm']!
        const outcome = await act(
          cluster,
          discovered,
          variant,
          arrange(kubeadm, variant, CONTROLS, { weaken: control }),
        )
        t.ok(
          asExpected(expected, outcome),
          `${discovered.id}:${variant.id} without ${control}: ${JSON.stringify({ ...outcome, evidence: undefined })}`,
        )
      }
    } finally {
      await cluster.stop()
    }
  }
})

/** Map.groupBy comes with Node 21. */
function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return groups
}
