/** What one can be after at etcd's peer port, whatever is sealed: the name of an object, and an election. */
import { createHash } from 'node:crypto'
import { forgeAppend, groupOf, takeStreams } from '../attacker/raft-peer.ts'
import type { Loot, World } from '../attacker/world.ts'
import type { Operator } from '../cluster/operator.ts'
import type { Service } from './goal.ts'
import type { Goal, Staged } from './scenario.ts'

const ROLES = '/apis/rbac.authorization.k8s.io/v1/namespaces'
const ROLE_KEYS = /\/registry\/roles\/[\w/-]+/g

/** A key of etcd holds an object's name, and nobody seals keys. */
export const READ_A_NAME: Goal = { read: 'word', what: 'the name of what was written' }

let roles = 0

/** An administrator creates a Role, and takes it away again: both name it. A Role's name may have any letters. */
export async function nameARole(operator: Operator, { namespace, canary }: Staged): Promise<void> {
  const path = `${ROLES}/${namespace}/roles`
  const name = `${canary}-${++roles}`
  await operator.create(path, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name, namespace },
    rules: [],
  })
  await operator.delete(`${path}/${name}`)
}

export const NOTE_KEYS = '/range/notes/'

/** Longer than members take to elect another leader, and long enough for a busy machine to do so. */
const UNSERVED_MS = 5000
const PAUSE_MS = 100

export const NO_QUORUM: Goal = { deny: 'an administrator whose write no quorum takes', asked: stored }

/** `etcdctl put`, at whichever member takes it. */
async function stored(operator: Operator, { secret, canary }: Staged): Promise<Service | undefined> {
  const key = `${NOTE_KEYS}${secret}`
  for (const end = performance.now() + UNSERVED_MS; performance.now() < end;) {
    try {
      await operator.store.put({ key, value: canary })
      await operator.store.deleteRange({ key })
      return { by: 'etcd', text: 'a quorum took what was put' }
    } catch {
      // No leader for the moment, or none any more: the end tells.
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }
  return undefined
}

/**
 * An administrator's `etcdctl put`, and `del`, at the first member, the first of its endpoints. Whoever leads, it passes on a connection
 * that the others dialled to that member: it tells the leader, or as the leader all others.
 */
export async function noteAKey(operator: Operator, { canary }: Staged): Promise<void> {
  const key = `${NOTE_KEYS}${canary}`
  await operator.store.put({ key, value: '' })
  await operator.store.deleteRange({ key })
}

/** Hears what the leader tells the others while a Role is created. */
export function readAName(world: World): Promise<Loot> {
  return takeStreams(world, ROLE_KEYS, () => world.meanwhile())
}

/** Terms go up by one with each election: no cluster comes by itself to one that tells the time of the act above and this run's mark below. */
const MARKS = 2 ** 20
/** Longer than any act may take. */
const ACT_SECONDS = 60
const MOST_ELECTIONS = 50
/** How long a forged message may take to be heard of by all, when those that it was not sent to may first elect without it; and an election. */
const HEARD_MS = 2500
const ELECTED_MS = 4000
const LOOK_MS = 50

export const FORCE_AN_ELECTION: Goal = { write: 'a leader overthrown', placed: isPastTerm }

/** Forges a message of a term that no leader of the group has reached, which all must follow. */
export async function forceAnElection(world: World): Promise<Loot> {
  const group = await groupOf(world)
  if (group) await forgeAppend(world, group, forgedTerm(world.mark, Math.floor(Date.now() / 1000)))
  return []
}

/** `etcdctl endpoint status`: whether the group has elected somebody after the forged term. */
async function isPastTerm(operator: Operator, _staged: Staged, mark: string): Promise<boolean> {
  const startedMs = performance.now()
  for (let heard = false; performance.now() < startedMs + (heard ? ELECTED_MS : HEARD_MS);) {
    const { raftTerm, leader } = await operator.store.status()
    const elections = electionsSince(Number(raftTerm), mark, Date.now() / 1000)
    heard ||= elections !== undefined
    if (elections !== undefined && elections > 0 && leader !== 0n) return true
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  return false
}

/** How many elections there were after this run's forged message; undefined for a term that does not come from one. */
export function electionsSince(raftTerm: number, mark: string, nowSeconds: number): number | undefined {
  const forgedSeconds = Math.floor(raftTerm / MARKS)
  if (forgedSeconds > nowSeconds || forgedSeconds < nowSeconds - ACT_SECONDS) return undefined
  const elections = raftTerm - forgedTerm(mark, forgedSeconds)
  return elections >= 0 && elections < MOST_ELECTIONS ? elections : undefined
}

export function forgedTerm(mark: string, seconds: number): number {
  // Half of what there is room for, so that elections to come carry into no higher bit.
  const low = createHash('sha256').update(mark).digest().readUInt32BE(0) % (MARKS / 2)
  return seconds * MARKS + low
}
