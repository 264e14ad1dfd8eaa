/** The flags that a component knows, by name: what they are, and what the simulation does with them. */
export type FlagEffect =
  /** The component does what the real one does with it. */
  | 'honoured'
  /** Accepted, and said at start to have no effect here; `reason` says why. */
  | 'inert'
  /** Known, and refused with the reason. */
  | 'refused'

export interface Flag {
  name: string
  /** pflag's name for the type (`string`, `bool`, `int32`, `duration`, `stringSlice`, `stringArray`, `ip`, …). */
  type: string
  /** As the real component prints it. */
  default: string
  effect: FlagEffect
  /** Why it is inert or refused. */
  reason?: string
  /** First and last minor version that know the flag, such as `1.37` and `1.23`; always known without them. */
  since?: string
  until?: string
  /** The real component's words where the flag is deprecated. */
  deprecated?: string
  hidden?: boolean
  /** What a bare `--flag` means. */
  defaultWithoutValue?: string
  shorthand?: string
}

export type FlagTable = readonly Flag[]

/** Whether a component of that version (`v1.19.16`, `1.36`) knows the flag. */
export function isKnownIn(flag: Flag, version: string): boolean {
  const minor = minorOf(version)
  return (
    (flag.since === undefined || minor >= minorOf(flag.since)) &&
    (flag.until === undefined || minor <= minorOf(flag.until))
  )
}

/** `v1.19.16` -> 1019; versions compare as numbers. */
function minorOf(version: string): number {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  return major * 1000 + minor
}
