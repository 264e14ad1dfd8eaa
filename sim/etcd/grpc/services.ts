/** What each unary method of etcd's v3 API answers. Methods that are not here are answered as unimplemented. */
import { create, type DescMessage, type DescMethod, type MessageShape } from '@bufbuild/protobuf'
import {
  Cluster,
  CompactionResponseSchema,
  KV,
  Lease,
  LeaseGrantResponseSchema,
  LeaseLeasesResponseSchema,
  LeaseRevokeResponseSchema,
  LeaseTimeToLiveResponseSchema,
  Maintenance,
  MemberListResponseSchema,
  StatusResponseSchema,
} from '../../../lib/etcd/rpc_pb.ts'
import { ERRORS } from '../errors.ts'
import type { Member } from '../member.ts'
import { checkPut, checkTxn } from '../mvcc/check-requests.ts'
import { deleteRange, isReadOnly, put, range, txn } from '../mvcc/requests.ts'
import { Batch, keyBytes } from '../mvcc/store.ts'

export const ETCD_VERSION = '3.6.16'
export const STORAGE_VERSION = '3.6.0'

export interface UnaryMethod {
  desc: DescMethod
  /** What the request is about, for the witness. */
  subject?: (request: never) => string
  serve: (request: never) => Promise<MessageShape<DescMessage>>
}

export interface ServiceSettings {
  maxTxnOps: number
  quotaBytes: number
}

export function unaryMethods(member: Member, settings: ServiceSettings): Map<string, UnaryMethod> {
  const methods = new Map<string, UnaryMethod>()
  const { store, leases } = member
  function add<I extends DescMessage, O extends DescMessage>(
    desc: DescMethod & { input: I; output: O },
    serve: (request: MessageShape<I>) => Promise<MessageShape<O>>,
    subject?: (request: MessageShape<I>) => string,
  ): void {
    const entry = { desc, serve, ...(subject ? { subject } : {}) } as unknown as UnaryMethod
    methods.set(`/${desc.parent.typeName}/${desc.name}`, entry)
  }

  add(
    KV.method.range,
    async (request) => {
      if (request.key.length === 0 && request.rangeEnd.length === 0) throw ERRORS.emptyKey()
      if (!request.serializable) await member.settled()
      const reply = range(store, request, store.readRevision(request.revision))
      reply.header = member.header()
      return reply
    },
    (request) => text(request.key),
  )
  add(
    KV.method.put,
    async (request) => {
      checkPut(request)
      const { result, revision } = await member.write((batch) => put(store, batch, leases, request))
      result.header = member.header(revision)
      return result
    },
    (request) => text(request.key),
  )
  add(
    KV.method.deleteRange,
    async (request) => {
      if (request.key.length === 0) throw ERRORS.emptyKey()
      const { result, revision } = await member.write((batch) => deleteRange(store, batch, leases, request))
      result.header = member.header(revision)
      return result
    },
    (request) => text(request.key),
  )
  add(
    KV.method.txn,
    async (request) => {
      checkTxn(request, settings.maxTxnOps)
      if (isReadOnly(request)) {
        await member.settled()
        const result = txn(store, new Batch(store.index, store.revision + 1n), leases, request)
        result.header = member.header()
        return result
      }
      const { result, revision } = await member.write((batch) => txn(store, batch, leases, request))
      result.header = member.header(revision)
      return result
    },
    (request) => text(request.compare[0]?.key ?? new Uint8Array()),
  )
  add(KV.method.compact, async (request) => {
    await member.compact(request.revision)
    return create(CompactionResponseSchema, { header: member.header() })
  })
  add(Lease.method.leaseGrant, async (request) => {
    const lease = await member.grantLease(request.ID, request.TTL)
    return create(LeaseGrantResponseSchema, { header: member.header(), ID: lease.id, TTL: lease.ttlSeconds })
  })
  add(Lease.method.leaseRevoke, async (request) => {
    await member.revokeLease(request.ID)
    return create(LeaseRevokeResponseSchema, { header: member.header() })
  })
  add(Lease.method.leaseTimeToLive, async (request) => {
    const lease = leases.get(request.ID)
    if (!lease) return create(LeaseTimeToLiveResponseSchema, { header: member.header(), ID: request.ID, TTL: -1n })
    const left = BigInt(Math.max(0, Math.floor((lease.expiresAtMs - Date.now()) / 1000)))
    const keys = request.keys ? [...lease.keys].sort().map(keyBytes) : []
    return create(LeaseTimeToLiveResponseSchema, {
      header: member.header(),
      ID: lease.id,
      TTL: left,
      grantedTTL: lease.ttlSeconds,
      keys,
    })
  })
  add(Lease.method.leaseLeases, async () =>
    create(LeaseLeasesResponseSchema, { header: member.header(), leases: leases.all().map(({ id }) => ({ ID: id })) }),
  )
  add(Maintenance.method.status, async () =>
    create(StatusResponseSchema, {
      header: member.header(),
      version: ETCD_VERSION,
      storageVersion: STORAGE_VERSION,
      dbSize: BigInt(member.sizeBytes),
      dbSizeInUse: BigInt(member.sizeBytes),
      dbSizeQuota: BigInt(settings.quotaBytes),
      leader: member.memberId,
      raftTerm: member.raftTerm,
      raftIndex: member.raftIndex,
      raftAppliedIndex: member.raftIndex,
      downgradeInfo: {},
    }),
  )
  add(Cluster.method.memberList, async () => {
    const { name, peerUrls, clientUrls } = member.settings
    const self = { ID: member.memberId, name, peerURLs: [...peerUrls], clientURLs: [...clientUrls] }
    return create(MemberListResponseSchema, { header: member.header(), members: [self] })
  })
  return methods
}

function text(key: Uint8Array): string {
  return Buffer.from(key).toString('utf8')
}
