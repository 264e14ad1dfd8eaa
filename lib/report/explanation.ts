/** An attack in words: story, path, what each posture should answer and why, and what the last run of it came to. */
import type { Foothold, Holding, LinkName, Signer } from '../attacker/foothold.ts'
import type { Control } from '../posture/control.ts'
import type { Change, Scenario, Variant } from '../scenario/scenario.ts'
import type { Expectation, Outcome } from '../scenario/outcome.ts'
import { changeText } from '../scenario/change.ts'
import type { Goal } from '../scenario/goal.ts'
import { twinFor } from '../scenario/twin.ts'
import type { Palette } from './colour.ts'
import type { KeptRow } from './last-run.ts'
import { outcomeText } from './outcome-text.ts'

export interface Explained {
  id: string
  scenario: Scenario
  variants: readonly Variant[]
  drawing: string
  postures: readonly string[]
  controls: readonly Control[]
  /** What the last run of a variant on a posture came to. */
  lastRun: (variant: string, posture: string) => KeptRow | undefined
}

const WIDTH = 100

export function explanation(explained: Explained, colour: Palette): string {
  const { id, scenario, variants, drawing } = explained
  const lines = [`${colour.bold(id)}  ${scenario.title}`, '', ...wrap(scenario.story, '  '), '']
  lines.push(...drawing.split('\n').map((line) => `  ${line}`.trimEnd()), '')
  for (const variant of variants) lines.push(...variantText(explained, variant, colour), '')
  lines.push(...controlsText(explained, colour))
  const marks = [
    ...(scenario.cis ?? []).map((each) => `CIS ${each}`),
    ...(scenario.attack ?? []).map((each) => `ATT&CK ${each}`),
  ]
  if (marks.length > 0) lines.push(...labelled('catalogues', marks.join(', ')))
  lines.push(...labelled('sources', scenario.refs.join('; ')))
  return lines.join('\n')
}

function variantText({ postures, controls, lastRun }: Explained, variant: Variant, colour: Palette): string[] {
  const { foothold, goal, premise, target } = variant
  const lines = [`${colour.bold(`:${variant.id}`)}  ${variant.title}`]
  lines.push(...labelled('stands', standsText(foothold)), ...labelled('holds', holdsText(foothold)))
  lines.push(...labelled('wants', goalText(goal) + (target === undefined ? '' : `, aimed at ${target}`)))
  if (premise) lines.push(...labelled('premise', `without ${premise.join(' and ')}`))
  for (const posture of postures) {
    const expected = variant.expect[posture]
    if (!expected) continue
    lines.push(...labelled(posture, expectationText(expected), colour))
    const why = whyText(expected, variant, posture, controls)
    if (why) lines.push(...wrap(why, INDENT))
    const kept = lastRun(variant.id, posture)
    if (kept) lines.push(...keptText(kept).map((line) => colour.dim(line)))
  }
  return lines
}

/** Why a posture should answer so: the one fact that makes the same act go the other way. */
function whyText(
  expected: Expectation,
  variant: Variant,
  posture: string,
  controls: readonly Control[],
): string | undefined {
  if ('notApplicable' in expected) return undefined
  const change = twinFor(variant, posture)[expected.kind]
  if (!change) return undefined
  const titles = controlIds(change).map((id) => controls.find((each) => each.id === id)?.title ?? id)
  if ('weaken' in change) return `because: ${titles.join('; ')}; ${changeText(change)}, the same act gets through`
  if ('restore' in change) return `because nothing stands in the way; what would: ${titles.join('; ')}`
  const other = expected.kind === 'stopped' ? 'gets through' : 'is stopped'
  return `${changeText(change)}, the same act ${other}`
}

function keptText({ at, row }: KeptRow): string[] {
  const when = `${at.slice(0, 16).replace('T', ' ')} UTC`
  const twin = row.twin.change === '' ? '' : `; ${row.twin.change}: ${outcomeText(row.twin)}`
  const lines = wrap(`last run ${when}: ${row.verdict}: ${outcomeText(row.attack)}${twin}`, INDENT)
  const words = wordsOf(row.attack) ?? wordsOf(row.twin)
  return words === undefined ? lines : [...lines, ...wrap(words, `${INDENT}  `)]
}

/** The word of whoever refused, as the range heard it. */
function wordsOf(outcome: Outcome): string | undefined {
  if (outcome.kind !== 'stopped') return undefined
  const witnessed = outcome.evidence?.witness.at(-1) as
    | { component?: string; host?: string; request?: string; text?: string }
    | undefined
  const text = witnessed?.text ?? outcome.text
  if (text === undefined) return undefined
  const who = witnessed ? `${witnessed.component} on ${witnessed.host}` : outcome.by
  return `${who}${witnessed?.request ? `, ${witnessed.request}` : ''}: ${text}`
}

function controlsText({ variants, controls }: Explained, colour: Palette): string[] {
  const ids = new Set(
    variants.flatMap(({ twin, premise = [] }) => {
      const twins = 'through' in twin || 'stopped' in twin ? [twin] : Object.values(twin)
      return [...premise, ...twins.flatMap((each) => Object.values(each) as Change[]).flatMap(controlIds)]
    }),
  )
  const known = controls.filter(({ id }) => ids.has(id))
  if (known.length === 0) return []
  const lines = [colour.bold('controls that matter')]
  for (const { id, title, cis, layer } of known) {
    lines.push(`  ${id}  (${layer}${cis ? `, CIS ${cis.join(', ')}` : ''})`, ...wrap(title, '      '))
  }
  return [...lines, '']
}

function controlIds(change: Change): readonly string[] {
  if ('weaken' in change) return [change.weaken].flat()
  return 'restore' in change ? [change.restore].flat() : []
}

function expectationText(expected: Expectation): string {
  if ('notApplicable' in expected) return `not applicable: ${expected.notApplicable}`
  return expected.kind === 'through' ? 'THROUGH' : `stopped by ${expected.by}, ${expected.layer} (${expected.code})`
}

function standsText({ stands }: Foothold): string {
  switch (stands.on) {
    case 'net':
      return 'on a host of its own on the same network'
    case 'host':
      return `as root on ${stands.host}`
    case 'tap':
      return `listening on ${linkText(stands.link)}`
    case 'path':
      return `where the network sends ${linkText(stands.link)}`
    case 'machine':
      return `as the unprivileged uid ${stands.uid} on ${stands.host}`
  }
}

function linkText({ from = 'any host', to = 'any host', port }: LinkName): string {
  return `${from} -> ${to}${port === undefined ? '' : `:${port}`}`
}

function holdsText({ holds }: Foothold): string {
  const all = Object.values(holds).map(holdingText)
  return all.length === 0 ? 'nothing' : all.join('; ')
}

function holdingText(holding: Holding): string {
  if ('stolen' in holding) return `${holding.stolen} of ${holding.host}`
  if ('stolenFolder' in holding) return `${holding.stolenFolder} of ${holding.host}`
  if ('sessionKeysOf' in holding) return `the TLS session keys of ${holding.sessionKeysOf}`
  if ('fromPod' in holding) return `${holding.fromPod} of a Pod`
  if ('told' in holding) return 'what it was told once'
  const { commonName, organizations = [], signedBy, valid } = holding.minted
  const subject = [`CN=${commonName}`, ...organizations.map((each) => `O=${each}`)].join(', ')
  const date = valid === 'until-yesterday' ? ', expired' : ''
  return `a certificate for ${subject}, signed by ${signerText(signedBy)}${date}`
}

function signerText(signedBy: Signer): string {
  if (typeof signedBy === 'string') return signedBy === 'self' ? 'itself' : signedBy
  if ('leafOf' in signedBy) return `the kubelet's own certificate on ${signedBy.leafOf}`
  return `a sub-CA of ${signedBy.subCaOf}${signedBy.nameConstraints ? ' with name constraints' : ''}`
}

function goalText(goal: Goal): string {
  if ('write' in goal) return goal.write
  if ('deny' in goal) return goal.deny
  if ('show' in goal) return goal.show
  if ('erase' in goal) return goal.erase === 'pod' ? `a Pod on ${goal.node} gone` : 'a Secret gone'
  if (goal.read === 'secret')
    return `a Secret's value${goal.node === undefined ? '' : ` (a Pod on ${goal.node} uses it)`}`
  if (goal.read === 'word' || goal.read === 'fact') return goal.what
  return goal.read === 'stream'
    ? `what an administrator types into a Pod on ${goal.node}`
    : `the annotation of a Pod on ${goal.node}`
}

const LABEL = 12
const INDENT = ' '.repeat(2 + LABEL)

function labelled(label: string, text: string, colour?: Palette): string[] {
  const [first = '', ...rest] = wrap(text, INDENT)
  const name = label.padEnd(LABEL)
  return [`  ${colour ? colour.bold(name) : name}${first.trimStart()}`, ...rest]
}

function wrap(text: string, indent: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(indent + line)
      line = ''
    }
    line += line === '' ? word : ` ${word}`
  }
  return [...lines, indent + line]
}
