/**
 * The token by which kube-apiserver is itself on its loopback connection: made at start and kept in memory alone, yet taken from whoever
 * shows it, from wherever. apiserver/pkg/server/config.go (AuthorizeClientBearerToken), kubernetes/kubernetes#119628.
 */
import { randomUUID } from 'node:crypto'
import type { User } from '../../../lib/kube/user.ts'

/** In front of what adds system:authenticated: these are all its groups. */
export function loopbackToken(): Map<string, User> {
  // By way of bytes: V8 leaves a UUID in memory in the pieces it was joined from, a Go program has it in one.
  const token = Buffer.from(randomUUID()).toString('latin1')
  return new Map([[token, { username: 'system:apiserver', uid: randomUUID(), groups: ['system:masters'] }]])
}
