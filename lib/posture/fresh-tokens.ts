import { createHmac } from 'node:crypto'
import { nameOn } from './issue-pki.ts'
import type { Posture } from './posture.ts'

/**
 * Static bearer tokens of this run's own, in every text that shows one: as with certificates and encryption keys, a
 * posture gives the shape and never the secret. A token is whatever a kubeconfig of pki.yaml shows.
 */
export function freshTokens(posture: Posture, seed: Buffer): (text: string) => string {
  const fresh = new Map(
    posture.pki.kubeconfigs
      .flatMap(({ on, token }) =>
        posture.hosts
          .filter(({ name, role }) => on === name || on === role)
          .flatMap(({ name }) => (token ? nameOn(token, name) : [])),
      )
      // The longest first: one may be the beginning of another.
      .toSorted((one, other) => other.length - one.length)
      .map((token) => [token, createHmac('sha256', seed).update(token).digest('hex')] as const),
  )
  return (text) => [...fresh].reduce((rest, [token, its]) => rest.replaceAll(token, its), text)
}
