/** --initial-cluster: who the members are at first, with etcd's checks (server/embed/config.go, server/config/config.go). */
import type { FlagSet } from '../../lib/settings/flag-set.ts'

/** Peer URLs by name; of a member that is told of nobody, its own. */
export function initialClusterOf(flags: FlagSet): ReadonlyMap<string, readonly string[]> {
  const text = flags.isSet('initial-cluster') ? flags.string('initial-cluster') : ''
  const advertised = flags.string('initial-advertise-peer-urls').split(',').filter(Boolean)
  const members = new Map<string, string[]>()
  if (text === '') return members.set(flags.string('name'), advertised)
  for (const pair of text.split(',')) {
    const at = pair.indexOf('=')
    const name = pair.slice(0, at)
    members.set(name, [...(members.get(name) ?? []), pair.slice(at + 1)])
  }
  return members
}

/** What etcd finds wrong, or undefined. A member that has data knows its cluster from there. */
export function initialClusterProblem(flags: FlagSet, hasData: boolean): string | undefined {
  const name = flags.string('name')
  const advertised = flags.string('initial-advertise-peer-urls').split(',').filter(Boolean)
  const text = flags.string('initial-cluster')
  if (!flags.isSet('initial-cluster') || text === '') return undefined
  const members = new Map<string, string[]>()
  for (const pair of text.split(',')) {
    const at = pair.indexOf('=')
    const url = at === -1 ? '' : pair.slice(at + 1)
    if (!/^(https?|unixs?):\/\//.test(url)) {
      return `error setting up initial cluster: URL scheme must be http, https, unix, or unixs: ${url}`
    }
    const member = pair.slice(0, at)
    members.set(member, [...(members.get(member) ?? []), url])
  }
  const urls = [...members.values()].flat()
  if (new Set(urls).size < urls.length) return `initial cluster ${text} has duplicate url`
  if (hasData) return undefined
  const own = members.get(name)
  if (!own) return `couldn't find local name ${JSON.stringify(name)} in the initial cluster configuration`
  const [given, listed] = [advertised, own].map((each) => [...each].sort().join(','))
  if (given === listed) {
    return flags.string('initial-cluster-state') === 'existing' && members.size === 1
      ? 'cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs'
      : undefined
  }
  const missing = own.filter((url) => !advertised.includes(url)).map((url) => `${name}=${url}`)
  const [first = '', second = ''] = [advertised[0], own[0]]
  return `--initial-cluster has ${missing.join(',')} but missing from --initial-advertise-peer-urls=${advertised.join(',')} (resolved urls: ${JSON.stringify(first)} != ${JSON.stringify(second)})`
}
