/** A range of keys as requests write it. */
import { keyText } from './store.ts'

export interface KeyRange {
  start: string
  /** Undefined: just `start`. `\0`: all from there on. */
  end: string | undefined
}

export function endText(rangeEnd: Uint8Array): string | undefined {
  return rangeEnd.length === 0 ? undefined : keyText(rangeEnd)
}

export function isIn(key: string, { start, end }: KeyRange): boolean {
  if (end === undefined) return key === start
  return key >= start && (end === '\0' || key < end)
}
