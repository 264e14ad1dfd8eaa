/** The flags of one command line, parsed: typed values, defaults filled in, and which of them were given. */
import { parseFlagValue, type FlagValue } from './flag-value.ts'
import type { Flag, FlagTable } from './table.ts'

export class FlagSet {
  readonly #flags: ReadonlyMap<string, Flag>
  readonly #given: ReadonlyMap<string, FlagValue>
  /** What is not a flag. */
  readonly positional: readonly string[]

  constructor(table: FlagTable, given: ReadonlyMap<string, FlagValue>, positional: readonly string[] = []) {
    this.#flags = new Map(table.map((flag) => [flag.name, flag]))
    this.#given = given
    this.positional = positional
  }

  isSet(name: string): boolean {
    return this.#given.has(name)
  }

  get given(): ReadonlyMap<string, FlagValue> {
    return this.#given
  }

  string(name: string): string {
    const value = this.#value(name)
    return typeof value === 'string' ? value : value === undefined ? '' : String(value)
  }

  bool(name: string): boolean {
    return this.#value(name) === true
  }

  number(name: string): number {
    const value = this.#value(name)
    return typeof value === 'number' ? value : 0
  }

  /** Milliseconds. */
  durationMs(name: string): number {
    return this.number(name)
  }

  list(name: string): readonly string[] {
    const value = this.#value(name)
    return Array.isArray(value)
      ? (value as readonly string[])
      : typeof value === 'string' && value !== ''
        ? value.split(',')
        : []
  }

  map(name: string): ReadonlyMap<string, string> {
    const value = this.#value(name)
    return value instanceof Map ? (value as ReadonlyMap<string, string>) : new Map()
  }

  /** Flags that were given and have no effect here. */
  get inertInUse(): readonly Flag[] {
    return [...this.#given.keys()]
      .map((name) => this.#flags.get(name))
      .filter((flag) => flag?.effect === 'inert') as Flag[]
  }

  #value(name: string): FlagValue | undefined {
    const given = this.#given.get(name)
    if (given !== undefined) return given
    const flag = this.#flags.get(name)
    if (!flag) throw new Error(`[flag_table] no flag is called --${name}`)
    return defaultOf(flag)
  }
}

/** A default as the component prints it, as a value: `[]` and `[a,b]` are lists, `<nil>` is nothing. */
function defaultOf(flag: Flag): FlagValue | undefined {
  const text = flag.default
  if (text === '<nil>') return undefined
  if (text === '[]') return []
  const bare = /^\[(.*)\]$/s.exec(text)?.[1] ?? text
  try {
    return parseFlagValue(flag.type, bare)
  } catch {
    return text
  }
}
