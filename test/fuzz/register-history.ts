/**
 * Whether a history of one register, each value written once, is linearizable: exact, and in n log n (Gibbons and Korach, "Testing
 * Shared Memories", 1997). A value's operations span a zone from the first end to the last start among them. Where the end comes
 * first, the value held all through its zone ("forward"): such zones may not overlap. Where it does not, one instant is enough
 * ("backward"): such a zone may not lie wholly within a forward one.
 */

export interface Operation {
  kind: 'write' | 'read'
  value: string
  start: number
  /** Infinity: nobody knows whether it was done. */
  end: number
}

interface Zone {
  value: string
  firstEnd: number
  lastStart: number
  writeStart: number
  isRead: boolean
}

/** What is wrong, or undefined. `initial` is the value before any write. */
export function registerProblem(history: readonly Operation[], initial: string): string | undefined {
  const zones = new Map<string, Zone>()
  zones.set(initial, { value: initial, firstEnd: -1, lastStart: -1, writeStart: -Infinity, isRead: false })
  for (const { kind, value, start, end } of history) {
    if (kind !== 'write') continue
    if (zones.has(value)) return `${value} was written twice`
    zones.set(value, { value, firstEnd: end, lastStart: start, writeStart: start, isRead: false })
  }
  for (const { kind, value, start, end } of history) {
    if (kind !== 'read' || end === Infinity) continue
    const zone = zones.get(value)
    if (!zone) return `${value} was read at ${end} and never written`
    if (end < zone.writeStart) return `${value} was read at ${end}, before it was written at ${zone.writeStart}`
    zone.isRead = true
    zone.firstEnd = Math.min(zone.firstEnd, end)
    zone.lastStart = Math.max(zone.lastStart, start)
  }
  // A write of unknown outcome that nobody saw may never have been.
  const known = [...zones.values()].filter(({ isRead, firstEnd }) => isRead || firstEnd !== Infinity)
  const forward = known.filter(isForward).sort((one, other) => one.firstEnd - other.firstEnd)
  for (const [at, zone] of forward.entries()) {
    const next = forward[at + 1]
    if (next && next.firstEnd < zone.lastStart) return overlap(zone, next)
  }
  for (const zone of known) {
    if (isForward(zone)) continue
    const around = lastBefore(forward, zone.lastStart)
    if (around && around.lastStart > zone.firstEnd) return overlap(around, zone)
  }
  return undefined
}

function isForward({ firstEnd, lastStart }: Zone): boolean {
  return firstEnd < lastStart
}

/** The last of these zones, which do not overlap, that begins before `time`. */
function lastBefore(zones: readonly Zone[], time: number): Zone | undefined {
  let [low, high] = [0, zones.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (zones[middle]!.firstEnd < time) low = middle + 1
    else high = middle
  }
  return zones[low - 1]
}

function overlap(one: Zone, other: Zone): string {
  const words = [one, other].map(({ value, firstEnd, lastStart }) => `${value} [${firstEnd}, ${lastStart}]`)
  return `no order explains ${words.join(' and ')}`
}
