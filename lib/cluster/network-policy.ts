import type { Posture } from '../posture/posture.ts'
import { OPERATOR, type LinkFilter } from '../wire/link.ts'

/**
 * A posture's network policy as links of the wire, by host name; undefined where everything is allowed. Two kinds of link
 * are never cut: the operator's tools stand outside the modelled network, and what a host says to itself does not leave
 * it. `anyone` lets strangers in as well, an attacker's own machine among them.
 */
export function networkPolicy({ network, hosts }: Pick<Posture, 'network' | 'hosts'>): LinkFilter[] | undefined {
  if (network === 'everything') return undefined
  const named = (place: string): string[] =>
    hosts.filter(({ name, role }) => name === place || role === place).map(({ name }) => name)
  const rules = network.flatMap(({ from, to, ports }) =>
    (from === 'anyone' ? [{}] : named(from).map((name) => ({ from: name }))).flatMap((source) =>
      named(to).flatMap((name) =>
        ports.length === 0 ? [{ ...source, to: name }] : ports.map((port) => ({ ...source, to: name, port })),
      ),
    ),
  )
  return [{ from: OPERATOR }, ...hosts.map(({ name }) => ({ from: name, to: name })), ...rules]
}
