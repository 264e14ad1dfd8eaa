/** `mtls-range explain`: one attack in words, with the evidence of its last run. */
import { CONTROLS } from '../posture/controls.ts'
import { shippedPostures } from '../posture/posture.ts'
import { palette } from '../report/colour.ts'
import { explanation } from '../report/explanation.ts'
import { keyOf, lastRunFile, readLastRun } from '../report/last-run.ts'
import { discoverScenarios, selectScenarios } from '../scenario/discover.ts'
import { drawingOf } from '../scenario/drawing.ts'

export async function explain(ids: readonly string[]): Promise<void> {
  const selected = selectScenarios(await discoverScenarios(), ids)
  const postures = await shippedPostures()
  const kept = readLastRun(lastRunFile())
  const colour = palette(process.stdout)
  const texts = selected.map(({ discovered: { id, url, scenario }, variants }) =>
    explanation(
      {
        id,
        scenario,
        variants: scenario.variants.filter((variant) => variants.includes(variant.id)),
        drawing: drawingOf(url),
        postures,
        controls: CONTROLS,
        lastRun: (variant, posture) => kept.get(keyOf({ scenario: id, variant, posture })),
      },
      colour,
    ),
  )
  process.stdout.write(`${texts.join('\n\n')}\n`)
}
