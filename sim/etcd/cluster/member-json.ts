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
