/** Levels, versions and modes of Pod Security, and a namespace's labels about them: pod-security-admission/api. */
import type { FieldError } from '../../../../lib/kube/status.ts'
import { invalidValue } from '../../registry/field-errors.ts'

/** From the weakest to the strongest. */
const LEVELS = ['privileged', 'baseline', 'restricted'] as const
const MODES = ['enforce', 'audit', 'warn'] as const

export type Level = (typeof LEVELS)[number]
export type Mode = (typeof MODES)[number]

export interface LevelVersion {
  level: Level
  /** `latest` or `v1.25`. */
  version: string
}

/** What each mode holds Pods to. */
export type Policy = Readonly<Record<Mode, LevelVersion>>

export const PREFIX = 'pod-security.kubernetes.io/'
const PRIVILEGED: LevelVersion = { level: 'privileged', version: 'latest' }

export interface PodSecuritySettings {
  defaults: Policy
  exempt: { usernames: readonly string[]; namespaces: readonly string[]; runtimeClasses: readonly string[] }
}

/** Where no file says otherwise: it is up to the namespaces' labels. */
export const NO_SETTINGS: PodSecuritySettings = {
  defaults: { enforce: PRIVILEGED, audit: PRIVILEGED, warn: PRIVILEGED },
  exempt: { usernames: [], namespaces: [], runtimeClasses: [] },
}

export function levelVersionText({ level, version }: LevelVersion): string {
  return `${level}:${version}`
}

/** Below zero where `one` is the weaker. */
export function compareLevels(one: Level, other: Level): number {
  return LEVELS.indexOf(one) - LEVELS.indexOf(other)
}

export function isSame(one: LevelVersion, other: LevelVersion): boolean {
  return one.level === other.level && one.version === other.version
}

export function holdsNothing(policy: Policy): boolean {
  return MODES.every((mode) => policy[mode].level === 'privileged')
}

/** As `reflect.DeepEqual` of functionally equal ones: two privileged levels are equal whatever their version. */
export function isEquivalent(one: Policy, other: Policy): boolean {
  return MODES.every(
    (mode) =>
      (one[mode].level === 'privileged' && other[mode].level === 'privileged') || isSame(one[mode], other[mode]),
  )
}

/** What is wrong with a level or version; undefined where nothing is. */
export function levelError(text: string): string | undefined {
  return (LEVELS as readonly string[]).includes(text) ? undefined : `must be one of ${LEVELS.join(', ')}`
}

export function versionError(text: string): string | undefined {
  return text === 'latest' || /^v1\.(\d|[1-9]\d*)$/.test(text) ? undefined : 'must be "latest" or "v1.x"'
}

/** A namespace's policy: its labels over the defaults. A label that cannot be read enforces the strongest, and tells nobody. */
export function policyOf(
  labels: Readonly<Record<string, string>>,
  defaults: Policy,
): { policy: Policy; errors: FieldError[] } {
  const errors: FieldError[] = []
  const note = (label: string, value: string, why: string | undefined): boolean => {
    if (why !== undefined) errors.push(invalidValue(`metadata.labels[${label}]`, value, why))
    return why === undefined
  }
  const held = MODES.map((mode): [Mode, LevelVersion] => {
    let { level, version } = defaults[mode]
    const said = labels[PREFIX + mode]
    if (said !== undefined) {
      const isGood = note(PREFIX + mode, said, levelError(said))
      level = isGood ? (said as Level) : mode === 'enforce' ? 'restricted' : 'privileged'
    }
    const at = `${PREFIX}${mode}-version`
    const saidVersion = labels[at]
    if (saidVersion !== undefined) version = note(at, saidVersion, versionError(saidVersion)) ? saidVersion : 'latest'
    return [mode, { level, version }]
  })
  const policy = Object.fromEntries(held) as Record<Mode, LevelVersion>
  const enforced = labels[`${PREFIX}enforce`]
  const isSaid = enforced !== undefined && levelError(enforced) === undefined
  // who enforces more than the defaults warn of is warned of it as well
  if (isSaid && !(`${PREFIX}warn` in labels) && compareLevels(policy.enforce.level, policy.warn.level) > 0) {
    const version = `${PREFIX}warn-version` in labels ? policy.warn.version : policy.enforce.version
    policy.warn = { level: policy.enforce.level, version }
  }
  return { policy, errors }
}

/** `enforce=baseline:latest, warn=…`: what the labels themselves hold Pods to. */
export function labelledModes(labels: Readonly<Record<string, string>>, policy: Policy): string {
  return MODES.filter((mode) => policy[mode].level !== 'privileged')
    .filter((mode) => PREFIX + mode in labels || `${PREFIX}${mode}-version` in labels)
    .map((mode) => `${mode}=${levelVersionText(policy[mode])}`)
    .join(', ')
}
