import { formsOf, type Encoding, type Form } from './canary-forms.ts'
import { piecesOf, type Layer, type ReadOptions } from './plaintext.ts'
import type { Direction } from './relay.ts'

/** Where a canary passed. Ends are `ip:port`, host names where the capture holds them. */
export interface Sighting {
  caller: string
  callee: string
  from?: string
  to?: string
  direction: Direction
  layer: Layer
  encoding: Encoding
  /** In the unwrapped piece. */
  offset: number
}

export interface SearchResult {
  found: boolean
  /** The first sighting of each layer and direction of each connection. */
  where: Sighting[]
}

/** Shorter values turn up by chance. */
const SHORTEST_CANARY = 8

/** Says whether a canary passed a tapped link in the clear, in whatever form and however it was cut up. */
export function searchCapture(file: string, canary: string, options: ReadOptions = {}): SearchResult {
  const forms = formsFor(canary)
  const where: Sighting[] = []
  for (const { connection, direction, layer, bytes } of piecesOf(file, options)) {
    const hit = firstHit(bytes, forms)
    if (hit === undefined) continue
    const { caller, callee, from, to } = connection
    where.push({
      caller,
      callee,
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      direction,
      layer,
      ...hit,
    })
  }
  return { found: where.length > 0, where }
}

/** Says whether loot holds a canary. */
export function holdsCanary(loot: Buffer, canary: string): { encoding: Encoding; offset: number } | undefined {
  return firstHit(loot, formsFor(canary))
}

function formsFor(canary: string): Form[] {
  if (canary.length < SHORTEST_CANARY) {
    throw new RangeError(`[canary_short] canary: at least ${SHORTEST_CANARY} characters, got ${canary.length}`)
  }
  return formsOf(canary)
}

function firstHit(bytes: Buffer, forms: readonly Form[]): { encoding: Encoding; offset: number } | undefined {
  for (const form of forms) {
    const offset = bytes.indexOf(form.bytes)
    if (offset !== -1) return { encoding: form.encoding, offset }
  }
  return undefined
}
