/**
 * The address plan of a run, one value: which addresses stand for which host. On Linux every address of 127/8 is there
 * without being set up, so a host has three of its own: `face`, that others dial and certificates name and where the wire
 * listens; `back`, where its components bind; `loop`, its own 127.0.0.1. Two ranges run side by side, as each claims an
 * octet. Where 127/8 is not all there (macOS) its addresses are given to the loopback interface first. Another plan (10.x in
 * a network namespace of one's own) is a value of this shape.
 */
import { createServer, Server } from 'node:net'
import { randomInt } from 'node:crypto'
import type { Addressing, Endpoint } from '../posture/map-addresses.ts'
import { portOwner } from './port-owner.ts'
import { assertLoopback } from '../tls/loopback.ts'

export interface HostAddresses {
  name: string
  /** Counts from 1. */
  number: number
  face: string
  back: string
  loop: string
}

export interface AddressPlan extends Addressing {
  hosts: readonly HostAddresses[]
  /** Where the operator's own tools come from. */
  operator: string
  /** @throws Error `[address_host]` for a name that the plan does not know. */
  host(name: string): HostAddresses
  /** The host that an address belongs to, by any of its three; undefined for a stranger's. */
  hostAt(address: string): HostAddresses | undefined
}

export class AddressError extends Error {}

const MAX_HOSTS = 254

/** Host number n of the names given is 127.octet.n.1 (face), .2 (back) and .3 (loop). */
export function loopbackPlan(octet: number, names: readonly string[]): AddressPlan {
  if (!Number.isInteger(octet) || octet < 1 || octet > 254) {
    throw new AddressError(`[address_octet] a run's octet is 1 to 254, got ${octet}`)
  }
  if (names.length > MAX_HOSTS) {
    throw new AddressError(`[address_hosts] a run has room for ${MAX_HOSTS} hosts, got ${names.length}`)
  }
  const hosts = names.map((name, index) => {
    const prefix = `127.${octet}.${index + 1}`
    return { name, number: index + 1, face: `${prefix}.1`, back: `${prefix}.2`, loop: `${prefix}.3` }
  })
  return addressPlan(hosts, '127.0.0.1')
}

/** A plan with the addresses given. @throws NotLoopback for one that is not on this machine's loopback interface. */
export function addressPlan(hosts: readonly HostAddresses[], operator: string): AddressPlan {
  const byName = new Map(hosts.map((host) => [host.name, host]))
  const byAddress = new Map(
    hosts.flatMap((host) => [host.face, host.back, host.loop].map((address) => [address, host] as const)),
  )
  for (const address of byAddress.keys()) assertLoopback(address, 'listen on')
  const host = (name: string): HostAddresses => {
    const found = byName.get(name)
    if (found) return found
    throw new AddressError(`[address_host] no host is called ${name}; known are ${[...byName.keys()].join(', ')}`)
  }
  return {
    hosts,
    operator,
    host,
    hostAt: (address) => byAddress.get(address),
    face: (name, port) => endpoint(host(name).face, port),
    back: (name, port) => endpoint(host(name).back, port),
    loop: (name, port) => endpoint(host(name).loop, port),
  }
}

function endpoint(address: string, port?: number): Endpoint {
  return port === undefined ? { address } : { address, port }
}

export interface OctetClaim {
  octet: number
  release(): Promise<void>
}

/** A run holds an octet by listening on 127.octet.0.1 at this port, so that the kernel lets go of it with the process. */
const CLAIM_PORT = 16444

/** Below 16 lie addresses that other software likes (127.0.0.53 and 127.1.x are taken on many machines). */
const OCTETS = { first: 16, last: 254 }

/** Hosts of the largest shipped posture, and the attacker's. */
const USUAL_HOSTS = 8

/** What gives lo0 the addresses of two ranges, as many as `attack` runs at once; until the machine starts anew. */
const MACOS_ALIASES =
  `for o in ${OCTETS.first} ${OCTETS.first + 1}; do sudo ifconfig lo0 alias 127.$o.0.1; ` +
  `for h in $(seq ${USUAL_HOSTS}); do for a in 1 2 3; do sudo ifconfig lo0 alias 127.$o.$h.$a; done; done; done`

/**
 * Claims an octet that no other run on this machine holds, and whose addresses are there: all of 127/8 on Linux, elsewhere
 * those that somebody gave to the loopback interface.
 *
 * @throws AddressError `[address_octets_taken]` when every one is held, or some program listens on that port everywhere;
 *   `[address_unavailable]` where none is there.
 */
export async function claimOctet(port = CLAIM_PORT): Promise<OctetClaim> {
  const count = OCTETS.last - OCTETS.first + 1
  const start = randomInt(count)
  let isAnyThere = false
  for (let step = 0; step < count; step++) {
    const octet = OCTETS.first + ((start + step) % count)
    const server = await listen(`127.${octet}.0.1`, port)
    if (server instanceof Server)
      return { octet, release: () => new Promise((resolve) => server.close(() => resolve())) }
    isAnyThere ||= server === 'taken'
  }
  if (!isAnyThere) {
    throw new AddressError(
      `[address_unavailable] the loopback interface has no 127.${OCTETS.first}.0.1 to 127.${OCTETS.last}.0.1: a host of a range is addresses ` +
        `of 127/8, as Linux has them all (on macOS: ${MACOS_ALIASES})`,
    )
  }
  const owner = portOwner(`127.${OCTETS.first}.0.1`, port)
  throw new AddressError(
    `[address_octets_taken] no octet of 127/8 is free for a run: port ${port} is taken on all of them` +
      `${owner === undefined ? '' : `, by ${owner}`} (stop other ranges, or the program that listens there on every address)`,
  )
}

function listen(address: string, port: number): Promise<Server | 'taken' | 'not there'> {
  assertLoopback(address, 'listen on')
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.unref()
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve('taken')
      else if (error.code === 'EADDRNOTAVAIL') resolve('not there')
      else reject(error)
    })
    server.listen({ host: address, port, exclusive: true }, () => resolve(server))
  })
}
