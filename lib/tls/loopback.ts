/** The range's first rule of safety: nothing listens on, or dials, an address that is not on the loopback interface. */
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

export class NotLoopback extends Error {}

/**
 * Allowed: 127/8, ::1, and whatever else this network namespace put on an internal interface (`lo`).
 *
 * @throws NotLoopback `[address_not_loopback]`
 */
export function assertLoopback(address: string, purpose: 'listen on' | 'dial'): void {
  if (isLoopback(address)) return
  throw new NotLoopback(
    `[address_not_loopback] ${purpose} ${address}: only addresses of the loopback interface are used (give one of 127.0.0.0/8)`,
  )
}

export function isLoopback(address: string): boolean {
  if (isIP(address) === 0) return address === 'localhost'
  if (address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.')) return true
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .some((entry) => entry.internal && entry.address === address)
}
