/** `mtls-range list`: what there is to run. */
import { shippedPostures } from '../posture/posture.ts'
import { palette } from '../report/colour.ts'
import { discoverScenarios } from '../scenario/discover.ts'
import type { Expectation } from '../scenario/outcome.ts'

export async function list(options: { json?: boolean }): Promise<void> {
  const all = await discoverScenarios()
  if (options.json) {
    for (const { id, scenario } of all) {
      const variants = scenario.variants.map(({ id, title, expect }) => ({ id, title, expect }))
      process.stdout.write(
        `${JSON.stringify({ id, title: scenario.title, story: scenario.story, refs: scenario.refs, variants })}\n`,
      )
    }
    return
  }
  const colour = palette(process.stdout)
  const postures = await shippedPostures()
  for (const { id, scenario } of all) {
    process.stdout.write(`${colour.bold(id)}  ${scenario.title}\n`)
    for (const variant of scenario.variants) {
      const answers = postures.map((name) => `${name} ${expectationText(variant.expect[name])}`).join(' · ')
      process.stdout.write(`  :${variant.id}  ${variant.title}\n      ${colour.dim(answers)}\n`)
    }
  }
}

function expectationText(expected: Expectation | undefined): string {
  if (!expected) return 'unknown'
  if ('notApplicable' in expected) return 'n/a'
  return expected.kind === 'through' ? 'THROUGH' : expected.layer
}
