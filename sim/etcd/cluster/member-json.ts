/** A member as Go's JSON has it: in the db, and in what the peer port answers. */
import type { ClusterMember } from './members.ts'

/** As Go writes a membership.Member: the id is a number that JavaScript's JSON would round. */
export function memberJson({ id, name, peerUrls, clientUrls, isLearner }: ClusterMember): string {
  const rest = {
    peerURLs: peerUrls,
    ...(isLearner ? { isLearner } : {}),
    ...(name ? { name } : {}),
    ...(clientUrls.length > 0 ? { clientURLs: clientUrls } : {}),
  }
  return `{"id":${id},${JSON.stringify(rest).slice(1)}`
}

interface MemberJson {
  id: string
  peerURLs?: string[]
  isLearner?: boolean
  name?: string
  clientURLs?: string[]
}

/** What a peer port lists. Ids are uint64, beyond JavaScript's numbers: they are read as text. */
export function membersOf(json: string): ClusterMember[] {
  const members: MemberJson[] = JSON.parse(json.replaceAll(/"id":(\d+)/g, '"id":"$1"'))
  return members.map(({ id, peerURLs = [], isLearner = false, name = '', clientURLs = [] }) => ({
    id: BigInt(id),
    name,
    peerUrls: peerURLs,
    clientUrls: clientURLs,
    isLearner,
  }))
}

export function memberOf(id: string, json: Uint8Array): ClusterMember {
  const member = JSON.parse(Buffer.from(json).toString('utf8')) as Record<string, unknown>
  const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [])
  return {
    id: BigInt(`0x${id}`),
    name: typeof member['name'] === 'string' ? member['name'] : '',
    peerUrls: texts(member['peerURLs']),
    clientUrls: texts(member['clientURLs']),
    isLearner: member['isLearner'] === true,
  }
}
