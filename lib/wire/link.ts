/** Who dials whom, by host name and the port dialled. What is left out matches anything. */
export interface LinkFilter {
  from?: string
  to?: string
  port?: number
}

/** A link that stands in a ledger entry or a packet comment. */
export interface Link {
  from: string
  to: string
  port: number
}

/** Tools of the range's own user dial from 127.0.0.1 and are this host. */
export const OPERATOR = 'operator'

/** A source address that belongs to no host of the run. */
export const UNKNOWN_HOST = 'unknown'

export function matchesLink(filter: LinkFilter, link: Link): boolean {
  return (
    (filter.from === undefined || filter.from === link.from) &&
    (filter.to === undefined || filter.to === link.to) &&
    (filter.port === undefined || filter.port === link.port)
  )
}

export function sameFilter(one: LinkFilter, other: LinkFilter): boolean {
  return one.from === other.from && one.to === other.to && one.port === other.port
}

/** `worker-1 -> control-plane-1:6443` */
export function linkName(link: Link): string {
  return `${link.from} -> ${link.to}:${link.port}`
}
