/**
 * A live member that gets any bytes on its client and its peer port, in the clear, so that they come past TLS: it may refuse
 * them and hang up. A find is that it ends, that it does not answer an honest client any more, or that it lost what it had
 * acknowledged.
 */
import { connect } from 'node:net'
import { GrpcClient } from '../../lib/etcd/grpc-client.ts'
import { grpcFrame } from '../../lib/etcd/grpc-frame.ts'
import { KV } from '../../lib/etcd/rpc_pb.ts'
import { encodeRenewal, encodeTimeToLiveQuestion } from '../../sim/etcd/lease/lease-http.ts'
import { encoderOf, messageFrame } from '../../sim/etcd/peer/message-stream.ts'
import { encodeMessage } from '../../sim/etcd/peer/raft-message.ts'
import { clusterIdOf, memberIdOf } from '../../sim/etcd/cluster/members.ts'
import { hexOf, message } from '../../sim/etcd/raft/message.ts'
import { MemberPlace, MemberProcess, PLAIN_MEMBER } from '../fidelity/etcd/member-process.ts'

export interface PortTarget {
  seeds: readonly Buffer[]
  feed: (bytes: Buffer) => Promise<void>
  close: () => Promise<void>
}

/** A connection that says nothing more is left after this. */
const PATIENCE_MS = 300
/** After so many inputs the honest client asks. */
const ASK_EVERY = 50
const KEPT = { key: Buffer.from('kept'), value: Buffer.from('acknowledged') }

export async function etcdPorts(): Promise<Record<string, PortTarget>> {
  return { 'etcd-client-port': await portOf('client'), 'etcd-peer-port': await portOf('peer') }
}

async function portOf(port: 'client' | 'peer'): Promise<PortTarget> {
  const place = await MemberPlace.create()
  const peerUrl = place.fill('http://{peer}')
  const member = new MemberProcess(place, [...PLAIN_MEMBER, '--unsafe-no-fsync'])
  const client = new GrpcClient({ endpoints: [place.fill('http://{client}')] })
  const close = async (): Promise<void> => {
    await client.close()
    await member.process.kill()
    place.remove()
  }
  if (!(await member.serves())) throw new Error(member.process.lastWords)
  await client.unary(KV.method.put, KEPT)
  const id = memberIdOf([peerUrl], 'etcd-cluster')
  const honest = async (): Promise<void> => {
    const { kvs } = await client.unary(KV.method.range, { key: KEPT.key })
    const value = Buffer.from(kvs[0]?.value ?? []).toString()
    if (value !== 'acknowledged') throw new Error(`the key that was acknowledged holds ${JSON.stringify(value)}`)
  }
  let fed = 0
  const feed = async (bytes: Buffer): Promise<void> => {
    await pour(place.ports.get(port)!, bytes)
    if (member.process.exited) throw new Error(`it ended: ${member.process.lastWords}`)
    fed += 1
    if (fed % ASK_EVERY === 0) await honest()
  }
  return { seeds: port === 'client' ? clientSeeds() : peerSeeds(id), feed, close }
}

async function pour(port: number, bytes: Buffer): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => {})
  const closed = new Promise((resolve) => void socket.once('close', resolve))
  socket.setTimeout(PATIENCE_MS, () => socket.resetAndDestroy())
  socket.resume()
  socket.write(bytes)
  await closed
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Literal header fields without indexing (RFC 7541 section 6.2.2), which a mutation leaves readable now and then. */
function headers(pairs: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    pairs.flatMap(([name, value]) => [
      Buffer.of(0, name.length),
      Buffer.from(name),
      Buffer.of(value.length),
      Buffer.from(value),
    ]),
  )
}

function grpc(path: string, body: Buffer): Buffer {
  const head = headers([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'x'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ])
  const [SETTINGS, HEADERS, DATA, END_HEADERS, END_STREAM] = [4, 1, 0, 4, 1]
  return Buffer.concat([
    PREFACE,
    frame(SETTINGS, 0, 0, Buffer.alloc(0)),
    frame(HEADERS, END_HEADERS, 1, head),
    frame(DATA, END_STREAM, 1, grpcFrame(body)),
  ])
}

function post(path: string, body: Buffer, more: Readonly<Record<string, string>> = {}): Buffer {
  const named = { Host: 'x', 'Content-Length': String(body.length), ...more }
  const lines = Object.entries(named).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), body])
}

function clientSeeds(): Buffer[] {
  const key = Buffer.from('0a0178', 'hex')
  return [
    grpc('/etcdserverpb.KV/Range', key),
    grpc('/etcdserverpb.KV/Put', Buffer.from('0a017812017918e907', 'hex')),
    grpc('/etcdserverpb.KV/Txn', Buffer.from('0a0b080110021a0178280012080a060a04', 'hex')),
    grpc('/etcdserverpb.Watch/Watch', Buffer.from('0a050a03666f6f', 'hex')),
    grpc('/etcdserverpb.Lease/LeaseGrant', Buffer.from('083c10e907', 'hex')),
    grpc('/etcdserverpb.Lease/LeaseKeepAlive', Buffer.from('08e907', 'hex')),
    grpc('/etcdserverpb.Maintenance/Status', Buffer.alloc(0)),
    post('/v3/kv/range', Buffer.from('{"key":"eA==","limit":"5"}')),
    post(
      '/v3/kv/txn',
      Buffer.from(
        '{"compare":[{"key":"eA==","target":"VALUE","value":"eQ=="}],"success":[{"request_put":{"key":"eA=="}}]}',
      ),
    ),
    post('/v3/watch', Buffer.from('{"create_request":{"key":"eA=="}}')),
    Buffer.from('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz?verbose&exclude=x HTTP/1.1\r\nHost: x\r\n\r\n'),
  ]
}

function peerSeeds(id: bigint): Buffer[] {
  const named = {
    'X-Etcd-Cluster-ID': hexOf(clusterIdOf([id])),
    'X-Server-From': hexOf(7n),
    'X-Server-Version': '3.6.16',
    'X-Min-Cluster-Version': '3.0.0',
    'X-Raft-To': hexOf(id),
  }
  const append = message('append', id, {
    from: 7n,
    term: 2,
    logTerm: 2,
    index: 3,
    commit: 3,
    entries: [{ type: 0, term: 2, index: 4, data: Buffer.from('entry') }],
  })
  const snapshot = message('snapshot', id, {
    from: 7n,
    term: 2,
    snapshot: {
      index: 3,
      term: 1,
      confState: { voters: [7n, id], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
      data: Buffer.from('members'),
    },
  })
  const vote = message('preVote', id, { from: 7n, term: 3, logTerm: 2, index: 9 })
  return [
    ...[append, vote].map((each) => post('/raft', encodeMessage(each), named)),
    post('/raft/snapshot', Buffer.concat([messageFrame(snapshot), Buffer.alloc(64, 1)]), named),
    post('/raft', Buffer.concat([encoderOf('msgapp').encode(append)]), named),
    post('/leases', encodeRenewal(9n)),
    post('/leases/internal', encodeTimeToLiveQuestion(9n, true)),
    post('/members/promote/9', Buffer.alloc(0)),
    Buffer.from('GET /members HTTP/1.1\r\nHost: x\r\n\r\n'),
    Buffer.from('GET /members/hashkv HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{"revision":1}'),
    Buffer.from(
      `GET /raft/stream/msgapp/7 HTTP/1.1\r\nHost: x\r\n${Object.entries(named)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')}\r\n`,
    ),
  ]
}
