/** Turns the addresses of a posture's files into those of a run: whole addresses only, wherever they stand. */
import { isIPv6 } from 'node:net'

export interface Endpoint {
  address: string
  port?: number
}

/**
 * What a posture asks of a run's address plan. The port is given where the file names one with the address: a plan may
 * tell hosts apart by ports instead of addresses.
 */
export interface Addressing {
  /** Where others reach a host. */
  face(host: string, port?: number): Endpoint
  /** Where a host's components really bind. */
  back(host: string, port?: number): Endpoint
  /** The host's own 127.0.0.1. */
  loop(host: string, port?: number): Endpoint
}

/** The names of an address's two loopback forms; each host of a run has one of its own. */
export const LOOPBACKS = ['127.0.0.1', '::1'] as const

/**
 * Replaces each of `addresses` where it stands as a whole, with or without a port: not `192.0.2.10` in `192.0.2.101`,
 * in `1.192.0.2.10` or in a name such as `ip-192.0.2.10`. `replace` may decline with undefined.
 */
export function mapAddresses(
  text: string,
  addresses: readonly string[],
  replace: (address: string, port?: number) => Endpoint | undefined,
): string {
  if (addresses.length === 0) return text
  const longestFirst = addresses.toSorted((one, other) => other.length - one.length)
  const alternatives = longestFirst.map((address) => {
    const source = address.replace(/[.]/g, '\\.')
    return isIPv6(address)
      ? `\\[${source}\\]|(?<![\\w:.])${source}(?![\\w:.])`
      : `(?<![\\w.-]|:ffff:)${source}(?![\\w-]|\\.\\w)`
  })
  const pattern = new RegExp(`(${alternatives.join('|')})(?::(\\d{1,5})(?![\\w.]))?`, 'g')
  return text.replace(pattern, (whole, found: string, port: string | undefined) => {
    const address = found.replace(/^\[|\]$/g, '')
    const to = replace(address, port === undefined ? undefined : Number(port))
    return to === undefined ? whole : endpointText(to, port, found.startsWith('['))
  })
}

function endpointText(to: Endpoint, port: string | undefined, bracketed: boolean): string {
  const host = isIPv6(to.address) && (bracketed || port !== undefined) ? `[${to.address}]` : to.address
  return port === undefined ? host : `${host}:${to.port ?? port}`
}
