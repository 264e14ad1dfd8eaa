import { ipToString, to4 } from './ip.ts'
import type { IpRange } from './name-constraints-extension.ts'

/** Ranges of one certificate's name constraints, sorted and pruned as in Go 1.26 (crypto/x509/constraints.go). */
export class IpConstraints {
  readonly #v4: IpRange[]
  readonly #v6: IpRange[]

  constructor(ranges: readonly IpRange[]) {
    this.#v4 = sortAndPrune(ranges.filter(({ ip }) => ip.length === 4))
    this.#v6 = sortAndPrune(ranges.filter(({ ip }) => ip.length === 16))
  }

  /**
   * The range, as Go prints it, that holds the address. Only the range that begins last at or before the address is looked
   * at; one with host bits set can thus hide a match, and does in Go.
   */
  match(ip: Buffer): string | undefined {
    const ranges = ip.length === 4 ? this.#v4 : this.#v6
    const range = lowerBound(ranges, (candidate) => candidate.ip.compare(ip))
    return range && contains(range, ip) ? rangeToString(range) : undefined
  }
}

/** What a binary search finds: an exact match, or else the element before the place of one (the first, where none is before). */
export function lowerBound<T>(sorted: readonly T[], compare: (element: T) => number): T | undefined {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const element = sorted[middle]
    if (element !== undefined && compare(element) < 0) low = middle + 1
    else high = middle
  }
  const element = sorted[low]
  return element !== undefined && compare(element) === 0 ? element : sorted[Math.max(0, low - 1)]
}

function sortAndPrune(ranges: IpRange[]): IpRange[] {
  const kept: IpRange[] = []
  for (const range of ranges.toSorted((a, b) => a.ip.compare(b.ip) || a.mask.compare(b.mask))) {
    const previous = kept.at(-1)
    if (previous === undefined || !isSubset(range, previous)) kept.push(range)
  }
  return kept
}

function isSubset({ ip, mask }: IpRange, of: IpRange): boolean {
  const last = Buffer.from(ip.map((octet, i) => octet | (~(mask[i] ?? 0) & 0xff)))
  return contains(of, ip) && contains(of, last)
}

/** Go's IPNet.Contains: IPv4-mapped addresses count as IPv4, on both sides. */
function contains(range: IpRange, address: Buffer): boolean {
  const { ip, mask } = unmapped(range)
  const candidate = to4(address) ?? address
  return (
    candidate.length === ip.length && ip.every((octet, i) => ((octet ^ (candidate[i] ?? 0)) & (mask[i] ?? 0)) === 0)
  )
}

function unmapped(range: IpRange): IpRange {
  const ip = to4(range.ip)
  return ip === undefined ? range : { ip, mask: range.mask.subarray(range.mask.length - 4) }
}

/** CIDR notation; host bits stay as written. A mask is ones followed by zeros: the parser saw to it. */
function rangeToString(range: IpRange): string {
  const { ip, mask } = unmapped(range)
  const bits = [...mask].map((octet) => octet.toString(2)).join('')
  return `${ipToString(ip)}/${bits.replaceAll('0', '').length}`
}
