/** What members before 3.5 say of themselves and of the cluster through etcd's old API, in logs that they left. */
import type { V2Request } from '../../../lib/etcd/raft-request.ts'
import type { Members } from '../cluster/members.ts'

export function applyV2(members: Members, { method, path, value }: V2Request): void {
  if (method !== 'PUT') return
  const id = /^\/0\/members\/([0-9a-f]+)\/attributes$/.exec(path)?.[1]
  if (id !== undefined) {
    const { name = '', clientURLs = [] } = JSON.parse(value) as { name?: string; clientURLs?: string[] }
    members.setAttributes(BigInt(`0x${id}`), name, clientURLs)
  } else if (path === '/0/version') members.clusterVersion = value
}
