import t from 'tap'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer as createHttps, request as httpsRequest } from 'node:https'
import { connect, createServer as createTcp, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTls, type TLSSocket } from 'node:tls'
import { WebSocket } from 'ws'
import type { ExecSession } from '../../../lib/kube/exec-session.ts'
import { acceptSpdyExec, openSpdyExec } from '../../../lib/kube/exec-spdy.ts'
import { acceptExec, execOverWebSocket } from '../../../lib/kube/exec-websocket.ts'
import { dialTls } from '../../../lib/tls/dial.ts'
import { answerExec } from '../../../lib/wire/answer-exec.ts'
import { answerHttp, type HttpQuestion } from '../../../lib/wire/answer-http.ts'
import { changeStreams } from '../../../lib/wire/change-streams.ts'
import { Wire } from '../../../lib/wire/control.ts'
import { intercept, type InterceptOptions, type Interceptor } from '../../../lib/wire/intercept.ts'
import { FrameReader, frameOf } from '../../../lib/wire/websocket-frames.ts'
import { issue } from '../../../lib/x509/issue.ts'

// An octet of this test file's own.
const FACE = '127.235.1.1'
const BACK = '127.235.1.2'
const VICTIM = '127.235.2.1'
const ATTACKER = { face: '127.235.3.1', back: '127.235.3.2' }
const PORT = 10250
const CANARY = 'canary-0f9a1c77e2b84d35'

const [notBefore, notAfter] = [new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000)]
const ca = await issue({ commonName: 'kubernetes', isCa: true, notBefore, notAfter })
const ofServer = await issue(
  { commonName: 'kubelet', ipAddresses: [FACE], usages: ['serverAuth'], notBefore, notAfter },
  ca,
)
const ofVictim = await issue(
  { commonName: 'kube-apiserver-kubelet-client', usages: ['clientAuth'], notBefore, notAfter },
  ca,
)
const ofAttacker = await issue({ commonName: 'kubelet', ipAddresses: [FACE], notBefore, notAfter })
const keyPair = { cert: ofAttacker.certificate, key: ofAttacker.privateKey }
const victimPair = { cert: ofVictim.certificate, key: ofVictim.privateKey }

const wire = await Wire.start([
  { name: 'worker-2', face: FACE, back: BACK },
  { name: 'control-plane-1', face: VICTIM, back: '127.235.2.2' },
  { name: 'attacker', ...ATTACKER },
])
t.teardown(() => wire.stop())
await wire.open('worker-2', PORT)
const LINK = { from: 'control-plane-1', to: 'worker-2', port: PORT }

/** Puts an interceptor on the link for one test. */
async function onPath(t: Tap, options: Omit<InterceptOptions, 'listen'> & { tls?: boolean }): Promise<Interceptor> {
  const { tls, ...rest } = options
  const interceptor = await intercept({
    ...rest,
    listen: { address: ATTACKER.back, ...(tls === false ? {} : { tls: { keyPair, alpn: ['http/1.1'] } }) },
  })
  await wire.divert(LINK, { address: interceptor.address, port: interceptor.port })
  t.teardown(async () => {
    await wire.undivert(LINK)
    await interceptor.close()
  })
  return interceptor
}

type Tap = Pick<typeof t, 'teardown'>

async function serve(t: Tap, server: Server): Promise<void> {
  server.listen(PORT, BACK)
  await once(server, 'listening')
  t.teardown(() => new Promise<void>((resolve) => void server.close(() => resolve())))
}

/** Says one thing and gives all that comes back. */
async function exchange(socket: Socket, text: string): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => {})
  socket.write(text)
  await new Promise((resolve) => void socket.once('close', resolve))
  return Buffer.concat(chunks).toString()
}

const dialVictim = (): Socket => connect({ host: FACE, port: PORT, localAddress: VICTIM })
const dialVictimTls = (): TLSSocket =>
  connectTls({ socket: dialVictim(), rejectUnauthorized: false, ALPNProtocols: ['http/1.1'], ...victimPair })

/** The first flight of a client, as it would go over the wire. */
async function clientHelloOf(maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<Buffer> {
  const listener = createTcp().listen(0, ATTACKER.back)
  await once(listener, 'listening')
  const where = listener.address()
  if (where === null || typeof where === 'string') throw new Error('no port')
  const client = connectTls({ host: where.address, port: where.port, maxVersion, rejectUnauthorized: false })
  client.on('error', () => {})
  const [accepted]: Socket[] = await once(listener, 'connection')
  if (accepted === undefined) throw new Error('no connection')
  const [flight]: Buffer[] = await once(accepted, 'data')
  client.destroy()
  accepted.destroy()
  listener.close()
  return flight ?? Buffer.alloc(0)
}

/** Answers what it hears, in capitals; never without a client certificate where one is asked for. */
const shout = (socket: Socket): void => {
  socket.on('error', () => {})
  socket.once('data', (chunk: Buffer) => socket.end(String(chunk).toUpperCase()))
}
const onward = { address: FACE, port: PORT, localAddress: ATTACKER.face }

t.test('TLS to TLS: sees both ways, changes what passes, and keeps what the victim showed', async (t) => {
  await serve(
    t,
    createTls({ cert: ofServer.certificate, key: ofServer.privateKey, ALPNProtocols: ['http/1.1'] }, shout),
  )
  const afterId = await wire.lastId()
  const interceptor = await onPath(t, {
    onward: { ...onward, tls: {} },
    pass: (way, chunk) => (way === 'toCaller' ? Buffer.from(`${String(chunk)}, says the attacker`) : chunk),
  })
  t.equal(await exchange(dialVictimTls(), CANARY), `${CANARY.toUpperCase()}, says the attacker`)
  t.match(interceptor.connections, [{ alpn: 'http/1.1', victim: /^127\.235\.2\.1:\d+$/ }])
  t.equal(interceptor.connections[0]?.peerChain.length, 1, `the victim's certificate`)
  t.strictSame(interceptor.loot().map(String), [CANARY, CANARY.toUpperCase()], 'as it came, before it was changed')
  const entries = await wire.ledger({ afterId }, 1000)
  t.match(entries, [
    { from: 'control-plane-1', diverted: true, wireLocal: interceptor.connections[0]?.victim },
    { from: 'attacker', to: 'worker-2', diverted: false },
  ])
})

t.test('TLS to plain, and plain to plain', async (t) => {
  await serve(t, createTcp(shout))
  const ending = await onPath(t, { onward })
  t.equal(await exchange(dialVictimTls(), 'hello'), 'HELLO')
  t.strictSame(ending.loot().map(String), ['hello', 'HELLO'])
  await wire.undivert(LINK)
  const clear = await onPath(t, { onward, tls: false, keepBytes: 3 })
  t.equal(await exchange(dialVictim(), 'hello'), 'HELLO')
  t.strictSame(clear.loot().map(String), ['hel', 'HEL'], 'no more than it was told to keep')
})

t.test('loot is unwrapped: a chunk border does not hide a canary', async (t) => {
  const body = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n${CANARY.slice(0, 9)}\r\ne\r\n${CANARY.slice(9)}\r\n0\r\n\r\n`
  await serve(
    t,
    createTcp((socket) => void socket.once('data', () => socket.end(body))),
  )
  const interceptor = await onPath(t, { onward })
  await exchange(dialVictimTls(), 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  t.ok(interceptor.loot().some((piece) => piece.toString() === CANARY))
})

/** Waits for what an interceptor is about to hear. */
async function refusals(interceptor: Interceptor): Promise<Interceptor['refused']> {
  const deadline = Date.now() + 2000
  while (interceptor.refused.length === 0 && Date.now() < deadline) await new Promise(setImmediate)
  return interceptor.refused
}

const REFUSED_BY_VICTIM = [
  { victim: /^127\.235\.2\.1:\d+$/, refusal: { layer: 'tls-alert', code: 'bad_certificate', details: { alert: 42 } } },
]

t.test('a victim that verifies refuses us with its alert, at TLS 1.3', async (t) => {
  const interceptor = await onPath(t, { onward })
  await t.rejects(
    dialTls({ address: FACE, port: PORT, localAddress: VICTIM, serverName: FACE, caPem: ca.certificate }),
    { layer: 'cert-verify', code: 'unknown_authority' },
  )
  t.match(await refusals(interceptor), REFUSED_BY_VICTIM)
  t.strictSame(interceptor.loot(), [])
})

t.test('a victim that verifies refuses us with its alert, at TLS 1.2, where it comes in the clear', async (t) => {
  const interceptor = await onPath(t, { onward })
  const hello = await clientHelloOf('TLSv1.2')
  const victim = dialVictim().on('error', () => {})
  victim.write(hello)
  await once(victim, 'data')
  // What Go's client says as soon as it has read the server's Certificate.
  victim.write(Buffer.from([21, 3, 3, 0, 2, 2, 42]))
  t.match(await refusals(interceptor), REFUSED_BY_VICTIM)
  t.strictSame(interceptor.connections, [], 'no handshake, no connection')
})

t.test('a real server that asks for a client certificate refuses us: the victim cannot be relayed', async (t) => {
  const mutual = { requestCert: true, rejectUnauthorized: true, ca: ca.certificate }
  await serve(t, createTls({ cert: ofServer.certificate, key: ofServer.privateKey, ...mutual }, shout))
  const interceptor = await onPath(t, { onward: { ...onward, tls: {} } })
  t.equal(await exchange(dialVictimTls(), CANARY), '')
  t.match(interceptor.connections[0]?.refusedOnward, { layer: 'tls-alert', code: 'certificate_required' })
  t.strictSame(interceptor.loot().map(String), [CANARY], 'what the victim said is known all the same')
})

t.test('a server that is not there', async (t) => {
  const interceptor = await onPath(t, { onward: { ...onward, port: 1 } })
  t.equal(await exchange(dialVictimTls(), CANARY), '')
  t.match(interceptor.connections[0]?.refusedOnward, { layer: 'tcp', code: 'ECONNREFUSED' })
})

t.test('answers HTTP in the place of the server', async (t) => {
  const questions: HttpQuestion[] = []
  const answer = answerHttp({
    request: (question) => {
      questions.push(question)
      if (question.path === '/fail') throw new Error('the attacker slipped')
      return { status: 200, headers: { 'content-type': 'text/plain' }, body: 'a forged log line\n' }
    },
  })
  await onPath(t, { answer })
  const ask = (path: string) =>
    new Promise<string>((resolve) => {
      const request = httpsRequest(
        { createConnection: dialVictimTls, method: 'POST', path, headers: { authorization: 'Bearer token' } },
        (response) => {
          let body = ''
          response.setEncoding('utf8').on('data', (text: string) => (body += text))
          response.on('end', () => resolve(`${response.statusCode} ${body}`))
        },
      )
      request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      request.end(CANARY)
    })
  t.equal(await ask('/containerLogs/ns/pod/c?follow=true'), '200 a forged log line\n')
  t.match(questions, [
    { method: 'POST', path: '/containerLogs/ns/pod/c?follow=true', headers: { authorization: 'Bearer token' } },
  ])
  t.equal(questions[0]?.body.toString(), CANARY)
  t.equal(await ask('/fail'), 'ECONNRESET')
})

t.test('answers exec in the place of a kubelet', async (t) => {
  const typed: Buffer[] = []
  const answer = answerHttp({
    request: () => ({ status: 404 }),
    webSocket: answerExec({ output: 'forged output', stdin: (bytes) => typed.push(bytes) }),
  })
  await onPath(t, { answer })
  const exec = async (query: string, protocol: string, send: readonly Buffer[]) => {
    typed.length = 0
    const socket = new WebSocket(`wss://${FACE}:${PORT}/exec/ns/pod/c?${query}`, [protocol], {
      localAddress: VICTIM,
      rejectUnauthorized: false,
    })
    const heard: string[] = []
    socket.on('message', (data: Buffer) => heard.push(`${data[0]} ${data.subarray(1).toString()}`))
    socket.on('open', () => {
      for (const frame of send) socket.send(frame)
    })
    const code = await new Promise((resolve) => void socket.once('close', resolve))
    return { heard, code, protocol: socket.protocol, typed: Buffer.concat(typed).toString() }
  }
  const printed = ['1 forged output', '3 {"metadata":{},"status":"Success"}']
  const stdin = CANARY.split('').map((character) => Buffer.from(`\0${character}`))
  const eof = Buffer.from([255, 0])
  t.strictSame(await exec('command=cat&input=1&output=1', 'v5.channel.k8s.io', [...stdin, eof]), {
    heard: printed,
    code: 1000,
    protocol: 'v5.channel.k8s.io',
    typed: CANARY,
  })
  t.match(await exec('command=cat&input=1', 'v4.channel.k8s.io', [...stdin, Buffer.from('\0\n')]), {
    heard: printed,
    typed: `${CANARY}\n`,
  })
  t.match(await exec('command=id&output=1', 'v5.channel.k8s.io', []), { heard: printed, typed: '' })
  const refused = await exchange(
    dialVictimTls(),
    'POST /exec HTTP/1.1\r\nHost: x\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n',
  )
  t.match(refused, /^HTTP\/1\.1 400 Bad Request/)
})

/** A kubelet of three words: greets, repeats what is typed, and says how it ended. Speaks SPDY and WebSocket. */
const remoteCommand = (): Server => {
  const server = createHttps({ cert: ofServer.certificate, key: ofServer.privateKey })
  const serveExec = async (session: ExecSession): Promise<void> => {
    session.write('stdout', Buffer.from('the truth\n'))
    for await (const bytes of session.stdin) {
      session.write('stdout', bytes)
      if (bytes.includes('\n')) break
    }
    session.end({ metadata: {}, status: 'Success' })
  }
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (request.headers.upgrade === 'websocket') return acceptExec(request, socket, head, (one) => void serveExec(one))
    const protocol = 'v4.channel.k8s.io'
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
    )
    const wants = { stdin: true, stdout: true, stderr: true, tty: false }
    acceptSpdyExec(socket, protocol, wants, (one) => void serveExec(one))
  })
  return server
}

t.test('changes what exec types and prints, over SPDY and over WebSocket, to any length', async (t) => {
  await serve(t, remoteCommand())
  const interceptor = await onPath(t, {
    onward: { ...onward, tls: {} },
    pass: changeStreams((stream, bytes) => {
      if (stream === 'stdin') return Buffer.from(String(bytes).replace('ls', 'rm -rf /'))
      return stream === 'stdout' ? Buffer.from(String(bytes).replace('truth', 'lie')) : bytes
    }),
  })

  const heard: string[] = []
  const upgrade = httpsRequest({
    createConnection: dialVictimTls,
    method: 'POST',
    path: '/exec/ns/pod/c?command=sh&input=1&output=1',
    headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1' },
  })
  upgrade.end()
  const [, spdy]: [IncomingMessage, Socket] = (await once(upgrade, 'upgrade')) as never
  const client = openSpdyExec(spdy, {
    protocol: 'v4.channel.k8s.io',
    stdin: true,
    stdout: true,
    stderr: true,
    tty: false,
    onBytes: (stream, bytes) => heard.push(`${stream} ${String(bytes)}`),
  })
  client.stdin?.write(Buffer.from('ls\n'))
  t.match(await client.status, { status: 'Success' }, 'what is not changed passes')
  client.close()
  t.strictSame(heard, ['stdout the lie\n', 'stdout rm -rf /\n'])

  const overWebSocket = await execOverWebSocket({
    socket: dialVictimTls(),
    host: FACE,
    path: '/exec/ns/pod/c?command=sh&input=1&output=1',
    stdin: 'ls\n',
  })
  t.equal(overWebSocket.stdout.toString(), 'the lie\nrm -rf /\n')
  t.match(overWebSocket.status, { status: 'Success' })
  t.ok(
    interceptor.loot().some((piece) => String(piece) === 'the truth\nrm -rf /\n'),
    'kept as it came',
  )
})

t.test('a frame that comes byte by byte is changed when it is whole; what is no exec passes', (t) => {
  const passed = (
    way: 'toCallee' | 'toCaller',
    bytes: Buffer,
    connection: object,
    pass: ReturnType<typeof changeStreams>,
  ): Buffer => Buffer.concat(Array.from(bytes, (byte) => pass(way, Buffer.from([byte]), connection as never)))
  const pass = changeStreams((stream, bytes) => Buffer.from(`${stream} of ${bytes.length}`))
  const head = Buffer.from(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n',
  )
  const said = (payload: string): Buffer => frameOf({ opcode: 2, fin: true, payload: Buffer.from(payload) }, false)
  const channels = {}
  t.strictSame(
    passed('toCaller', Buffer.concat([head, said('\u0001hello'), said('\u0001'), said('\u00ffx')]), channels, pass),
    Buffer.concat([head, said('\u0001stdout of 5'), said('\u0001'), said('\u00ffx')]),
  )
  const typed = frameOf({ opcode: 2, fin: true, payload: Buffer.from('\0ls') }, true)
  t.strictSame(new FrameReader().push(passed('toCallee', typed, channels, pass)), [
    { opcode: 2, fin: true, payload: Buffer.from('\0stdin of 2') },
  ])
  for (const other of [
    'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\u0082\u0003\u0001hi',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n\u0080\u0003\0\u0001\0\0\0\u0018no header block and more',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n\r\n\u0082\u0003\u0001hi',
  ]) {
    const bytes = Buffer.from(other, 'latin1')
    t.strictSame(passed('toCaller', bytes, {}, pass), bytes)
  }
  t.end()
})

t.test('lets no listener be placed off the loopback interface', async (t) => {
  await t.rejects(intercept({ listen: { address: '192.0.2.1' } }), { message: /^\[address_not_loopback\] / })
})
