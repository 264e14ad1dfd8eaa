/** By what members know each other over HTTP: headers, and nothing else (rafthttp/util.go, http.go). */
import { hexOf, type NodeId } from '../raft/message.ts'

export interface PeerIdentity {
  id: NodeId
  clusterId: bigint
  /** `3.6.16`: members mix with their neighbours' versions only, so this may be said to be another one. */
  version: string
  peerUrls: readonly string[]
}

/** The oldest cluster that this version speaks with. */
const MIN_CLUSTER_VERSION = '3.0.0'

export function identityHeaders(identity: PeerIdentity, to?: NodeId): Record<string, string> {
  return {
    'X-Server-From': hexOf(identity.id),
    'X-Server-Version': identity.version,
    'X-Min-Cluster-Version': MIN_CLUSTER_VERSION,
    'X-Etcd-Cluster-ID': hexOf(identity.clusterId),
    ...(to === undefined ? {} : { 'X-Raft-To': hexOf(to) }),
    'X-PeerURLs': identity.peerUrls.join(','),
  }
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

export interface HeaderProblem {
  /** What the other side is told. */
  answer: 'incompatible version' | 'cluster ID mismatch'
  log: string
  error?: string
}

/** What is wrong with a peer's headers, or undefined. @throws Error for a version that is none: etcd hangs up on that. */
export function headerProblem(headers: Headers, identity: PeerIdentity): HeaderProblem | undefined {
  const remote = one(headers, 'x-server-from')
  // As 2.0 was, which said nothing.
  const server = one(headers, 'x-server-version') || '2.0.0'
  const minCluster = one(headers, 'x-min-cluster-version') || '2.0.0'
  const isServerOld = isOlder(server, MIN_CLUSTER_VERSION)
  if (isServerOld || isOlder(identity.version, minCluster)) {
    const error = `${isServerOld ? 'remote' : 'local'} version is too low: remote[${remote}]=${server}, local=${identity.version}`
    return { answer: 'incompatible version', log: 'failed version compatibility check', error }
  }
  if (one(headers, 'x-etcd-cluster-id') === hexOf(identity.clusterId)) return undefined
  return { answer: 'cluster ID mismatch', log: 'request cluster ID mismatch' }
}

export function one(headers: Headers, name: string): string {
  const value = headers[name]
  return typeof value === 'string' ? value : (value?.[0] ?? '')
}

/** types.IDFromString: hexadecimal. */
export function idOf(text: string): NodeId | undefined {
  return /^[0-9a-fA-F]{1,16}$/.test(text) ? BigInt(`0x${text}`) : undefined
}

/** Whether the first two numbers are lower. */
function isOlder(version: string, than: string): boolean {
  const [[major, minor], [otherMajor, otherMinor]] = [numbers(version), numbers(than)]
  return major < otherMajor || (major === otherMajor && minor < otherMinor)
}

function numbers(version: string): [number, number] {
  const [, major, minor] = /^(\d+)\.(\d+)\.(\d+)(?:-[\w.-]+)?(?:\+[\w.-]+)?$/.exec(version) ?? []
  if (major === undefined) throw new Error(`${version} is not in dotted-tri format`)
  return [Number(major), Number(minor)]
}
