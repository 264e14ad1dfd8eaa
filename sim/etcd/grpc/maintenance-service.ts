/** The Maintenance service (server/etcdserver/api/v3rpc/maintenance.go). */
import { create } from '@bufbuild/protobuf'
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { DowngradeInfoSetRequestSchema } from '../../../lib/etcd/internal_pb.ts'
import {
  AlarmRequest_AlarmAction,
  AlarmType,
  DefragmentResponseSchema,
  DowngradeRequest_DowngradeAction,
  DowngradeResponseSchema,
  HashKVResponseSchema,
  HashResponseSchema,
  Maintenance,
  MoveLeaderResponseSchema,
  SnapshotResponseSchema,
  StatusResponseSchema,
  type AlarmResponse,
} from '../../../lib/etcd/rpc_pb.ts'
import { ERRORS } from '../errors.ts'
import { log } from '../log.ts'
import { keySpaceHash } from '../maintenance/key-space-hash.ts'
import { DEFAULT_QUOTA_BYTES } from '../maintenance/quota.ts'
import type { Member } from '../member.ts'
import { ETCD_VERSION, STORAGE_VERSION } from '../version.ts'
import { serverStream, unary, type Method } from './method.ts'

export function maintenanceService(member: Member, { quotaBytes }: { quotaBytes: number }): Method[] {
  const { store, alarms, members } = member.state
  return [
    unary(Maintenance.method.status, async (_, call) => {
      await member.requireAnybody(call)
      const { leader, term, committedIndex, appliedIndex } = member.door.status
      const errors = leader === 0n ? ['etcdserver: no leader'] : []
      for (const { memberId, type } of alarms.get()) errors.push(`memberID:${memberId} alarm:${AlarmType[type]} `)
      return create(StatusResponseSchema, {
        header: member.header(),
        version: ETCD_VERSION,
        storageVersion: STORAGE_VERSION,
        dbSize: BigInt(member.backend.sizeBytes),
        dbSizeInUse: BigInt(member.backend.sizeInUseBytes),
        dbSizeQuota: BigInt(quotaBytes || DEFAULT_QUOTA_BYTES),
        leader,
        raftTerm: BigInt(term),
        raftIndex: BigInt(committedIndex),
        raftAppliedIndex: BigInt(appliedIndex),
        isLearner: members.get(member.memberId)?.isLearner ?? false,
        errors,
        downgradeInfo:
          members.downgradeTarget === undefined ? {} : { enabled: true, targetVersion: members.downgradeTarget },
      })
    }),
    unary(Maintenance.method.alarm, async (request, call, bytes) => {
      if (request.action === AlarmRequest_AlarmAction.GET) await member.requireAnybody(call)
      else await member.requireAdmin(call)
      // The real one falls over here (a nil pointer, exit code 2).
      if (!(request.action in AlarmRequest_AlarmAction))
        throw new GrpcError('InvalidArgument', `etcdserver: unknown alarm action ${request.action}`)
      return (await member.propose('alarm', request, bytes, call)) as AlarmResponse
    }),
    unary(Maintenance.method.defragment, async (_, call) => {
      await member.requireAdmin(call)
      log('info', 'starting defragment')
      await member.backend.defragment()
      log('info', 'finished defragment')
      return create(DefragmentResponseSchema)
    }),
    unary(Maintenance.method.hash, async (_, call) => {
      await member.requireAdmin(call)
      return create(HashResponseSchema, { header: member.header(), hash: member.backend.hash() })
    }),
    unary(Maintenance.method.hashKV, async (request, call) => {
      await member.requireAdmin(call)
      const revision = store.readRevision(request.revision)
      return create(HashKVResponseSchema, {
        header: member.header(),
        hash: keySpaceHash(store, revision),
        compactRevision: store.compactedRevision,
        hashRevision: revision,
      })
    }),
    serverStream(Maintenance.method.snapshot, async (_, call, out) => {
      await member.requireAdmin(call)
      const { chunks } = await member.backend.snapshot()
      for (const { blob, remainingBytes } of chunks) {
        out.send(
          create(SnapshotResponseSchema, {
            blob,
            remainingBytes: BigInt(remainingBytes),
            version: STORAGE_VERSION,
          }),
        )
      }
    }),
    unary(Maintenance.method.moveLeader, async ({ targetID }, call) => {
      await member.requireAdmin(call)
      if (member.door.status.leader !== member.memberId) throw ERRORS.notLeader()
      const target = members.get(targetID)
      if (!target || target.isLearner) throw ERRORS.badLeaderTransferee()
      await member.door.moveLeader(targetID)
      return create(MoveLeaderResponseSchema)
    }),
    unary(Maintenance.method.downgrade, async ({ action, version }, call) => {
      await member.requireAdmin(call)
      const { VALIDATE, ENABLE } = DowngradeRequest_DowngradeAction
      if (action === VALIDATE || action === ENABLE) {
        const target = downgradeTarget(version, members.clusterVersion ?? '')
        if (members.downgradeTarget !== undefined) throw ERRORS.downgradeInProcess()
        const enable = { enabled: true, ver: target }
        if (action === ENABLE) await member.proposeOwn('downgradeInfoSet', DowngradeInfoSetRequestSchema, enable)
      } else if (members.downgradeTarget !== undefined) {
        await member.proposeOwn('downgradeInfoSet', DowngradeInfoSetRequestSchema, { enabled: false })
      }
      const [major, minor] = (members.clusterVersion ?? '').split('.')
      return create(DowngradeResponseSchema, { header: member.header(), version: `${major}.${minor}` })
    }),
  ]
}

/** `3.5` or `3.5.0` -> `3.5.0`, which must be one minor version below the cluster's. @throws GrpcError InvalidArgument */
function downgradeTarget(version: string, clusterVersion: string): string {
  const [, major, minor] = /^(\d+)\.(\d+)(\.\d+)?$/.exec(version) ?? []
  if (major === undefined || minor === undefined) throw ERRORS.wrongDowngradeVersion()
  const [ownMajor = '', ownMinor = ''] = clusterVersion.split('.')
  if (major !== ownMajor || Number(minor) !== Number(ownMinor) - 1) throw ERRORS.invalidDowngradeTarget()
  return `${major}.${minor}.0`
}
