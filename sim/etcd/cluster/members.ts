/** Who the members are, as every one of them knows it (server/etcdserver/api/membership/cluster.go). */
import { createHash } from 'node:crypto'
import { ERRORS } from '../errors.ts'
import type { MembershipChange } from './membership-change.ts'

export interface ClusterMember {
  id: bigint
  /** Empty until it has started and told it. */
  name: string
  peerUrls: readonly string[]
  clientUrls: readonly string[]
  isLearner: boolean
}

export class Members {
  readonly #members = new Map<bigint, ClusterMember>()
  readonly #removed = new Set<bigint>()
  readonly #maxLearners: number
  /** `3.6.0`, once the members have agreed on it. */
  clusterVersion: string | undefined
  downgradeTarget: string | undefined

  constructor(maxLearners = 1) {
    this.#maxLearners = maxLearners
  }

  get(id: bigint): ClusterMember | undefined {
    return this.#members.get(id)
  }

  /** What a disk held, in place of whatever was here. */
  restore(members: readonly ClusterMember[], removed: readonly bigint[]): void {
    this.#members.clear()
    this.#removed.clear()
    for (const member of members) this.#members.set(member.id, member)
    for (const id of removed) this.#removed.add(id)
  }

  removed(): bigint[] {
    return [...this.#removed]
  }

  isRemoved(id: bigint): boolean {
    return this.#removed.has(id)
  }

  /** By id, as etcd lists them. */
  all(): ClusterMember[] {
    return [...this.#members.values()].sort((one, other) => (one.id < other.id ? -1 : 1))
  }

  voters(): ClusterMember[] {
    return this.all().filter(({ isLearner }) => !isLearner)
  }

  /** @throws GrpcError for what etcd refuses when such a change is applied (ValidateConfigurationChange). */
  apply(change: MembershipChange): void {
    const known = this.#members.get(change.id)
    if (this.#removed.has(change.id)) throw ERRORS.memberNotFound()
    if (change.kind === 'add') {
      if (known) throw ERRORS.memberExists()
      this.#refuseTaken(change.peerUrls, change.id)
      if (change.isLearner && this.all().length - this.voters().length >= this.#maxLearners)
        throw ERRORS.tooManyLearners()
      const { id, peerUrls, isLearner, name = '', clientUrls = [] } = change
      return void this.#members.set(id, { id, name, peerUrls, clientUrls, isLearner })
    }
    if (!known) throw ERRORS.memberNotFound()
    switch (change.kind) {
      case 'promote':
        if (!known.isLearner) throw ERRORS.memberNotLearner()
        return void this.#members.set(change.id, { ...known, isLearner: false })
      case 'remove':
        this.#members.delete(change.id)
        return void this.#removed.add(change.id)
      case 'update':
        this.#refuseTaken(change.peerUrls, change.id)
        return void this.#members.set(change.id, { ...known, peerUrls: change.peerUrls })
    }
  }

  /** What a member says of itself when it starts. */
  setAttributes(id: bigint, name: string, clientUrls: readonly string[]): void {
    const known = this.#members.get(id)
    if (known) this.#members.set(id, { ...known, name, clientUrls })
  }

  /** Whether enough have started for a quorum of the cluster with one voter more (IsReadyToAddVotingMember). */
  isReadyToAdd(): boolean {
    const started = startedOf(this.voters())
    const count = this.voters().length + 1
    return (started === 1 && count === 2) || started >= quorumOf(count)
  }

  isReadyToRemove(id: bigint): boolean {
    const left = this.voters().filter((member) => member.id !== id)
    return startedOf(left) >= quorumOf(left.length)
  }

  /** The learner counts as a voter that has started. */
  isReadyToPromote(): boolean {
    return startedOf(this.voters()) + 1 >= quorumOf(this.voters().length + 1)
  }

  #refuseTaken(urls: readonly string[], id: bigint): void {
    const taken = new Set(this.all().flatMap((member) => (member.id === id ? [] : member.peerUrls)))
    if (urls.some((url) => taken.has(url))) throw ERRORS.peerUrlExists()
  }
}

function startedOf(members: readonly ClusterMember[]): number {
  return members.filter(({ name }) => name !== '').length
}

export function quorumOf(count: number): number {
  return Math.floor(count / 2) + 1
}

/** membership/member.go, computeMemberID. The time tells apart members that are added later, in whole seconds. */
export function memberIdOf(peerUrls: readonly string[], clusterToken: string, unixSeconds?: number): bigint {
  const text = [...peerUrls].sort().join('') + clusterToken + (unixSeconds === undefined ? '' : String(unixSeconds))
  return createHash('sha1').update(text).digest().readBigUInt64BE(0)
}

/** membership/cluster.go, genID: of the members at first. */
export function clusterIdOf(memberIds: readonly bigint[]): bigint {
  const bytes = Buffer.alloc(8 * memberIds.length)
  const sorted = [...memberIds].sort((one, other) => (one < other ? -1 : 1))
  for (const [index, id] of sorted.entries()) bytes.writeBigUInt64BE(id, index * 8)
  return createHash('sha1').update(bytes).digest().readBigUInt64BE(0)
}
