/**
 * What somebody does who got past a member's peer port. rafthttp knows its callers by their headers alone (recorded: whoever
 * has any accepted certificate takes another member's stream, and speaks in anybody's name).
 */
import { ProtoWriter } from '../etcd/protobuf.ts'
import type { Loot, World } from './world.ts'

export interface Member {
  /** Hexadecimal, as members write it. */
  id: string
  /** Base URL of its peer port. */
  url: string
}

export interface Group {
  clusterId: string
  members: Member[]
}

/** raftpb.MessageType. */
export const MESSAGE_TYPE = { append: 3, appendResponse: 4, heartbeatResponse: 9 } as const

/** How long one listens for the word. */
const PATIENCE_MS = 3000

/** `GET /members` of the first member's peer port: who is there, and the cluster's id. Undefined where it does not answer. */
export async function groupOf(world: World): Promise<Group | undefined> {
  const { headers, body } = await world.request(world.network.etcdPeers[0] ?? '', { path: '/members' })
  const clusterId = headers['x-etcd-cluster-id']
  if (typeof clusterId !== 'string') return undefined
  // Ids are numbers beyond what JSON.parse keeps.
  const members = [...body.matchAll(/"id":(\d+),"peerURLs":\["([^"]+)"/g)].map(([, id = '0', url = '']) => ({
    id: BigInt(id).toString(16),
    url,
  }))
  return { clusterId, members }
}

/** The headers of one member to another, whoever sends them. */
export function headersOf({ clusterId }: Group, from: Member, to: Member): Record<string, string> {
  return {
    'X-Server-From': from.id,
    'X-Server-Version': '3.6.0',
    'X-Min-Cluster-Version': '3.0.0',
    'X-Etcd-Cluster-ID': clusterId,
    'X-Raft-To': to.id,
    'X-PeerURLs': from.url,
  }
}

/**
 * Takes the streams on which each member would tell another one what is written, until one of them tells a name that is new. Its
 * owner takes a stream back as soon as it is lost, so that some of what is written passes by: `act`, which makes somebody
 * write, is done until it is heard. What a member missed before is told once more, to whoever has its stream by then: names
 * heard before the first act was over are not news.
 *
 * @param name matches one name, with the flag `g`
 */
export async function takeStreams(world: World, name: RegExp, act: () => Promise<void>): Promise<Loot> {
  const group = await groupOf(world)
  if (!group) return []
  const loot: Buffer[] = []
  const end = performance.now() + PATIENCE_MS
  const told = new AbortController()
  const old = new Set<string>()
  let acts = 0
  const hear = (piece: Buffer): boolean => {
    for (const [heard] of piece.toString('latin1').matchAll(name)) {
      if (acts === 0) old.add(heard)
      else if (!old.has(heard)) told.abort()
    }
    return told.signal.aborted
  }
  const listen = async (at: Member, index: number): Promise<void> => {
    const victim = group.members[(index + 1) % group.members.length]!
    while (!told.signal.aborted && performance.now() < end) {
      const { pieces, status } = await world.follow(at.url, {
        path: `/raft/stream/msgapp/${victim.id}`,
        headers: headersOf(group, victim, at),
        forMs: end - performance.now(),
        until: hear,
      })
      loot.push(...pieces)
      if (status !== 200) return
    }
  }
  const keepWriting = async (): Promise<void> => {
    for (; !told.signal.aborted && performance.now() < end; acts++) await act()
  }
  // Where all are turned away there is nothing to write for.
  const listened = Promise.all(group.members.map(listen)).finally(() => told.abort())
  await Promise.all([listened, keepWriting()])
  return loot
}

/** Tells the first member, in the second one's name, that a leader of that term has spoken. */
export async function forgeAppend(world: World, group: Group, term: number): Promise<void> {
  const [to, from] = group.members
  if (to && from) await tell(world, group, { type: MESSAGE_TYPE.append, from, to, term })
}

export interface Told {
  type: number
  from: Member
  to: Member
  term: number
  index?: number
  reject?: boolean
}

/** One message of Raft by itself, in whosever name: raftpb.Message. */
export async function tell(world: World, group: Group, told: Told): Promise<void> {
  const { type, from, to, term, index = 0, reject = false } = told
  const body = new ProtoWriter(64)
    .numberAlways(1, type)
    .bigintAlways(2, BigInt(`0x${to.id}`))
    .bigintAlways(3, BigInt(`0x${from.id}`))
    .numberAlways(4, term)
    .number(6, index)
    .number(10, reject ? 1 : 0)
    .finish()
  const headers = { ...headersOf(group, from, to), 'Content-Type': 'application/protobuf' }
  await world.request(to.url, { method: 'POST', path: '/raft', headers, body })
}
