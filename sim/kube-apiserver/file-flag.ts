import type { FlagSet } from '../../lib/settings/flag-set.ts'

/** A file's text of this moment. */
export type Text = () => string

/** What a flag's file is read to; undefined where the flag names none. */
export function fileFlag<Value>(flags: FlagSet, name: string, read: (path: string) => Value): Value | undefined {
  const path = flags.string(name)
  return path === '' ? undefined : read(path)
}
