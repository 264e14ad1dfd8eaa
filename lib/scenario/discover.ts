/** Finds the scenarios: every compiled file in a folder per aim. A scenario's path is its id. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { nearest } from '../settings/near.ts'
import type { Scenario } from './scenario.ts'

export interface Discovered {
  /** `overreach/node-foreign-secret` */
  id: string
  /** File URL of the compiled file, which an attacker's process imports by itself. */
  url: string
  scenario: Scenario
}

/** The shipped scenarios, beside this compiled file's own tree. */
export const SHIPPED_SCENARIOS = fileURLToPath(new URL('../../scenarios/', import.meta.url))

export async function discoverScenarios(folder: string = SHIPPED_SCENARIOS): Promise<Discovered[]> {
  const found: Discovered[] = []
  for (const aim of (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory())) {
    const names = (await readdir(join(folder, aim.name))).filter((name) => name.endsWith('.js'))
    for (const name of names.sort()) {
      const url = pathToFileURL(join(folder, aim.name, name)).href
      const { default: scenario } = (await import(url)) as { default: Scenario }
      found.push({ id: `${aim.name}/${name.slice(0, -3)}`, url, scenario })
    }
  }
  return found.sort((one, other) => one.id.localeCompare(other.id, 'en'))
}

export interface Selected {
  discovered: Discovered
  /** Variant ids; all of the scenario's where none was named. */
  variants: string[]
}

/** Resolves `aim/name`, `name`, `aim/name:variant` and `name:variant`; no words at all select everything. */
export function selectScenarios(all: readonly Discovered[], words: readonly string[]): Selected[] {
  if (words.length === 0) return all.map((discovered) => ({ discovered, variants: variantIds(discovered) }))
  const chosen = new Map<string, Selected>()
  for (const word of words) {
    const [name = '', variant] = word.split(':')
    const discovered = all.find((each) => each.id === name) ?? all.find((each) => nameOf(each) === name)
    if (!discovered) throw unknownId(word, name, all)
    const ids = variantIds(discovered)
    if (variant !== undefined && !ids.includes(variant)) {
      throw new UnknownScenario(
        `[scenario_variant_unknown] ${discovered.id} has no variant ${JSON.stringify(variant)} (it has ${ids.join(', ')})`,
      )
    }
    const entry = chosen.get(discovered.id) ?? { discovered, variants: [] }
    const wanted = variant === undefined ? ids : [variant]
    entry.variants = ids.filter((id) => entry.variants.includes(id) || wanted.includes(id))
    chosen.set(discovered.id, entry)
  }
  return [...chosen.values()]
}

/** What a newcomer is shown first. */
export function selectTour(all: readonly Discovered[]): Selected[] {
  const words = all.flatMap(({ id, scenario }) => (scenario.tour ?? []).map((variant) => `${id}:${variant}`))
  return selectScenarios(all, words)
}

/** The steps from what was common once to what is asked for today. */
export const TOUR_POSTURES: readonly string[] = ['open', 'kubeadm', 'hardened']

/** A word that names no scenario: a usage fault. */
export class UnknownScenario extends Error {}

function unknownId(word: string, name: string, all: readonly Discovered[]): UnknownScenario {
  const near = nearest(
    name,
    all.flatMap((each) => [each.id, nameOf(each)]),
  )
  const hint = near === undefined ? 'mtls-range list shows them' : `did you mean ${near}?`
  return new UnknownScenario(`[scenario_unknown] no scenario is called ${JSON.stringify(word)} (${hint})`)
}

function variantIds(discovered: Discovered): string[] {
  return discovered.scenario.variants.map((variant) => variant.id)
}

function nameOf(discovered: Discovered): string {
  return discovered.id.slice(discovered.id.indexOf('/') + 1)
}
