/** What the peer port shows of a member besides Raft: its version, who the members are, and what members ask each other. */
import { memberJson } from '../cluster/member-json.ts'
import type { IncomingMessage } from 'node:http'
import { keySpaceHash } from '../maintenance/key-space-hash.ts'
import { log } from '../log.ts'
import type { Member } from '../member.ts'
import { STORAGE_VERSION } from '../version.ts'
import type { PeerHost, PlainAnswer } from './peer-handler.ts'

const TEXT = 'text/plain; charset=utf-8'

/** The largest body of such a question: {"revision":N}, or the ids of leases. */
const MOST_BODY_BYTES = 64 * 1024

export function peerHostOf(member: Member): PeerHost {
  const { replicated } = member
  const { transport } = replicated
  const { members } = member.state
  return {
    transport,
    identity: transport.identity,
    isRemoved: (id) => members.isRemoved(id),
    process: (message) => replicated.process(message),
    takeSnapshot: (message, database) => replicated.takeSnapshot(message, database),
    version: () => {
      const versions = { etcdserver: transport.identity.version, etcdcluster: members.clusterVersion ?? 'not_decided' }
      return JSON.stringify({ ...versions, storage: STORAGE_VERSION })
    },
    members: () => membersJson(member),
    answer: (request, path) => answer(member, request, path),
  }
}

export function membersJson({ state }: Member): string {
  return `[${state.members.all().map(memberJson).join(',')}]`
}

async function answer(member: Member, request: IncomingMessage, path: string): Promise<PlainAnswer | undefined> {
  const { state, door, memberId } = member
  if (path === '/downgrade/enabled') {
    const isOn = state.members.downgradeTarget !== undefined
    return { status: 200, type: 'text/plain', body: String(isOn), namesCluster: true }
  }
  if (path === '/members/hashkv') return hashKv(member, await bodyOf(request))
  if (path.startsWith('/members/promote/')) return promote(member, path.slice('/members/promote/'.length))
  if (path === '/leases') {
    if (door.status.leader !== memberId)
      return { status: 400, type: TEXT, body: 'not a primary lessor', namesCluster: false }
    return { status: 404, type: TEXT, body: 'requested lease not found', namesCluster: false }
  }
  return undefined
}

/** A follower asks its leader, who alone knows how far a learner is. */
async function promote(member: Member, text: string): Promise<PlainAnswer> {
  const { state, door } = member
  const id = /^\d+$/.test(text) ? BigInt(text) : undefined
  const refused = (status: number, body: string): PlainAnswer => {
    if (id !== undefined) log('warn', 'failed to promote a member', { 'member-id': id.toString(16), error: body })
    return { status, type: TEXT, body, namesCluster: true }
  }
  if (id === undefined) return refused(404, `member ${text} not found in cluster`)
  const known = state.members.get(id)
  if (!known) return refused(404, 'membership: ID not found')
  if (!known.isLearner) return refused(412, 'membership: can only promote a learner member')
  if (!door.isLearnerReady(id))
    return refused(412, 'etcdserver: can only promote a learner member which is in sync with leader')
  await door.configure({ kind: 'promote', id })
  return { status: 200, type: 'application/json', body: `${membersJson(member)}\n`, namesCluster: true }
}

function hashKv({ state, memberId, clusterId, door }: Member, body: string): PlainAnswer {
  const { store } = state
  let asked = 0
  try {
    asked = Number((JSON.parse(body) as { revision?: number }).revision ?? 0)
  } catch {
    return { status: 400, type: TEXT, body: 'error unmarshalling request', namesCluster: true }
  }
  const revision = asked === 0 ? store.revision : BigInt(asked)
  const { term } = door.status
  const header = `{"cluster_id":${clusterId},"member_id":${memberId},"revision":${store.revision},"raft_term":${term}}`
  const hash = keySpaceHash(store, revision)
  const json = `{"header":${header},"hash":${hash},"compact_revision":${store.compactedRevision},"hash_revision":${revision}}`
  return { status: 200, type: 'application/json', body: json, namesCluster: true }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of request) {
    length += (piece as Buffer).length
    if (length <= MOST_BODY_BYTES) pieces.push(piece as Buffer)
  }
  return Buffer.concat(pieces).toString('utf8')
}
