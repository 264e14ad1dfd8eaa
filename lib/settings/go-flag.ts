/** Command lines as etcd reads them: Go's own flag package, and an environment variable for each flag. */
import { FlagSet } from './flag-set.ts'
import { parseFlagValue, type FlagValue } from './flag-value.ts'
import { nearest } from './near.ts'
import { FlagError } from './pflag.ts'
import type { Flag, FlagTable } from './table.ts'

/** Go's flag package says no more than these of a number or duration that does not parse (numError in flag.go). */
const PARSE_ERROR = 'parse error'
const RANGE_ERROR = 'value out of range'

export interface GoFlagOptions {
  component: string
  env: NodeJS.ProcessEnv
  /** `ETCD_` */
  envPrefix: string
}

export interface GoFlags {
  flags: FlagSet
  /** Names of flags that came from the environment. */
  fromEnvironment: readonly string[]
  /** A flag given both ways: the real one ends with this variable named. */
  shadowed: readonly string[]
}

/** @throws FlagError with Go's text, such as `flag provided but not defined: -nope`. */
export function parseGoFlags(table: FlagTable, argv: readonly string[], options: GoFlagOptions): GoFlags {
  const byName = new Map(table.map((flag) => [flag.name, flag]))
  const given = new Map<string, FlagValue>()
  const rest = [...argv]
  for (; rest.length > 0; rest.shift()) {
    const word = rest[0]!
    if (!word.startsWith('-') || word === '-') break
    const dashes = word.startsWith('--') ? 2 : 1
    if (word === '--') {
      rest.shift()
      break
    }
    const at = word.indexOf('=')
    const name = at === -1 ? word.slice(dashes) : word.slice(dashes, at)
    if (name === '' || name.startsWith('-') || name.startsWith('=')) throw new FlagError(`bad flag syntax: ${word}`)
    const flag = byName.get(name)
    if (!flag) throw unknownFlag(name, table, options.component)
    let text = at === -1 ? undefined : word.slice(at + 1)
    if (text === undefined && flag.type === 'bool') text = 'true'
    if (text === undefined) {
      if (rest.length < 2) throw new FlagError(`flag needs an argument: -${name}`)
      rest.shift()
      text = rest[0]!
    }
    given.set(name, valueOf(flag, text))
  }
  const fromEnvironment: string[] = []
  const shadowed: string[] = []
  for (const flag of table) {
    const text = options.env[options.envPrefix + flag.name.toUpperCase().replaceAll('-', '_')]
    if (text === undefined || text === '') continue
    if (given.has(flag.name)) shadowed.push(flag.name)
    else {
      given.set(flag.name, valueOf(flag, text))
      fromEnvironment.push(flag.name)
    }
  }
  return { flags: new FlagSet(table, given, rest), fromEnvironment, shadowed }
}

function valueOf(flag: Flag, text: string): FlagValue {
  try {
    return parseFlagValue(flag.type, text)
  } catch (error) {
    const { message } = error as Error
    const why = message.endsWith(RANGE_ERROR) ? RANGE_ERROR : PARSE_ERROR
    throw new FlagError(
      flag.type === 'bool'
        ? `invalid boolean value ${JSON.stringify(text)} for -${flag.name}: ${why}`
        : `invalid value ${JSON.stringify(text)} for flag -${flag.name}: ${why}`,
      `[flag_value] ${message}`,
    )
  }
}

function unknownFlag(name: string, table: FlagTable, component: string): FlagError {
  const near = nearest(
    name,
    table.map((flag) => flag.name),
  )
  const note = near === undefined ? '--help lists the flags' : `did you mean --${near}?`
  return new FlagError(
    `flag provided but not defined: -${name}`,
    `[flag_unknown] ${component}: unknown flag --${name} (${note})`,
  )
}
