import { flagOf, withFlag } from './change-posture.ts'
import type { Posture } from './posture.ts'
import { withFile } from './posture.ts'
import { editYaml } from './yaml-file.ts'

/**
 * The posture with the first members of its etcd cluster alone: fewer processes, for whoever does not ask about peers. As
 * many as it has, or fewer, is what it stays.
 *
 * @throws Error `[etcd_members]` for a number that leaves no cluster.
 */
export function withEtcdMembers(posture: Posture, count: number): Posture {
  if (!Number.isInteger(count) || count < 1) {
    throw new Error(`[etcd_members] etcd: a cluster has a whole number of members, got ${count} (1, 3 or 5 make sense)`)
  }
  const members = posture.hosts.filter(({ role }) => role === 'etcd')
  const left = members.slice(0, count)
  if (left.length === members.length) return posture
  const gone = members.slice(count)
  const kept = left.map(({ name, address }) => ({ name, address }))
  const yaml = editYaml('posture.yaml', posture.files.get('posture.yaml') ?? '', ['hosts', 'etcd'], kept)
  const without = [...posture.files.keys()]
    .filter((file) => gone.some(({ name }) => file.startsWith(`hosts/${name}/`)))
    .reduce((changed, file) => withFile(changed, file, undefined), posture)
  const fewer = withFile(without, 'posture.yaml', yaml)
  const names = gone.map(({ name }) => `${name}=`)
  const told = withList(fewer, 'etcd', 'initial-cluster', (each) => !names.some((name) => each.startsWith(name)))
  return withList(told, 'kube-apiserver', 'etcd-servers', (url) => !gone.some(({ address }) => url.includes(address)))
}

/** A comma-separated flag that is the same in every manifest, with some of its items. */
function withList(
  posture: Posture,
  component: 'etcd' | 'kube-apiserver',
  name: string,
  keep: (item: string) => boolean,
): Posture {
  const value = flagOf(posture, component, name)
  return value === undefined ? posture : withFlag(posture, component, name, value.split(',').filter(keep).join(','))
}
