/** What the peer port shows of a member besides Raft: its version, who the members are, and what members ask each other. */
import type { IncomingMessage } from 'node:http'
import { memberJson } from '../cluster/member-json.ts'
import type { ClusterMember } from '../cluster/members.ts'
import { PROMOTE_PATH } from '../cluster/promotion.ts'
import { ERRORS } from '../errors.ts'
import type { Call } from '../grpc/call.ts'
import { RENEW_PATH, TIME_TO_LIVE_PATH } from '../lease/lease-http.ts'
import { keySpaceHash } from '../maintenance/key-space-hash.ts'
import { log } from '../log.ts'
import type { Member } from '../member.ts'
import { hexOf } from '../raft/message.ts'
import { STORAGE_VERSION } from '../version.ts'
import { one } from './identity.ts'
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
    members: () => listJson(members.all()),
    answer: (request, path) => answer(member, request, path),
  }
}

function listJson(members: readonly ClusterMember[]): string {
  return `[${members.map(memberJson).join(',')}]`
}

async function answer(member: Member, request: IncomingMessage, path: string): Promise<PlainAnswer | undefined> {
  const { state } = member
  if (path === '/downgrade/enabled') {
    const isOn = state.members.downgradeTarget !== undefined
    return { status: 200, type: 'text/plain', body: String(isOn), namesCluster: true }
  }
  if (path === '/members/hashkv') return hashKv(member, request)
  if (path.startsWith(PROMOTE_PATH)) return promoted(member, path.slice(PROMOTE_PATH.length), request)
  if (path === RENEW_PATH || path === TIME_TO_LIVE_PATH)
    return member.leases.answer(request.method ?? '', path, await bodyOf(request))
  return undefined
}

/** Followers ask their leader, who alone knows how far a learner is. */
async function promoted(member: Member, text: string, { method, headers }: IncomingMessage): Promise<PlainAnswer> {
  if (method !== 'POST') return { ...refused(405, 'Method Not Allowed'), allow: 'POST' }
  if (!/^\d+$/.test(text)) return { ...refused(404, `member ${text} not found in cluster`), namesCluster: true }
  const id = BigInt(text)
  try {
    const members = await member.promote(id, peerCall(headers.authorization))
    return { status: 200, type: 'application/json', body: `${listJson(members)}\n`, namesCluster: true }
  } catch (error) {
    const { message: key } = error as Error
    const known = PROMOTION_REFUSALS.get(key)
    log('warn', 'failed to promote a member', { 'member-id': id.toString(16), error: known?.body ?? key })
    return { ...(known ?? refused(500, 'Internal Server Error')), namesCluster: true }
  }
}

/** In the words of package membership, and not of gRPC. */
const PROMOTION_REFUSALS = new Map([
  [ERRORS.memberNotFound().message, refused(404, 'membership: ID not found')],
  [ERRORS.memberNotLearner().message, refused(412, 'membership: can only promote a learner member')],
  [ERRORS.learnerNotReady().message, refused(412, ERRORS.learnerNotReady().message)],
])

/** A member asks in the name of whoever asked it. */
function peerCall(token: string | undefined): Call {
  return {
    caller: { local: '', remote: '' },
    metadata: (name) => (name === 'token' ? token : undefined),
    onGone: () => {},
  }
}

/** server/etcdserver/corrupt.go, hashKVHandler: by this members compare what they hold. */
async function hashKv(member: Member, request: IncomingMessage): Promise<PlainAnswer> {
  const { store } = member.state
  if (request.method !== 'GET') return { ...refused(405, 'Method Not Allowed'), allow: 'GET' }
  const cluster = one(request.headers, 'x-etcd-cluster-id')
  if (cluster !== '' && cluster !== hexOf(member.clusterId)) return refused(412, 'cluster ID mismatch')
  let asked = 0n
  try {
    const { revision = 0 } = JSON.parse(await bodyText(request)) as { revision?: number }
    asked = BigInt(revision)
  } catch (error) {
    log('warn', 'failed to unmarshal request', { error: (error as Error).message })
    return refused(400, 'error unmarshalling request')
  }
  try {
    const revision = store.readRevision(asked)
    const hash = keySpaceHash(store, revision)
    const header = `{"revision":${store.revision}}`
    const json = `{"header":${header},"hash":${hash},"compact_revision":${store.compactedRevision},"hash_revision":${revision}}`
    return { status: 200, type: 'application/json', body: json, namesCluster: true }
  } catch (error) {
    const text = (error as Error).message.replace('etcdserver: ', '')
    log('warn', 'failed to get hashKV', { 'requested-revision': Number(asked), error: text })
    return refused(400, text)
  }
}

function refused(status: number, body: string): PlainAnswer {
  return { status, type: TEXT, body, namesCluster: false }
}

async function bodyText(request: IncomingMessage): Promise<string> {
  return (await bodyOf(request)).toString('utf8')
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of request) {
    length += (piece as Buffer).length
    if (length <= MOST_BODY_BYTES) pieces.push(piece as Buffer)
  }
  return Buffer.concat(pieces)
}
