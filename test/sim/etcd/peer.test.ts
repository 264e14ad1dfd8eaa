/** Members over rafthttp and mTLS: they elect, replicate, lose one and take it back, and let no stranger in. */
import t from 'tap'
import { CONF_CHANGE } from '../../../lib/etcd/raft-entry.ts'
import { parseCertificate } from '../../../lib/x509/parse.ts'
import { certificatesFromPem } from '../../../lib/x509/pem.ts'
import { issue } from '../../../lib/x509/issue.ts'
import { decoderOf, encoderOf, isLinkHeartbeat, messageFrame } from '../../../sim/etcd/peer/message-stream.ts'
import { decodeMessage, encodeMessage } from '../../../sim/etcd/peer/raft-message.ts'
import { sourceAddressProblem } from '../../../sim/etcd/peer/source-address.ts'
import { message, MESSAGE_TYPES, type Message } from '../../../sim/etcd/raft/message.ts'
import { PeerWorld } from './peer-world.ts'

t.setTimeout(60_000)

const entry = (index: number, text: string, term = 7) => ({ type: 0, term, index, data: Buffer.from(text) })

t.test('messages go over the wire and come back', async (t) => {
  for (const type of MESSAGE_TYPES) {
    const snapshot = {
      index: 5,
      term: 3,
      confState: { voters: [1n, 2n], learners: [3n], votersOutgoing: [], learnersNext: [], autoLeave: false },
      data: Buffer.from('members'),
    }
    const sent = message(type, 0x8e9e05c52164694dn, {
      from: 0xffffffffffffffffn,
      term: 7,
      logTerm: 6,
      index: 41,
      entries: [entry(42, 'a'), { ...entry(43, ''), type: 1 }],
      commit: 40,
      reject: true,
      rejectHint: 39,
      context: Buffer.from('CampaignTransfer'),
      ...(type === 'snapshot' ? { snapshot } : {}),
    })
    t.strictSame(decodeMessage(encodeMessage(sent)), sent, type)
  }
  const recorded = decodeMessage(Buffer.from('0808108ff8c78cc3ca928f1518ddc8fdebbeede7dc18200128003000', 'hex'))
  t.match(
    recorded,
    { type: 'heartbeat', to: 1521735449567165455n, from: 1781630413496607837n, term: 1 },
    'a real member’s',
  )
  t.throws(() => decodeMessage(Buffer.from('ffffffffff', 'hex')), { message: 'unexpected EOF' })
  t.throws(() => decodeMessage(Buffer.from('0863', 'hex')), { message: /there is no message type 99/ })
  const beyond = Buffer.from('20ffffffffffffffffff01', 'hex')
  t.throws(() => decodeMessage(beyond), { message: /field 4: wants a number below 2\^53/ })
})

t.test('both streams, in pieces of any size', async (t) => {
  const append = (index: number, entries: Message['entries'], logTerm = 7): Message =>
    message('append', 1n, { from: 2n, term: 7, logTerm, index, entries, commit: index })
  const sent = [
    append(10, [entry(11, 'a'), entry(12, 'b')], 6),
    append(12, [entry(13, 'follows')]),
    append(13, []),
    append(13, [entry(14, 'x'.repeat(5000)), entry(15, '')]),
    append(9, [entry(10, 'goes back')], 6),
  ]
  for (const kind of ['message', 'msgapp'] as const) {
    for (const size of [1, 7, 4096, 1_000_000]) {
      const encoder = encoderOf(kind)
      const bytes = Buffer.concat([
        encoder.heartbeat(),
        ...sent.flatMap((each) => [encoder.encode(each), encoder.heartbeat()]),
      ])
      const decoder = decoderOf(kind, 1n, 2n)
      const came: Message[] = []
      for (let at = 0; at < bytes.length; at += size) came.push(...decoder.push(bytes.subarray(at, at + size)))
      t.strictSame(
        came.filter((each) => !isLinkHeartbeat(each)),
        sent,
        `${kind}, ${size} bytes at a time`,
      )
    }
  }
  const [plain, follows] = [encoderOf('msgapp'), encoderOf('msgapp')]
  follows.encode(sent[0]!)
  t.ok(follows.encode(sent[1]!).length < plain.encode(sent[1]!).length, 'what follows is said in short')
  t.equal(follows.encode(sent[2]!).toString('hex'), `01${'0'.repeat(16)}000000000000000d`, 'no entries, and a commit')
  t.throws(() => decoderOf('msgapp', 1n, 2n).push(Buffer.of(9)), {
    message: 'failed to parse type 9 in msgappv2 stream',
  })
  const huge = Buffer.from('ffffffffffffffff', 'hex')
  for (const kind of ['message', 'msgapp'] as const) {
    const piece = kind === 'msgapp' ? Buffer.concat([Buffer.of(2), huge]) : huge
    t.throws(() => decoderOf(kind, 1n, 2n).push(piece), { message: 'error limit exceeded' })
  }
  t.equal(
    messageFrame(message('heartbeat', 0n)).readBigUInt64BE(0),
    BigInt(messageFrame(message('heartbeat', 0n)).length - 8),
  )
})

t.test('a peer’s certificate has to cover the address it dials from', async (t) => {
  const leaf = async (names: { ipAddresses?: string[]; dnsNames?: string[] }) => {
    const issued = await issue({ commonName: 'peer', ...names, ...VALIDITY })
    return parseCertificate(certificatesFromPem(issued.certificate)[0]!)
  }
  const hosts = '127.0.1.9 etcd-9 other\n'
  const from = async (names: Parameters<typeof leaf>[0], address: string) =>
    sourceAddressProblem(await leaf(names), address, hosts)
  t.equal(await from({}, '127.0.1.9'), undefined, 'no SAN at all')
  t.equal(await from({ ipAddresses: ['127.0.1.9'] }, '127.0.1.9'), undefined)
  const one = 'x509: certificate is valid for 10.9.9.9, not 127.0.0.1'
  t.equal(await from({ ipAddresses: ['10.9.9.9'] }, '127.0.0.1'), one)
  t.equal(await from({ ipAddresses: ['10.9.9.9'], dnsNames: ['etcd-9'] }, '127.0.1.9'), undefined, 'by its name')
  t.equal(
    await from({ dnsNames: ['*.example'] }, '127.0.1.9'),
    'tls: "127.0.1.9" does not match any of DNSNames ["*.example"]',
  )
  t.match(
    await from({ ipAddresses: ['127.0.1.2'], dnsNames: ['etcd-2', 'localhost'] }, '127.0.1.9'),
    /^tls: "127\.0\.1\.9" does not match any of DNSNames \["etcd-2" "localhost"\] \(lookup etcd-2 on [^ ]+: no such host\)$/,
  )
})

t.test('three members agree, lose one, and take it back', async (t) => {
  const world = await PeerWorld.create()
  t.teardown(() => world.end())
  await world.startCluster(3)
  const leader = await world.leader()
  t.equal(await leader.put('a', '1'), 'a is 1')
  const [follower, other] = world.running().filter((member) => member !== leader) as [typeof leader, typeof leader]
  t.equal(await follower.put('b', '2'), 'b is 2', 'proposed at a follower')
  t.equal(await other.read('b'), '2', 'read at another one')
  await Promise.all(Array.from({ length: 200 }, (_, at) => world.running()[at % 3]!.put(`k${at}`, `${at}`)))
  t.equal(await follower.read('k199'), '199')

  leader.stop()
  const next = await world.leader()
  t.not(next.id, leader.id, 'another one leads')
  t.equal(await next.put('c', '3'), 'c is 3')
  for (let at = 0; at < 60; at++) await next.put('d', `${at}`)
  t.ok(next.replica!.raft.log.firstIndex > 100, 'the log has been cut')

  leader.start()
  t.equal(await leader.read('c'), '3', 'it is back')
  t.equal(await leader.read('d'), '59')
  t.equal(await leader.put('e', '5'), 'e is 5')
  t.ok(
    world.log.some(({ msg }) => msg === 'sent database snapshot'),
    'with a snapshot',
  )
  t.equal(leader.panic ?? next.panic ?? follower.panic, undefined)

  const stopped = world.running().filter((member) => member !== leader)
  for (const member of stopped) member.stop()
  await t.rejects(leader.put('f', '6', 300), { message: /^not (taken|applied)$/ }, 'one of three agrees with nobody')
})

t.test('a member joins, and one is taken out', async (t) => {
  const world = await PeerWorld.create()
  t.teardown(() => world.end())
  await world.startCluster(3)
  const leader = await world.leader()
  for (let at = 0; at < 30; at++) await leader.put('a', `${at}`)
  const fourth = await world.prepare(4n)
  await leader.configure(CONF_CHANGE.addLearnerNode, fourth)
  fourth.start()
  for (const { id, url } of world.members.values()) fourth.transport!.add(id, [url])
  t.equal(await fourth.read('a'), '29', 'a learner reads')
  t.ok(fourth.replica!.raft.isLearner)
  await leader.configure(CONF_CHANGE.addNode, fourth)
  await world.until('promotion', () => (fourth.replica!.raft.isLearner ? undefined : true))
  t.equal(await fourth.put('b', '1'), 'b is 1')

  const out = world.running().find((member) => member !== leader && member !== fourth)!
  await leader.configure(CONF_CHANGE.removeNode, out)
  await world.until('word of the removal', () => (out.isRemoved ? true : undefined))
  t.equal(await leader.put('c', '1'), 'c is 1')
  t.strictSame(leader.replica!.raft.confState.voters.length, 3)
})

t.test('a peer whose certificate names another host is refused', async (t) => {
  const world = await PeerWorld.create()
  t.teardown(() => world.end())
  await world.prepare(1n)
  await world.prepare(2n)
  const stranger = await world.prepare(3n, { ipAddresses: ['127.81.0.99'] })
  const members = [...world.members.values()]
  for (const member of members) member.start(members)
  const leader = await world.leader()
  t.equal(await leader.put('a', '1'), 'a is 1', 'the others go on')
  t.not(leader.id, stranger.id)
  const line = await world.until('a refusal', () =>
    world.log.find(
      ({ msg, error }) => msg === 'rejected connection on peer endpoint' && String(error).endsWith('127.81.0.3'),
    ),
  )
  t.equal(line['error'], 'x509: certificate is valid for 127.81.0.99, not 127.81.0.3', 'as it dials')
  const dialled = await world.until('a failure to dial it', () =>
    world.log.find(({ error }) => /certificate is valid for 127\.81\.0\.99, not 127\.81\.0\.3/.test(String(error))),
  )
  t.ok(dialled, 'and as it is dialled')
  t.equal(stranger.replica!.raft.leader, 0n, 'it hears of no leader')
})

const VALIDITY = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) }
