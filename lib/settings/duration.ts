/** Go's durations, `1h30m`, in milliseconds (time.ParseDuration, time.Duration.String). */
const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** @throws Error with Go's text: `time: invalid duration "x"`, `time: missing unit in duration "5"`. */
export function parseDurationMs(text: string): number {
  const invalid = (): Error => new Error(`time: invalid duration ${JSON.stringify(text)}`)
  const [, sign = '', rest = ''] = /^([-+]?)(.*)$/s.exec(text) ?? []
  if (rest === '0') return 0
  if (rest === '') throw invalid()
  let total = 0
  let left = rest
  while (left !== '') {
    const match = /^(\d*\.?\d*)([^\d.]*)/.exec(left)
    const [whole = '', number = '', unit = ''] = match ?? []
    if (whole === '' || number === '' || number === '.') throw invalid()
    if (unit === '') throw new Error(`time: missing unit in duration ${JSON.stringify(text)}`)
    const factor = UNIT_MS[unit]
    if (factor === undefined)
      throw new Error(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`)
    total += Number(number) * factor
    left = left.slice(whole.length)
  }
  return sign === '-' ? -total : total
}

/** `5400000` -> `1h30m0s`, as Go prints it. */
export function durationText(durationMs: number): string {
  if (durationMs === 0) return '0s'
  const sign = durationMs < 0 ? '-' : ''
  const ms = Math.abs(durationMs)
  if (ms < 1) return `${sign}${ms < 1e-3 ? `${Math.round(ms * 1e6)}ns` : `${Math.round(ms * 1e6) / 1000}µs`}`
  if (ms < 1000) return `${sign}${ms}ms`
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor((ms % 3_600_000) / 60_000)
  const seconds = (ms % 60_000) / 1000
  return `${sign}${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds}s`
}
