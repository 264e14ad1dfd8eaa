/**
 * What a member's word with the others decides: whether the cluster can afford a change of its membership now
 * (server/etcdserver/server.go, mayAddMember and mayRemoveMember), and who is to lead in its place.
 */
import { quorumOf, type ClusterMember } from '../cluster/members.ts'
import type { MembershipChange } from '../cluster/membership-change.ts'
import { ERRORS } from '../errors.ts'

/** A member counts once it has been in touch for this long (HealthInterval). */
const HEALTHY_MS = 5000

export interface Contacts {
  self: bigint
  voters: readonly ClusterMember[]
  /** Undefined while a member cannot be reached. */
  activeSinceMs: (id: bigint) => number | undefined
}

export function healthProblem(change: MembershipChange, { self, voters, activeSinceMs }: Contacts): Error | undefined {
  const isHealthy = ({ id }: ClusterMember): boolean =>
    id === self || (activeSinceMs(id) ?? Infinity) <= Date.now() - HEALTHY_MS
  const healthy = voters.filter(isHealthy).length
  // The new one counts as down: with it a quorum must be left (isConnectedToQuorumAfterAddingNewMemberSince).
  if (change.kind === 'add') {
    const suffices = voters.length === 1 || healthy >= quorumOf(voters.length + 1)
    return suffices ? undefined : ERRORS.unhealthy()
  }
  if (change.kind !== 'remove') return undefined
  // One that is down is no loss.
  if (change.id !== self && activeSinceMs(change.id) === undefined) return undefined
  return healthy - 1 < quorumOf(voters.length - 1) ? ERRORS.unhealthy() : undefined
}

/** Who has been in touch for the longest, which is the best guess at who stays (server/etcdserver/util.go). */
export function longestConnected(
  voters: readonly ClusterMember[],
  activeSinceMs: Contacts['activeSinceMs'],
): bigint | undefined {
  let longest: { id: bigint; sinceMs: number } | undefined
  for (const { id } of voters) {
    const sinceMs = activeSinceMs(id)
    if (sinceMs !== undefined && sinceMs < (longest?.sinceMs ?? Infinity)) longest = { id, sinceMs }
  }
  return longest?.id
}
