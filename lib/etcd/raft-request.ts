/**
 * etcdserverpb.InternalRaftRequest: what an entry of the log asks every member to do. The request inside stays in its own
 * wire form, so that what a client sent is logged without being encoded again.
 */
import { ProtoWriter, readProto } from './protobuf.ts'

/** Field numbers of the requests (raft_internal.proto). */
export const RAFT_REQUEST = {
  v2: 2,
  range: 3,
  put: 4,
  deleteRange: 5,
  txn: 6,
  compaction: 7,
  leaseGrant: 8,
  leaseRevoke: 9,
  alarm: 10,
  leaseCheckpoint: 11,
  authEnable: 1000,
  authDisable: 1011,
  authenticate: 1012,
  authStatus: 1013,
  authUserAdd: 1100,
  authUserDelete: 1101,
  authUserGet: 1102,
  authUserChangePassword: 1103,
  authUserGrantRole: 1104,
  authUserRevokeRole: 1105,
  authUserList: 1106,
  authRoleList: 1107,
  authRoleAdd: 1200,
  authRoleDelete: 1201,
  authRoleGet: 1202,
  authRoleGrantPermission: 1203,
  authRoleRevokePermission: 1204,
  clusterVersionSet: 1300,
  clusterMemberAttrSet: 1301,
  downgradeInfoSet: 1302,
  downgradeVersionTest: 9900,
} as const

export type RaftRequestKind = keyof typeof RAFT_REQUEST

const KINDS = new Map<number, RaftRequestKind>(
  Object.entries(RAFT_REQUEST).map(([kind, field]) => [field, kind as RaftRequestKind]),
)

export interface RaftRequest {
  /** By which the proposer finds its own request again when it is applied. */
  id: bigint
  /** Whose permissions count where auth is on, and which state of auth the proposer had checked them against. */
  username?: string
  authRevision?: number
  kind: RaftRequestKind
  /** The request's own message, encoded. */
  body: Uint8Array
}

const HEADER = 100

export function encodeRaftRequest({ id, username = '', authRevision = 0, kind, body }: RaftRequest): Buffer {
  const header = new ProtoWriter(48).bigint(1, id).string(2, username).number(3, authRevision).finish()
  const writer = new ProtoWriter(body.length + header.length + 24)
  // In order of field numbers, as gogoproto writes.
  if (RAFT_REQUEST[kind] < HEADER)
    return writer.bytesAlways(RAFT_REQUEST[kind], body).bytesAlways(HEADER, header).finish()
  return writer.bytesAlways(HEADER, header).bytesAlways(RAFT_REQUEST[kind], body).finish()
}

/**
 * A bare etcdserverpb.Request, as members before 3.5 log their own name and the cluster's version, comes back as `v2`.
 * @throws Error for bytes that are neither.
 */
export function decodeRaftRequest(data: Uint8Array): RaftRequest {
  const request: RaftRequest = { id: 0n, kind: 'v2', body: data }
  let isInternal = false
  let lowId = 0n
  readProto(data, ({ field, bigint, bytes }) => {
    const kind = KINDS.get(field)
    if (field === 1) lowId = bigint()
    else if (field === HEADER) {
      isInternal = true
      readHeader(bytes, request)
    } else if (kind) {
      request.kind = kind
      request.body = bytes
    }
  })
  if (!isInternal) return { id: lowId, kind: 'v2', body: data }
  if (request.id === 0n) request.id = lowId
  return request
}

function readHeader(header: Buffer, request: RaftRequest): void {
  readProto(header, ({ field, number, bigint, bytes }) => {
    if (field === 1) request.id = bigint()
    else if (field === 2) request.username = bytes.toString('utf8')
    else if (field === 3) request.authRevision = number
  })
}

/** What is left of etcd's v2 API in a log: `PUT /0/members/<id>/attributes` and `PUT /0/version`. */
export interface V2Request {
  id: bigint
  method: string
  path: string
  value: string
}

export function decodeV2Request(body: Uint8Array): V2Request {
  const request: V2Request = { id: 0n, method: '', path: '', value: '' }
  readProto(body, ({ field, bigint, bytes }) => {
    if (field === 1) request.id = bigint()
    else if (field === 2) request.method = bytes.toString('utf8')
    else if (field === 3) request.path = bytes.toString('utf8')
    else if (field === 4) request.value = bytes.toString('utf8')
  })
  return request
}

/** etcdserverpb.Request, of which members before 3.5 want every field. */
export function encodeV2Put(id: bigint, path: string, value: string): Buffer {
  const writer = new ProtoWriter(path.length + value.length + 96)
    .bigintAlways(1, id)
    .bytesAlways(2, Buffer.from('PUT'))
    .bytesAlways(3, Buffer.from(path))
    .bytesAlways(4, Buffer.from(value))
    .numberAlways(5, 0)
    .bytesAlways(6, Buffer.alloc(0))
  // PrevExist is the only one that may be absent; Dir, PrevIndex, Expiration and the rest are zero.
  for (const field of [7, 9, 10, 11, 12, 13, 14, 15, 16]) writer.numberAlways(field, 0)
  return writer.finish()
}

export interface PutOfLog {
  key: Buffer
  value: Buffer
}

const PUT_REQUEST_OF_OPERATION = 2
const TXN_REQUEST_OF_OPERATION = 4

/** Every put that a logged request may do, those of a transaction's branch that was not taken included. */
export function putsOf({ kind, body }: Pick<RaftRequest, 'kind' | 'body'>): PutOfLog[] {
  const puts: PutOfLog[] = []
  if (kind === 'put') puts.push(putOf(body))
  if (kind === 'txn') collectPuts(body, puts)
  return puts
}

function collectPuts(txn: Uint8Array, puts: PutOfLog[]): void {
  readProto(txn, ({ field, bytes }) => {
    // TxnRequest: compare = 1, success = 2, failure = 3.
    if (field !== 2 && field !== 3) return
    readProto(bytes, (operation) => {
      if (operation.field === PUT_REQUEST_OF_OPERATION) puts.push(putOf(operation.bytes))
      else if (operation.field === TXN_REQUEST_OF_OPERATION) collectPuts(operation.bytes, puts)
    })
  })
}

function putOf(body: Uint8Array): PutOfLog {
  const put: PutOfLog = { key: Buffer.alloc(0), value: Buffer.alloc(0) }
  readProto(body, ({ field, bytes }) => {
    if (field === 1) put.key = bytes
    else if (field === 2) put.value = bytes
  })
  return put
}
