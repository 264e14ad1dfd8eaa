/** A change of the membership, and the raftpb.ConfChange that etcd makes of it, with its JSON. */
import { CONF_CHANGE, type ConfChange } from '../../../lib/etcd/raft-entry.ts'

export type MembershipChange =
  | {
      kind: 'add'
      id: bigint
      peerUrls: readonly string[]
      isLearner: boolean
      name?: string
      clientUrls?: readonly string[]
    }
  | { kind: 'promote' | 'remove'; id: bigint }
  | { kind: 'update'; id: bigint; peerUrls: readonly string[] }

/** `id` is by which its proposer finds it again. */
export function confChangeOf(change: MembershipChange, id: bigint): ConfChange {
  const { addNode, removeNode, updateNode, addLearnerNode } = CONF_CHANGE
  const nodeId = change.id
  switch (change.kind) {
    case 'add': {
      const { peerUrls, isLearner, name, clientUrls = [] } = change
      const context = contextOf(nodeId, {
        peerURLs: peerUrls,
        ...(isLearner ? { isLearner } : {}),
        ...(name ? { name } : {}),
        ...(clientUrls.length > 0 ? { clientURLs: clientUrls } : {}),
      })
      return { id, type: isLearner ? addLearnerNode : addNode, nodeId, context }
    }
    case 'promote':
      return { id, type: addNode, nodeId, context: contextOf(nodeId, { peerURLs: null, isPromote: true }) }
    case 'update':
      return { id, type: updateNode, nodeId, context: contextOf(nodeId, { peerURLs: change.peerUrls }) }
    case 'remove':
      return { id, type: removeNode, nodeId, context: Buffer.alloc(0) }
  }
}

export function membershipChangeOf({ type, nodeId, context }: ConfChange): MembershipChange {
  const id = nodeId
  if (type === CONF_CHANGE.removeNode) return { kind: 'remove', id }
  const { peerURLs, isLearner = false, isPromote = false, name, clientURLs } = parsed(context)
  const peerUrls = peerURLs ?? []
  if (type === CONF_CHANGE.updateNode) return { kind: 'update', id, peerUrls }
  if (isPromote) return { kind: 'promote', id }
  return { kind: 'add', id, peerUrls, isLearner, ...(name ? { name } : {}), clientUrls: clientURLs ?? [] }
}

interface Context {
  peerURLs?: string[] | null
  isLearner?: boolean
  isPromote?: boolean
  name?: string
  clientURLs?: string[]
}

function parsed(context: Buffer): Context {
  const value: Context = JSON.parse(context.toString('utf8'))
  return value
}

/** Ids are uint64, beyond JavaScript's numbers: written as digits by hand. */
function contextOf(id: bigint, rest: object): Buffer {
  return Buffer.from(`{"id":${id},${JSON.stringify(rest).slice(1)}`)
}
