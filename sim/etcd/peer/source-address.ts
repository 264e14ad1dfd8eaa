/** Whether a peer's certificate covers the address it dials from (client/pkg/transport/listener_tls.go, checkCertSAN). */
import { getServers } from 'node:dns'
import { isIP } from 'node:net'
import { readFileSync } from 'node:fs'
import { addressBytes } from '../../../lib/x509/der-writer.ts'
import { hostnameProblem } from '../../../lib/x509/hostname.ts'
import type { Certificate } from '../../../lib/x509/parse.ts'

const HOSTS_FILE = '/etc/hosts'
const LOCALHOST = ['127.0.0.1', '::1']

/**
 * Go's text of a mismatch, or undefined. A certificate without any SAN may come from anywhere. Names are looked up in
 * `hosts`, the text of /etc/hosts, and nowhere else: a range sends no question to any name server.
 */
export function sourceAddressProblem(leaf: Certificate, address: string, hosts = hostsOfMachine()): string | undefined {
  const { ipAddresses, dnsNames } = leaf
  if (ipAddresses.length > 0) {
    const problem = hostnameProblem(leaf, address)
    if (problem === undefined || dnsNames.length === 0) return problem
  }
  if (dnsNames.length === 0) return undefined
  const names = namesByAddress(hosts)
  const own = names.get(address) ?? []
  const isOwn = (name: string): boolean =>
    name.startsWith('*.') ? own.some((each) => each.endsWith(name.slice(1))) : own.includes(name)
  if (dnsNames.some(isOwn)) return undefined
  const known = new Set([...names.values()].flat())
  const unknown = dnsNames.findLast((name) => !name.startsWith('*.') && !known.has(name))
  // What no name server knows: the last name that was asked for, or else whose address it is.
  const asked = unknown ?? (own.length === 0 ? reverseName(address) : undefined)
  const why = asked === undefined ? '' : ` (lookup ${asked} on ${resolver()}: no such host)`
  return `tls: ${JSON.stringify(address)} does not match any of DNSNames [${dnsNames.map((name) => JSON.stringify(name)).join(' ')}]${why}`
}

function hostsOfMachine(): string {
  try {
    return readFileSync(HOSTS_FILE, 'utf8')
  } catch {
    return ''
  }
}

function namesByAddress(hosts: string): Map<string, string[]> {
  const names = new Map<string, string[]>(LOCALHOST.map((address) => [address, ['localhost']]))
  for (const line of hosts.split('\n')) {
    const [address = '', ...own] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (address !== '') names.set(address, [...(names.get(address) ?? []), ...own])
  }
  return names
}

/** `9.0.0.127.in-addr.arpa.` (net's reverseaddr) */
function reverseName(address: string): string {
  if (isIP(address) === 4) return `${address.split('.').toReversed().join('.')}.in-addr.arpa.`
  const nibbles = [...addressBytes(address)].flatMap((byte) => [byte >> 4, byte & 15])
  return `${nibbles
    .toReversed()
    .map((each) => each.toString(16))
    .join('.')}.ip6.arpa.`
}

/** As Go names it in such a text. */
function resolver(): string {
  const server = getServers()[0] ?? '127.0.0.1'
  return server.includes(':') ? server : `${server}:53`
}
