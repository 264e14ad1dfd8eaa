/** The dialling side: whom it believes, what it says on the wire to whom it does not, and whose word a failure is. */
import t from 'tap'
import { once } from 'node:events'
import { connect as connectTcp, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { dialTls, lastRefusal, type DialOptions } from '../../../lib/tls/dial.ts'
import type { ClientCertificates, KeyPair } from '../../../lib/tls/listen.ts'
import { Refusal } from '../../../lib/tls/refusal.ts'
import { parseCertificate } from '../../../lib/x509/parse.ts'
import { ADDRESS, authority, listen, only, oversized, PAST, unparsable, VERSIONS } from './tls-world.ts'

t.setTimeout(30_000)

const cluster = await authority()
const serving = await cluster.server()
const admin = await cluster.client({ commonName: 'kubernetes-admin' })
const caPem = cluster.ca.certificate

type Facts = Partial<DialOptions> & { port: number }

const dial = (facts: Facts): Promise<import('node:tls').TLSSocket> =>
  dialTls({ address: ADDRESS, serverName: ADDRESS, caPem, ...facts })

/** The refusal that a dial must end with. */
async function refusal(facts: Facts): Promise<Refusal> {
  try {
    const socket = await dial(facts)
    socket.destroy()
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
  throw new Error('the dial was let in')
}

async function readAll(socket: Socket): Promise<string> {
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return text
}

/** A server that does whatever `serve` does with a TCP connection. */
async function rawServer(serve: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, ADDRESS)
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, server }
}

/** A TLS server of plain Node: ours, like Go's, serves no certificate that it cannot read. */
async function nodeServer(pair: KeyPair): Promise<{ port: number; server: Server }> {
  const server = createTlsServer(pair)
  server.on('tlsClientError', () => {})
  server.listen(0, ADDRESS)
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, server }
}

for (const version of VERSIONS) {
  const policy = only(version)

  t.test(`${version}: a server that holds what it should is believed`, async (t) => {
    const listener = await listen({
      keyPair: () => serving,
      clientCertificates: { mode: 'request', caPem: () => caPem },
      alpn: ['h2'],
    })
    t.teardown(() => listener.close())
    const byName = await dial({ port: listener.port, policy, serverName: 'server.test', keyPair: admin, alpn: ['h2'] })
    t.strictSame([byName.getProtocol(), byName.alpnProtocol], [version, 'h2'])
    t.equal(await readAll(byName), 'hello')
    const byAddress = await dial({ port: listener.port, policy })
    t.equal(await readAll(byAddress), 'hello')
    const [named, addressed] = listener.connections
    t.match(named, { serverName: 'server.test', alpn: 'h2' })
    t.equal(parseCertificate(named!.peerChain[0]!).subject.commonName, 'kubernetes-admin')
    t.strictSame([addressed?.serverName, addressed?.peerChain], [undefined, []], 'an address is no SNI')
    t.strictSame(listener.refusals, [])
    t.equal(lastRefusal(byName), undefined)
  })

  t.test(`${version}: a server that does not is told so with Go's alert`, async (t) => {
    const stranger = await authority('stranger')
    const now = /\(possibly because|current time/
    const rows = [
      { what: 'another CA', pair: await stranger.server(), code: 'unknown_authority', text: /unknown authority/ },
      {
        what: 'another CA of the same name',
        pair: await (await authority()).server(),
        code: 'unknown_authority',
        text: now,
      },
      { what: 'no CA to believe', pair: serving, facts: { caPem: '' }, code: 'unknown_authority', text: /authority$/ },
      { what: 'expired', pair: await cluster.server(PAST), code: 'expired', text: /has expired .*current time/ },
      {
        what: 'another name',
        pair: serving,
        facts: { serverName: 'etcd-1' },
        code: 'host_name_mismatch',
        text: /certificate is valid for server\.test, not etcd-1$/,
      },
      {
        what: 'another address',
        pair: serving,
        facts: { serverName: '127.0.0.2' },
        code: 'host_name_mismatch',
        text: /certificate is valid for 127\.0\.0\.1, not 127\.0\.0\.2$/,
      },
      {
        what: 'no server',
        pair: await cluster.server({ usages: ['clientAuth'] }),
        code: 'incompatible_usage',
        text: /incompatible key usage$/,
      },
    ]
    for (const { what, pair, facts, code, text } of rows) {
      const listener = await listen({ keyPair: () => pair })
      const found = await refusal({ port: listener.port, policy, ...facts })
      t.match(found, { layer: 'cert-verify', code, message: /^tls: failed to verify certificate: x509: / }, what)
      t.match(found.message, text)
      t.equal(found.details.alert, 42)
      t.equal(found.details.remote, `${ADDRESS}:${listener.port}`)
      await listener.heard(1)
      t.match(listener.refusals, [
        { layer: 'tls-alert', code: 'bad_certificate', message: 'remote error: tls: bad certificate' },
      ])
      t.equal(listener.refused[0]?.remote, found.details.local, 'and by its ends the two are one connection')
      t.strictSame(listener.connections, [])
      await listener.close()
    }
  })

  t.test(`${version}: what Go cannot read it refuses, believer or not`, async (t) => {
    const odd = await nodeServer(await unparsable(cluster.ca))
    const big = await nodeServer(await oversized(cluster.ca))
    t.teardown(() => [odd, big].map(({ server }) => server.close()))
    for (const insecureSkipVerify of [false, true]) {
      t.match(await refusal({ port: odd.port, policy, insecureSkipVerify }), {
        layer: 'cert-verify',
        code: 'unparsable',
        message: 'tls: failed to parse certificate from server: x509: negative serial number',
        details: { alert: 50 },
      })
      t.match(await refusal({ port: big.port, policy, insecureSkipVerify }), {
        layer: 'cert-verify',
        code: 'rsa_key_too_large',
        message: 'tls: server sent certificate containing RSA key larger than 8192 bits',
        details: { alert: 42 },
      })
    }
    const foreign = await listen({ keyPair: () => serving })
    t.teardown(() => foreign.close())
    const socket = await dial({ port: foreign.port, policy, caPem: '', serverName: 'x', insecureSkipVerify: true })
    t.equal(await readAll(socket), 'hello', 'InsecureSkipVerify believes everybody else')
  })

  t.test(`${version}: the server's alert is its word`, async (t) => {
    const verdict = { alert: 48, code: 'unknown_ca', text: 'tls: failed to verify certificate' }
    const clientCertificates: ClientCertificates = { mode: 'require', verify: () => verdict }
    const listener = await listen({ keyPair: () => serving, clientCertificates })
    t.teardown(() => listener.close())
    const rows: [KeyPair | undefined, string, string][] = [
      [admin, 'unknown_ca', 'remote error: tls: unknown certificate authority'],
      version === 'TLSv1.3'
        ? [undefined, 'certificate_required', 'remote error: tls: certificate required']
        : [undefined, 'handshake_failure', 'remote error: tls: handshake failure'],
    ]
    for (const [keyPair, code, text] of rows) {
      const facts = { port: listener.port, policy, ...(keyPair && { keyPair }) }
      if (version === 'TLSv1.2') {
        t.match(await refusal(facts), { layer: 'tls-alert', code, message: text })
        continue
      }
      // At TLS 1.3 the client is done before the server has looked: the alert comes with the first read.
      const socket = await dial(facts)
      t.equal(await readAll(socket), '')
      t.match(lastRefusal(socket), { layer: 'tls-alert', code, message: text })
    }
  })

  t.test(`${version}: what stands on the wire when a server is refused`, async (t) => {
    const listener = await listen({ keyPair: () => serving })
    const said: Buffer[] = []
    const relay = await rawServer((caller) => {
      const callee = connectTcp({ host: ADDRESS, port: listener.port })
      caller.on('data', (bytes) => said.push(bytes))
      caller.pipe(callee).pipe(caller)
      callee.on('error', () => {})
    })
    t.teardown(async () => {
      relay.server.close()
      await listener.close()
    })
    const closed = once(relay.server, 'connection').then(([caller]: Socket[]) => once(caller!, 'close'))
    t.match(await refusal({ port: relay.port, policy, serverName: 'elsewhere' }), { code: 'host_name_mismatch' })
    await closed
    const records = recordsOf(Buffer.concat(said))
    if (version === 'TLSv1.2') {
      t.equal(records.length, 2, 'the ClientHello, and then nothing but')
      t.strictSame(records[1], { type: 21, body: '022a' }, 'an alert in the clear in the place of the key exchange')
      return
    }
    const sealed = records.filter(({ type }) => type !== 20)[1]
    t.equal(sealed?.type, 23, 'a sealed record')
    t.equal(sealed?.body.length, 2 * (3 + 16), 'of the size of an alert: level, description, type and tag')
  })
}

interface RecordOnWire {
  type: number
  /** Hex. */
  body: string
}

function recordsOf(bytes: Buffer): RecordOnWire[] {
  const found: RecordOnWire[] = []
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 5 + bytes.readUInt16BE(at + 3)
    found.push({ type: bytes[at]!, body: bytes.subarray(at + 5, end).toString('hex') })
    at = end
  }
  return found
}

t.test('nobody there, and nobody who speaks', async (t) => {
  const gone = await rawServer(() => {})
  gone.server.close()
  await once(gone.server, 'close')
  t.match(await refusal({ port: gone.port }), {
    layer: 'tcp',
    code: 'ECONNREFUSED',
    message: `dial tcp ${ADDRESS}:${gone.port}: connect: connection refused`,
  })
  const sockets = new Set<Socket>()
  const silent = await rawServer((socket) => sockets.add(socket))
  const rude = await rawServer((socket) => socket.resetAndDestroy())
  const shy = await rawServer((socket) => socket.end())
  const plain = await rawServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    for (const { server } of [silent, rude, shy, plain]) server.close()
  })
  t.match(await refusal({ port: silent.port, timeoutMs: 100 }), {
    layer: undefined,
    code: 'handshake_timeout',
    message: 'net/http: TLS handshake timeout',
  })
  for (const { port } of [rude, shy]) {
    const found = await refusal({ port })
    t.equal(found.layer, undefined, `a close without a word is nobody's refusal (${found.message})`)
  }
  t.match(await refusal({ port: plain.port }), { message: 'tls: first record does not look like a TLS handshake' })
})

t.test('only loopback addresses are dialled', async (t) => {
  await t.rejects(dial({ port: 1, address: '192.0.2.1' }), {
    message:
      '[address_not_loopback] dial 192.0.2.1: only addresses of the loopback interface are used (give one of 127.0.0.0/8)',
  })
})

t.test('the source address is the one asked for', async (t) => {
  const listener = await listen({ keyPair: () => serving })
  t.teardown(() => listener.close())
  await readAll(await dial({ port: listener.port, localAddress: '127.7.7.7' }))
  t.match(listener.connections, [{ remote: /^127\.7\.7\.7:\d+$/ }])
})
