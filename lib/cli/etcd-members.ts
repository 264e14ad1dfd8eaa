import { withEtcdMembers } from '../posture/etcd-members.ts'
import type { Posture } from '../posture/posture.ts'

/** The posture with as many etcd members as `--etcd-members` says, or all it has. */
export function members(posture: Posture, { etcdMembers }: { etcdMembers?: string }): Posture {
  return etcdMembers === undefined ? posture : withEtcdMembers(posture, Number(etcdMembers))
}
