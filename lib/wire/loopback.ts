import { isIP, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { WireError } from './wire-error.ts'

/** Refuses an address that is not on a loopback interface: nothing of a range may reach, or be reached from, outside. */
export function requireLoopback(address: string): void {
  if (isIPv4(address) && address.startsWith('127.')) return
  if (address === '::1') return
  const internal = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter((each) => each.internal)
  if (isIP(address) !== 0 && internal.some((each) => each.address === address)) return
  throw new WireError(
    'address_not_loopback',
    `${address}: the range lives on loopback interfaces only, this address is on none (use 127/8, ::1 or one of lo's)`,
  )
}
