import { lowerBound } from './ip-constraints.ts'
import { patternDefeatingSort } from './pattern-defeating-sort.ts'

/** Domains of one side of one certificate's name constraints, sorted and pruned as in Go 1.26 (crypto/x509/constraints.go). */
export class DnsConstraints {
  readonly #all: boolean
  readonly #sorted: string[] = []
  /** Excluded names less their first label, for wildcard names; the name that sorts last wins. */
  readonly #parents = new Map<string, string>()

  constructor(names: readonly string[], side: 'permitted' | 'excluded') {
    this.#all = names.includes('')
    if (this.#all) return
    for (const name of patternDefeatingSort([...names], compareReversed)) {
      const previous = this.#sorted.at(-1)
      if (previous === undefined || !hasSuffix(name, previous)) this.#sorted.push(name)
    }
    if (side === 'permitted') return
    for (const name of this.#sorted) {
      const parent = withoutFirstLabel(lowerCase(name))
      if (parent !== '') this.#parents.set(parent, lowerCase(name))
    }
  }

  /** The constraint that the name falls under; the empty one is everything. */
  match(name: string): string | undefined {
    if (this.#all) return ''
    const nearest = lowerBound(this.#sorted, (constraint) => compareReversed(constraint, name))
    // An exact match by comparison is one even where the suffix rule would not say so.
    if (nearest !== undefined && (compareReversed(nearest, name) === 0 || hasSuffix(name, nearest))) return nearest
    return name.startsWith('*') ? this.#parents.get(withoutFirstLabel(lowerCase(name))) : undefined
  }
}

export const lowerCase = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

function withoutFirstLabel(name: string): string {
  const dot = name.indexOf('.')
  return dot === -1 ? '' : name.slice(dot)
}

/** Whether `name` is the constraint, or lies below it. A constraint with a leading dot wants at least one more label. */
function hasSuffix(name: string, constraint: string): boolean {
  if (!lowerCase(name).endsWith(lowerCase(constraint))) return false
  return constraint.startsWith('.') || name.length === constraint.length || name.at(-constraint.length - 1) === '.'
}

/** From the end to the start, without case, the dot before all other characters: a tree's names then stand together. */
function compareReversed(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 1; i <= length; i++) {
    const difference = weight(a.charCodeAt(a.length - i)) - weight(b.charCodeAt(b.length - i))
    if (difference !== 0) return Math.sign(difference)
  }
  return Math.sign(a.length - b.length)
}

function weight(code: number): number {
  if (code === 0x2e) return 0
  return code >= 0x41 && code <= 0x5a ? code + 0x20 : code
}
