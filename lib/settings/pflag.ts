/** Command lines as Kubernetes' components read them: github.com/spf13/pflag's syntax and words. */
import { FlagSet } from './flag-set.ts'
import { parseFlagValue, type FlagValue } from './flag-value.ts'
import { nearest } from './near.ts'
import { isKnownIn, type Flag, type FlagTable } from './table.ts'

/** A command line that the real component refuses: its own text, and our one line after it. */
export class FlagError extends Error {
  /** `[flag_unknown] kube-apiserver: …`, or undefined where there is nothing to add. */
  readonly hint: string | undefined

  constructor(text: string, hint?: string) {
    super(text)
    this.hint = hint
  }
}

export interface PflagOptions {
  component: string
  /** Version that the component stands for, such as `v1.36.3`; decides which flags it knows. */
  version: string
}

/** @throws FlagError with pflag's text, such as `unknown flag: --nonsense`. */
export function parsePflags(table: FlagTable, argv: readonly string[], options: PflagOptions): FlagSet {
  const known = table.filter((flag) => isKnownIn(flag, options.version))
  const byName = new Map(known.map((flag) => [flag.name, flag]))
  const byShorthand = new Map(known.filter((flag) => flag.shorthand).map((flag) => [flag.shorthand, flag]))
  const given = new Map<string, FlagValue>()
  const positional: string[] = []
  const rest = [...argv]

  const set = (flag: Flag, text: string): void => {
    if (flag.effect === 'refused') {
      throw new FlagError(
        `unknown flag: --${flag.name}`,
        `[flag_refused] ${options.component}: --${flag.name}: ${flag.reason}`,
      )
    }
    try {
      given.set(flag.name, parseFlagValue(flag.type, text, given.get(flag.name)))
    } catch (error) {
      const shown = flag.shorthand ? `-${flag.shorthand}, --${flag.name}` : `--${flag.name}`
      throw new FlagError(`invalid argument ${JSON.stringify(text)} for "${shown}" flag: ${(error as Error).message}`)
    }
  }
  const valueOf = (flag: Flag, inline: string | undefined, shown: string): string => {
    if (inline !== undefined) return inline
    if (flag.defaultWithoutValue !== undefined) return flag.defaultWithoutValue
    const next = rest.shift()
    if (next === undefined) throw new FlagError(`flag needs an argument: ${shown}`)
    return next
  }

  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--') {
      positional.push(...rest.splice(0))
    } else if (word.startsWith('--')) {
      const at = word.indexOf('=')
      const name = at === -1 ? word.slice(2) : word.slice(2, at)
      if (name === '' || name.startsWith('-') || name.startsWith('=')) throw new FlagError(`bad flag syntax: ${word}`)
      const flag = byName.get(name) ?? byName.get(name.replaceAll('_', '-'))
      if (!flag) throw unknownFlag(name, known, table, options)
      set(flag, valueOf(flag, at === -1 ? undefined : word.slice(at + 1), `--${name}`))
    } else if (word.startsWith('-') && word !== '-') {
      const letter = word[1]!
      const flag = byShorthand.get(letter)
      if (!flag) throw new FlagError(`unknown shorthand flag: '${letter}' in ${word}`)
      const inline = word.length > 2 ? word.slice(word[2] === '=' ? 3 : 2) : undefined
      set(flag, valueOf(flag, inline, `'${letter}' in ${word}`))
    } else positional.push(word)
  }
  return new FlagSet(known, given, positional)
}

function unknownFlag(
  name: string,
  known: FlagTable,
  table: FlagTable,
  { component, version }: PflagOptions,
): FlagError {
  const elsewhen = table.find((flag) => flag.name === name)
  const near = nearest(
    name,
    known.map((flag) => flag.name),
  )
  const note = elsewhen
    ? `${component} ${version} does not know it (${elsewhen.since ? `from ${elsewhen.since}` : ''}${elsewhen.until ? `up to ${elsewhen.until}` : ''})`
    : near === undefined
      ? '--help lists the flags'
      : `did you mean --${near}?`
  return new FlagError(`unknown flag: --${name}`, `[flag_unknown] ${component}: unknown flag --${name} (${note})`)
}
