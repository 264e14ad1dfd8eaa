/** How long ago, as kubectl says it: apimachinery/pkg/util/duration (HumanDuration). */
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const YEAR = 365 * DAY

export function humanDuration(ms: number): string {
  if (ms < -SECOND) return '<invalid>'
  if (ms < 0) return '0s'
  if (ms < 2 * MINUTE) return `${Math.floor(ms / SECOND)}s`
  const [minutes, hours, days] = [Math.floor(ms / MINUTE), Math.floor(ms / HOUR), Math.floor(ms / DAY)]
  if (minutes < 10) return joined(minutes, 'm', Math.floor(ms / SECOND) % 60, 's')
  if (minutes < 3 * 60) return `${minutes}m`
  if (hours < 8) return joined(hours, 'h', minutes % 60, 'm')
  if (hours < 48) return `${hours}h`
  if (hours < 8 * 24) return joined(days, 'd', hours % 24, 'h')
  if (hours < 2 * 365 * 24) return `${days}d`
  const years = Math.floor(ms / YEAR)
  if (years < 8) return joined(years, 'y', days % 365, 'd')
  return `${years}y`
}

function joined(large: number, unit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${unit}` : `${large}${unit}${small}${smallUnit}`
}

/** Since an RFC 3339 time; `<unknown>` without one. */
export function age(time: string | null | undefined, now: Date): string {
  return time ? humanDuration(now.getTime() - Date.parse(time)) : '<unknown>'
}
