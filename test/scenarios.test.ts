/**
 * Every variant against one of the shipped postures, each in its turn, with its twin: the row is as expected, and the one
 * change flips it. Real sockets, real processes. Every variant against every posture is what `npm run attack:all`
 * runs, and CI with it: it takes two cores longer than a test may.
 */
import t from 'tap'
import { startCluster } from '../lib/cluster/start-cluster.ts'
import { CONTROLS } from '../lib/posture/controls.ts'
import { withEtcdMembers } from '../lib/posture/etcd-members.ts'
import { loadPosture, shippedPostures } from '../lib/posture/posture.ts'
import { act } from '../lib/scenario/act.ts'
import { arrange } from '../lib/scenario/change.ts'
import { discoverScenarios, selectScenarios } from '../lib/scenario/discover.ts'
import { asExpected } from '../lib/scenario/outcome.ts'
import { rowId, type Row } from '../lib/scenario/row.ts'
import { runScenarios } from '../lib/scenario/run.ts'

t.setTimeout(900_000)

t.test('every row is as expected, and every change flips its row', async (t) => {
  const discovered = await discoverScenarios()
  const postures = await shippedPostures()
  // Variants of an attack meet the same posture: their twins often want the same change of it.
  const variants = discovered.flatMap(({ id, scenario }, turn) =>
    scenario.variants.map((variant) => ({ id: `${id}:${variant.id}`, variant, turn })),
  )
  // Where an attack does not ask about etcd's peers one member answers for three, in less of the machine.
  const turns = groupBy(variants, ({ variant, turn }) => {
    const plays = postures.filter((name) => 'kind' in (variant.expect[name] ?? {}))
    return `${plays[turn % plays.length]} ${variant.etcdMembers ?? 1}`
  })
  const rows: Row[] = []
  // The longest first, so that none is left to run alone.
  const waiting = [...turns].toSorted(([, one], [, other]) => other.length - one.length).values()
  const lane = async (): Promise<void> => {
    for (const [turn, own] of waiting) {
      const [name = '', members = ''] = turn.split(' ')
      const posture = await loadPosture(name)
      const ids = own.map(({ id }) => id)
      const ran = await runScenarios({
        selected: selectScenarios(discovered, ids),
        postures: [members === '1' ? withEtcdMembers(posture, 1) : posture],
        controls: CONTROLS,
        clusters: 1,
        startCluster,
        onRow: () => {},
        onProgress: () => {},
      })
      t.equal(ran.length, ids.length, `a row for each variant asked of ${turn}`)
      rows.push(...ran)
    }
  }
  await Promise.all([lane(), lane(), lane()])
  t.equal(rows.length, variants.length)
  for (const row of rows) {
    const name = `${rowId(row)} on ${row.posture}`
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
  const kubeadm = withEtcdMembers(await loadPosture('kubeadm'), 1)
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
function groupBy<T, K>(items: Iterable<T>, keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return groups
}
