/** The listening side: whom it asks, whom it refuses with which alert on the wire, and that nothing brings it down. */
import t from 'tap'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { connect } from 'node:tls'
import { ALERTS, alertName } from '../../../lib/tls/alerts.ts'
import type { ClientCertificates, HandshakeVerdict } from '../../../lib/tls/listen.ts'
import { listenPlain } from '../../../lib/tls/plain.ts'
import { parseCertificate } from '../../../lib/x509/parse.ts'
import type { Issued } from '../../../lib/x509/certificate-spec.ts'
import { answerToClientChain } from '../../../lib/x509/handshake-answer.ts'
import { issue } from '../../../lib/x509/issue.ts'
import { issueOdd } from '../../../lib/x509/odd.ts'
import { certificatesFromPem } from '../../../lib/x509/pem.ts'
import { certPool } from '../../../lib/x509/pool.ts'
import { helloRecord, VERSIONS_OFFERED } from './hello-bytes.ts'
import {
  ADDRESS,
  authority,
  listen,
  only,
  oversized,
  pairOf,
  say,
  unparsable,
  VALIDITY,
  VERSIONS,
  visit,
} from './tls-world.ts'

t.setTimeout(30_000)

const cluster = await authority()
const serving = await cluster.server()
const admin = await cluster.client({ commonName: 'kubernetes-admin' })
const keyPair = () => serving
const caPem = () => cluster.ca.certificate
const subjects = (chain: Buffer[]): string[] => chain.map((der) => parseCertificate(der).subject.commonName)

const none: ClientCertificates = { mode: 'none' }
const request: ClientCertificates = { mode: 'request', caPem }
const requireAny: ClientCertificates = { mode: 'require', caPem, verify: () => undefined }

for (const version of VERSIONS) {
  t.test(`${version}: what is known of a connection`, async (t) => {
    for (const [clientCertificates, pair, chain] of [
      [none, admin, []],
      [request, undefined, []],
      [request, admin, ['kubernetes-admin']],
      [requireAny, admin, ['kubernetes-admin']],
    ] as const) {
      const listener = await listen({ keyPair, clientCertificates, alpn: ['h2', 'http/1.1'] })
      const { text, socket, refusal } = await visit(listener.port, {
        ...only(version),
        ...pair,
        servername: 'server.test',
        ALPNProtocols: ['http/1.1', 'h2'],
      })
      await listener.close()
      t.equal(refusal, undefined, `${clientCertificates.mode}, ${pair ? 'with' : 'without'} a certificate`)
      t.equal(text, 'hello')
      t.equal(socket.alpnProtocol, 'h2', `the listener's preference, as in Go`)
      const [connection] = listener.connections
      t.match(connection, { serverName: 'server.test', alpn: 'h2', local: `${ADDRESS}:${listener.port}` })
      t.match(connection?.remote, /^127\.0\.0\.1:\d+$/)
      t.strictSame(subjects(connection?.peerChain ?? []), chain)
      t.strictSame(listener.refusals, [])
    }
  })

  t.test(`${version}: a certificate that is required and not shown`, async (t) => {
    const asked: unknown[] = []
    const verify = (connection: unknown): undefined => void asked.push(connection)
    const listener = await listen({ keyPair, clientCertificates: { mode: 'require', caPem, verify } })
    t.teardown(() => listener.close())
    const { refusal, text } = await visit(listener.port, only(version))
    const alert = version === 'TLSv1.3' ? 116 : 40
    t.equal(text, '')
    t.match(refusal, { layer: 'tls-alert', code: alertName(alert), details: { alert } })
    t.match(listener.refusals, [{ layer: 'tls-alert', message: `tls: client didn't provide a certificate` }])
    t.equal(listener.refusals[0]?.details.alert, alert)
    t.strictSame([asked, listener.connections], [[], []], 'and nobody is asked about it')
  })

  t.test(`${version}: a verdict is answered with its alert, on the wire`, async (t) => {
    let verdict: HandshakeVerdict | undefined
    const listener = await listen({ keyPair, clientCertificates: { mode: 'require', caPem, verify: () => verdict } })
    t.teardown(() => listener.close())
    for (const alert of [ALERTS.unknown_ca, ALERTS.certificate_expired, ALERTS.bad_certificate]) {
      const text = `tls: failed to verify certificate: because of ${alert}`
      verdict = { alert, code: alertName(alert), text }
      const { refusal, text: read } = await visit(listener.port, { ...only(version), ...admin })
      t.equal(read, '')
      t.match(refusal, { layer: 'tls-alert', code: alertName(alert), details: { alert } }, `alert ${alert}`)
      t.match(listener.refusals.at(-1), { layer: 'tls-alert', code: alertName(alert), message: text })
      t.strictSame(subjects(listener.refused.at(-1)?.peerChain ?? []), ['kubernetes-admin'])
    }
    t.equal(listener.refusals.length, 3, 'each refusal is told once')
    verdict = undefined
    t.equal((await visit(listener.port, { ...only(version), ...admin })).text, 'hello', 'and the next one gets in')
  })

  t.test(`${version}: a resumed session is looked at again`, async (t) => {
    let verdict: HandshakeVerdict | undefined
    const listener = await listen({ keyPair, clientCertificates: { mode: 'require', caPem, verify: () => verdict } })
    t.teardown(() => listener.close())
    const { session } = await visit(listener.port, { ...only(version), ...admin })
    t.ok(session, 'a session to resume')
    const again = await visit(listener.port, { ...only(version), ...admin, session: session! })
    t.equal(again.text, 'hello')
    t.equal(again.isResumed, true)
    t.equal(subjects(listener.connections[1]?.peerChain ?? [])[0], 'kubernetes-admin', 'with its certificate')
    verdict = { alert: 48, code: 'unknown_ca', text: 'the CA has gone' }
    const refused = await visit(listener.port, { ...only(version), ...admin, session: session! })
    t.match(refused.refusal, { layer: 'tls-alert', code: 'unknown_ca' })
    t.equal(refused.text, '')
    t.strictSame(
      listener.refusals.map(({ message }) => message),
      ['the CA has gone'],
    )
  })

  t.test(`${version}: what Go cannot read is refused, also where nothing is required`, async (t) => {
    const odd = await unparsable(cluster.ca)
    const big = await oversized(cluster.ca)
    for (const clientCertificates of [request, requireAny]) {
      const listener = await listen({ keyPair, clientCertificates })
      const { refusal } = await visit(listener.port, { ...only(version), ...odd })
      t.match(refusal, { layer: 'tls-alert', code: 'decode_error', details: { alert: 50 } })
      t.equal(
        listener.refusals[0]?.message,
        'tls: failed to parse client certificate: x509: negative serial number',
        clientCertificates.mode,
      )
      const tooBig = await visit(listener.port, { ...only(version), ...big })
      t.match(tooBig.refusal, { layer: 'tls-alert', code: 'bad_certificate', details: { alert: 42 } })
      t.equal(listener.refusals[1]?.message, 'tls: client sent certificate containing RSA key larger than 8192 bits')
      t.strictSame(listener.connections, [])
      await listener.close()
    }
    const deaf = await listen({ keyPair })
    t.teardown(() => deaf.close())
    t.equal((await visit(deaf.port, { ...only(version), ...odd })).text, 'hello', 'unless no certificate is asked for')
  })

  t.test(`${version}: a rotated key pair bites with the next connection`, async (t) => {
    let pair: typeof serving | undefined = serving
    const listener = await listen({ keyPair: () => pair })
    t.teardown(() => listener.close())
    const shown = async (): Promise<string> => {
      const socket = connect({ host: ADDRESS, port: listener.port, rejectUnauthorized: false, ...only(version) })
      await once(socket, 'secureConnect')
      const { raw } = socket.getPeerCertificate()
      socket.destroy()
      return parseCertificate(raw).subject.commonName
    }
    t.equal(await shown(), 'server')
    pair = await cluster.server({ commonName: 'rotated' })
    t.equal(await shown(), 'rotated')
    pair = undefined
    const { refusal } = await visit(listener.port, only(version))
    t.match(refusal, { layer: 'tls-alert', code: 'internal_error', details: { alert: 80 } })
    t.equal(listener.refusals.at(-1)?.message, 'tls: no certificates configured')
    pair = serving
    t.equal(await shown(), 'server')
  })
}

t.test('each name may have its own key pair', async (t) => {
  const loopback = await cluster.server({ commonName: 'loopback' })
  const listener = await listen({ keyPair: (name) => (name === 'apiserver-loopback-client' ? loopback : serving) })
  t.teardown(() => listener.close())
  for (const [servername, wanted] of [
    ['apiserver-loopback-client', 'loopback'],
    ['server.test', 'server'],
    ['', 'server'],
  ] as const) {
    const socket = connect({ host: ADDRESS, port: listener.port, rejectUnauthorized: false, servername })
    await once(socket, 'secureConnect')
    t.equal(parseCertificate(socket.getPeerCertificate().raw).subject.commonName, wanted)
    socket.destroy()
  }
})

t.test('plain HTTP on a TLS port', async (t) => {
  const answer = async (plainHttp: 'http-400' | 'close'): Promise<string> => {
    const listener = await listen({ keyPair, plainHttp })
    const text = (await say(listener.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')).toString('utf8')
    const message =
      plainHttp === 'close'
        ? 'tls: first record does not look like a TLS handshake'
        : 'client sent an HTTP request to an HTTPS server'
    t.match(listener.refusals, [{ layer: 'app', code: 'not_tls', message }])
    await listener.close()
    return text
  }
  t.equal(
    await answer('http-400'),
    'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n',
    `net/http's answer, to the byte`,
  )
  t.equal(await answer('close'), '', 'etcd says nothing')
})

t.test('other bytes on a TLS port get what Go gives them', async (t) => {
  const listener = await listen({ keyPair, plainHttp: 'http-400', handshakeTimeoutMs: 150 })
  t.teardown(() => listener.close())
  const notTls = 'tls: first record does not look like a TLS handshake'
  const rows: [bytes: Buffer, answer: string, message: string][] = [
    [Buffer.from('GARBAGE\r\n'), '', notTls],
    [Buffer.from('00010203', 'hex'), '', /^read tcp .*: i\/o timeout$/.source],
    [Buffer.from('802e0100020015', 'hex'), '15030100020246', 'tls: unsupported SSLv2 handshake received'],
    [Buffer.from('160301ffff', 'hex'), '15030100020216', 'tls: oversized record received with length 65535'],
    [Buffer.from('16030100040b000000', 'hex'), '1503010002020a', 'local error: tls: unexpected message'],
    [Buffer.from('160301000401000000', 'hex'), '15030100020232', 'local error: tls: error decoding message'],
    [Buffer.from('15030100020230', 'hex'), '', 'remote error: tls: unknown certificate authority'],
  ]
  for (const [bytes, answer, message] of rows) {
    t.equal((await say(listener.port, bytes)).toString('hex'), answer, message)
    const told = listener.refusals.at(-1)?.message ?? ''
    t.ok(told === message || new RegExp(message).test(told), told)
  }
  t.equal(listener.refusals.length, rows.length)
})

t.test('whom the client asked for is known of a refusal too', async (t) => {
  const failing = (): never => {
    throw new Error('no serving certificate available for the kubelet')
  }
  const listener = await listen({ keyPair: failing })
  t.teardown(() => listener.close())
  const { refusal } = await visit(listener.port, { servername: 'worker-1' })
  t.match(refusal, { code: 'internal_error', details: { alert: 80 } })
  t.match(listener.refusals, [{ message: 'no serving certificate available for the kubelet', details: { who: 'us' } }])
  t.equal(listener.refused[0]?.serverName, 'worker-1')
  const mismatched = await listen({ keyPair: () => ({ ...serving, key: admin.key }) })
  t.teardown(() => mismatched.close())
  t.match((await visit(mismatched.port)).refusal, { code: 'internal_error' })
  t.match(mismatched.refusals, [{ message: 'tls: private key does not match public key' }])
})

t.test('a certificate request names the CAs, and the serving certificate comes alone', async (t) => {
  const clientCertificates: ClientCertificates = { mode: 'request', caPem: () => twins[0]!.certificate + other }
  const other = (await authority('front-proxy-ca')).ca.certificate
  const twins = await twinAuthorities()
  const listener = await listen({ keyPair: () => pairOf(twins[2]!), clientCertificates, handshakeTimeoutMs: 200 })
  t.teardown(() => listener.close())
  const only12 = helloRecord({ suites: [0xc02f], extensions: [VERSIONS_OFFERED(0x0303)] })
  const flight = await say(listener.port, only12)
  const names = [twins[0]!.certificate, other].map((pem) => parseCertificate(certificatesFromPem(pem)[0]!).rawSubject)
  const listed = Buffer.concat(names.map((name) => Buffer.concat([Buffer.from([0, name.length]), name])))
  t.ok(flight.includes(listed), 'both names, in order')
  t.notOk(flight.includes(certificatesFromPem(twins[0]!.certificate)[0]!), 'and no CA that the file does not hold')
})

t.test('a CA of the same name and another key is refused in our words, RSA too', async (t) => {
  const [ours, theirs, server, good, bad] = await twinAuthorities()
  const roots = certPool(ours!.certificate)
  const clientCertificates: ClientCertificates = {
    mode: 'require',
    caPem: () => ours!.certificate,
    verify: ({ peerChain }) => {
      const answer = answerToClientChain(peerChain, { mode: 'require', version: 'TLSv1.3', roots, time: new Date() })
      return answer.ok ? undefined : { alert: answer.alert, code: answer.code, text: answer.error }
    },
  }
  const listener = await listen({ keyPair: () => pairOf(server!), clientCertificates })
  t.teardown(() => listener.close())
  for (const version of VERSIONS) {
    for (const sent of ['', ours!.certificate, theirs!.certificate]) {
      const { refusal } = await visit(listener.port, {
        ...only(version),
        cert: bad!.certificate + sent,
        key: bad!.privateKey,
      })
      t.match(refusal, { code: 'unknown_ca', details: { alert: 48 } }, version)
      t.match(
        listener.refusals.at(-1)?.message,
        /unknown authority \(possibly because of "crypto\/rsa: verification error"/,
      )
      const { text } = await visit(listener.port, {
        ...only(version),
        cert: good!.certificate + sent,
        key: good!.privateKey,
      })
      t.equal(text, 'hello')
    }
  }
})

t.test('tickets outlive a rotated certificate, not their key, and bring the whole chain back', async (t) => {
  const root = await issueOdd({ commonName: 'root', isCa: true, ...VALIDITY })
  const middle = await issueOdd({ commonName: 'middle', isCa: true, ...VALIDITY }, root)
  const leaf = await issueOdd({ commonName: 'leaf', usages: ['clientAuth'], ...VALIDITY }, middle)
  const client = { cert: leaf.certificate + middle.certificate, key: leaf.privateKey }
  const other = await cluster.server()
  for (const version of VERSIONS) {
    let pair = serving
    const rotating = await listen({ keyPair: () => pair, clientCertificates: request, ticketRotationMs: 400 })
    const { session } = await visit(rotating.port, { ...only(version), ...client })
    pair = other
    const again = await visit(rotating.port, { ...only(version), ...client, session: session! })
    t.equal(again.isResumed, true, `${version}: with another certificate served`)
    t.strictSame(
      rotating.connections.map(({ peerChain }) => subjects(peerChain)),
      [
        ['leaf', 'middle'],
        ['leaf', 'middle'],
      ],
    )
    const elsewhere = await listen({ keyPair, clientCertificates: request })
    const stranger = await visit(elsewhere.port, { ...only(version), ...client, session: session! })
    t.strictSame([stranger.isResumed, stranger.text], [false, 'hello'], 'another listener has its own keys')
    await elsewhere.close()
    const deadline = Date.now() + 5000
    let late = again
    while (late.isResumed && Date.now() < deadline)
      late = await visit(rotating.port, { ...only(version), ...client, session: session! })
    t.strictSame([late.isResumed, late.text], [false, 'hello'], 'after the rotation there is a full handshake')
    await rotating.close()
  }
})

t.test('versions and protocols that do not meet', async (t) => {
  const listener = await listen({ keyPair, alpn: ['h2'], policy: { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } })
  t.teardown(() => listener.close())
  const old = await visit(listener.port, only('TLSv1.2'))
  t.match(old.refusal, { layer: 'tls-alert', code: 'protocol_version', details: { alert: 70 } })
  t.match(listener.refusals, [
    { layer: 'tls-alert', message: 'tls: client offered only unsupported versions: [303 302 301]' },
  ])
  const spdy = await visit(listener.port, { ALPNProtocols: ['spdy/3.1'] })
  t.match(spdy.refusal, { layer: 'tls-alert', code: 'no_application_protocol', details: { alert: 120 } })
  await listener.heard(2)
  t.match(listener.refusals[1], { message: 'tls: client requested unsupported application protocols (["spdy/3.1"])' })
  const silent = await visit(listener.port)
  t.equal(silent.text, 'hello', 'who asks for no protocol is let in, as in Go')
  const deaf = await listen({ keyPair })
  t.teardown(() => deaf.close())
  const unheard = await visit(deaf.port, { ALPNProtocols: ['h2'] })
  t.strictSame([unheard.text, unheard.socket.alpnProtocol], ['hello', false], 'no protocols: none is negotiated')
})

t.test('a slow handshake is cut, wherever it stops', async (t) => {
  const listener = await listen({ keyPair, handshakeTimeoutMs: 150 })
  t.teardown(() => listener.close())
  const started = performance.now()
  const hello = await clientHello()
  const ends = await Promise.all([
    say(listener.port, ''),
    say(listener.port, hello.subarray(0, 40)),
    say(listener.port, hello),
  ])
  const spentMs = performance.now() - started
  t.ok(spentMs >= 140 && spentMs < 3000, `cut after ${Math.round(spentMs)} ms`)
  t.strictSame([ends[0]!.length, ends[1]!.length], [0, 0])
  t.equal(ends[2]![0], 22, 'the whole ClientHello was answered before')
  t.strictSame(
    listener.refusals.map(({ layer, code }) => [layer, code]),
    [1, 2, 3].map(() => [undefined, 'handshake_timeout']),
    'nobody has refused anything',
  )
  t.equal((await visit(listener.port)).text, 'hello')
})

/** RSA: a CA, another one of its name, and under the first a server and a client, under the second a client. */
async function twinAuthorities(): Promise<Issued[]> {
  const spec = { commonName: 'etcd-ca', isCa: true, key: 'RSA-2048', ...VALIDITY } as const
  const [ours, theirs] = await Promise.all([issue(spec), issue(spec)])
  const leaf = { key: 'RSA-2048', commonName: 'leaf', ipAddresses: [ADDRESS], ...VALIDITY } as const
  const usages = ['clientAuth'] as const
  const leaves = [
    issue({ ...leaf, usages: ['serverAuth'] }, ours),
    issue({ ...leaf, usages: [...usages] }, ours),
    issue({ ...leaf, usages: [...usages] }, theirs),
  ]
  return [ours, theirs, ...(await Promise.all(leaves))]
}

/** The first flight of a client of Node's. */
async function clientHello(): Promise<Buffer> {
  const tcp = (await import('node:net')).createServer()
  tcp.listen(0, ADDRESS)
  await once(tcp, 'listening')
  const client = connect({ host: ADDRESS, port: (tcp.address() as { port: number }).port, rejectUnauthorized: false })
  client.on('error', () => {})
  const [raw] = await once(tcp, 'connection')
  const [bytes] = await once(raw, 'data')
  client.destroy()
  raw.destroy()
  tcp.close()
  return bytes as Buffer
}

t.test('no bytes bring it down, and honest clients get in meanwhile', async (t) => {
  const listener = await listen({
    keyPair,
    clientCertificates: request,
    handshakeTimeoutMs: 2000,
    plainHttp: 'http-400',
  })
  t.teardown(() => listener.close())
  const hello = await clientHello()
  const bent = Array.from({ length: 60 }, (_, index) => {
    const copy = Buffer.from(hello)
    copy[5 + ((index * 7) % (copy.length - 5))]! ^= 1 << (index % 8)
    return copy
  })
  const junk = Array.from({ length: 30 }, () => Buffer.concat([Buffer.from([0x16, 3, 1, 0, 200]), randomBytes(200)]))
  const noise = Array.from({ length: 30 }, () => randomBytes(64))
  const halfOpen = Array.from({ length: 60 }, () => connectTcp({ host: ADDRESS, port: listener.port }))
  const resets = [...bent, ...junk, ...noise].map(async (bytes) => {
    const socket = connectTcp({ host: ADDRESS, port: listener.port })
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(bytes)
    const end = once(socket, 'close')
    socket.once('data', () => socket.resetAndDestroy())
    setTimeout(() => socket.resetAndDestroy(), 100).unref()
    await end
  })
  const honest = Promise.all(Array.from({ length: 10 }, () => visit(listener.port, admin)))
  t.strictSame(
    (await honest).map(({ text }) => text),
    Array.from({ length: 10 }, () => 'hello'),
  )
  await Promise.all(resets)
  for (const socket of halfOpen) socket.resetAndDestroy()
  t.equal((await visit(listener.port)).text, 'hello')
})

t.test('who was gone before anybody looked was nobody', async (t) => {
  const plainRemotes: string[] = []
  const plain = await listenPlain({
    address: ADDRESS,
    port: 0,
    onConnection: (socket, { remote }) => plainRemotes.push(remote) && socket.end(),
  })
  const tls = await listen({ keyPair })
  for (const { port } of [tls, plain]) {
    // This process waits meanwhile: it is the kernel that takes the connection, and the reset behind it.
    const reset = `const socket = require('node:net').connect(${port}, '${ADDRESS}', () => socket.resetAndDestroy())`
    spawnSync(process.execPath, ['-e', reset])
    const next = connectTcp({ host: ADDRESS, port }).resume()
    next.on('error', () => {}).end()
    await new Promise((resolve) => void next.once('close', resolve))
  }
  await tls.heard(1)
  for (const listener of [tls, plain]) await listener.close()
  for (const remotes of [tls.refused.map(({ remote }) => remote), plainRemotes]) {
    t.equal(remotes.length, 1)
    t.match(remotes[0], /^127\.0\.0\.1:[1-9]/)
  }
})

t.test('only loopback addresses are listened on', async (t) => {
  for (const address of ['192.0.2.1', '0.0.0.0', '::', 'example.com']) {
    await t.rejects(listen({ keyPair, address }), {
      message: `[address_not_loopback] listen on ${address}: only addresses of the loopback interface are used (give one of 127.0.0.0/8)`,
    })
  }
  const elsewhere = await listen({ keyPair, address: '127.7.7.7' })
  t.equal(elsewhere.address, '127.7.7.7')
  await elsewhere.close()
})

t.test('closing ends what stands', async (t) => {
  const listener = await listen({ keyPair })
  const standing = connectTcp({ host: ADDRESS, port: listener.port })
  await once(standing, 'connect')
  const ended = new Promise<void>((resolve) => standing.once('close', () => resolve()))
  standing.on('error', () => {}).resume()
  await visit(listener.port)
  await listener.close()
  await ended
  const refused = await visit(listener.port)
  t.match(refused.refusal, { layer: 'tcp', code: 'ECONNREFUSED' })
})
