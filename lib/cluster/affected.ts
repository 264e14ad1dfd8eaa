/** Which components a change of posture reaches: those started otherwise, and those that read a file that changed. */
import type { Launch, RenderedHost } from '../posture/render-host.ts'

export interface Affected {
  /** Launches of before that must end. */
  stop: Launch[]
  /** Launches of now that must be started. */
  start: Launch[]
}

/**
 * Whether a change leaves objects behind that nobody can read any more. One of them keeps kube-apiserver from ever being
 * ready (recorded), so such a posture needs a store of its own.
 */
export function leavesSealed(before: readonly RenderedHost[], after: readonly RenderedHost[]): boolean {
  const sealed = (hosts: readonly RenderedHost[]): string => {
    const host = hosts.find(({ launches }) => launches.some(({ component }) => component === 'kube-apiserver'))
    const args = host?.launches.find(({ component }) => component === 'kube-apiserver')?.args ?? []
    const flag = args.find((arg) => arg.startsWith('--encryption-provider-config='))
    const file = flag && [...host!.files.keys()].find((path) => flag.endsWith(path))
    return file === undefined ? '' : (host!.files.get(file) ?? '')
  }
  if (sealed(before) === sealed(after)) return false
  // What was never sealed stays readable as long as identity is among the providers.
  return sealed(before) !== '' || !/^\s*- identity:/m.test(sealed(after))
}

/**
 * Whether etcd's data of before is of no use: where its peers are a member knows from its own data (recorded), and what lies
 * there already may be more than there is room for now.
 */
export function wantsNewStore(before: readonly RenderedHost[], after: readonly RenderedHost[]): boolean {
  const flag = (hosts: readonly RenderedHost[], name: string): string[] =>
    hosts.flatMap(({ launches }) =>
      launches.flatMap(({ component, args }) =>
        component === 'etcd' ? args.filter((arg) => arg.startsWith(`--${name}=`)) : [],
      ),
    )
  const differs = (name: string): boolean => flag(before, name).join() !== flag(after, name).join()
  const isAlone = flag(after, 'initial-advertise-peer-urls').length < 2
  return differs('quota-backend-bytes') || (!isAlone && differs('initial-advertise-peer-urls'))
}

export function affectedBy(before: readonly RenderedHost[], after: readonly RenderedHost[]): Affected {
  const affected: Affected = { stop: [], start: [] }
  for (const now of after) {
    const then = before.find(({ root }) => root === now.root)
    const changed = changedFiles(then?.files ?? new Map(), now.files)
    for (const launch of now.launches) {
      const old = then?.launches.find(({ component }) => component === launch.component)
      if (old && isSame(old, launch) && !reads(launch, now.files, changed)) continue
      if (old) affected.stop.push(old)
      affected.start.push(launch)
    }
    for (const old of then?.launches ?? []) {
      if (!now.launches.some(({ component }) => component === old.component)) affected.stop.push(old)
    }
  }
  return affected
}

function changedFiles(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): Set<string> {
  const paths = new Set([...before.keys(), ...after.keys()])
  return new Set([...paths].filter((path) => before.get(path) !== after.get(path)))
}

function isSame(one: Launch, other: Launch): boolean {
  const key = ({ version, args, environment }: Launch): string => JSON.stringify([version, args, environment])
  return key(one) === key(other)
}

/** Files that the arguments name, and those that these name in turn: a kubeconfig's certificate, a configuration's CA. */
function reads(launch: Launch, files: ReadonlyMap<string, string>, changed: ReadonlySet<string>): boolean {
  const seen = new Set<string>()
  const texts = [launch.args.join('\n')]
  for (let text = texts.pop(); text !== undefined; text = texts.pop()) {
    for (const path of new Set([...files.keys(), ...changed])) {
      if (seen.has(path) || !text.includes(path)) continue
      if (changed.has(path)) return true
      seen.add(path)
      texts.push(files.get(path) ?? '')
    }
  }
  return false
}
