/** The range's first rule of safety: nothing listens on, or dials, an address that is not on the loopback interface. */
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

export class NotLoopback extends Error {}

/**
 * Allowed: 127/8, ::1, and whatever else this network namespace put on an internal interface (`lo`); a wildcard address
 * where there is no other interface.
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
  if (address === '0.0.0.0' || address === '::') return hasOnlyLoopback()
  if (address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.')) return true
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .some((entry) => entry.internal && entry.address === address)
}

/** Whether this network namespace has no interface but `lo`, up or down: one that is down may be up tomorrow. */
export function hasOnlyLoopback(): boolean {
  try {
    const interfaces = readFileSync('/proc/net/dev', 'utf8').split('\n').slice(2)
    return interfaces.every((line) => /^\s*(lo:|$)/.test(line))
  } catch {
    return false
  }
}
