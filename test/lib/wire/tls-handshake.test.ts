import t from 'tap'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer as createTcp, type AddressInfo, type Server } from 'node:net'
import { connect as connectTls, createServer as createTls, type ConnectionOptions, type TlsOptions } from 'node:tls'
import { readClientHello, readServerHello } from '../../../lib/wire/tls-hello.ts'
import { readTlsHandshake } from '../../../lib/wire/tls-handshake.ts'
import { isAllTls, readTlsRecords, RECORD_TYPE } from '../../../lib/wire/tls-records.ts'
import { issue } from '../../../lib/x509/issue.ts'

const [notBefore, notAfter] = [new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000)]
const ca = await issue({ commonName: 'kubernetes', isCa: true, notBefore, notAfter })
const server = await issue({ commonName: 'kube-apiserver', usages: ['serverAuth'], notBefore, notAfter }, ca)
const client = await issue({ commonName: 'system:node:payroll-3', usages: ['clientAuth'], notBefore, notAfter }, ca)

async function portOf(listener: Server): Promise<number> {
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const where: AddressInfo | string | null = listener.address()
  if (where === null || typeof where === 'string') throw new Error('no port')
  return where.port
}

/** One TLS conversation, recorded by a relay in this process. */
async function recorded(serverOptions: TlsOptions, clientOptions: ConnectionOptions) {
  const toCallee: Buffer[] = []
  const toCaller: Buffer[] = []
  const tls = createTls({ cert: server.certificate, key: server.privateKey, ...serverOptions }, (socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('answer'))
  })
  tls.on('tlsClientError', () => {})
  const tlsPort = await portOf(tls)
  const relay = createTcp((near) => {
    const far = connect(tlsPort, '127.0.0.1')
    near.on('data', (chunk: Buffer) => {
      toCallee.push(chunk)
      far.write(chunk)
    })
    far.on('data', (chunk: Buffer) => {
      toCaller.push(chunk)
      near.write(chunk)
    })
    near.on('error', () => far.destroy()).on('end', () => far.end())
    far.on('error', () => near.destroy()).on('end', () => near.end())
  })
  const socket = connectTls({
    port: await portOf(relay),
    host: '127.0.0.1',
    rejectUnauthorized: false,
    servername: 'kubernetes.default.svc',
    ALPNProtocols: ['h2', 'http/1.1'],
    ...clientOptions,
  })
  socket.on('error', () => {})
  socket.write('question')
  socket.resume()
  await new Promise((resolve) => void socket.once('close', resolve))
  tls.close()
  relay.close()
  return { toCallee: Buffer.concat(toCallee), toCaller: Buffer.concat(toCaller) }
}

const mutual = { requestCert: true, rejectUnauthorized: false, ca: ca.certificate, ALPNProtocols: ['h2'] }
const shown = { cert: client.certificate, key: client.privateKey }
const subject = (der: Buffer | undefined) => der && new X509Certificate(der).subject

t.test('TLS 1.2 shows who talks to whom: both certificates, the CAs asked for, the ticket', async (t) => {
  const { toCallee, toCaller } = await recorded({ ...mutual, maxVersion: 'TLSv1.2' }, shown)
  const seen = readTlsHandshake(toCallee, toCaller)
  t.match(seen, {
    clientHello: { serverName: 'kubernetes.default.svc', alpn: ['h2', 'http/1.1'], version: 0x0303 },
    serverHello: { version: 0x0303, alpn: 'h2', helloRetry: false },
    alerts: [],
  })
  t.equal(subject(seen?.serverChain[0]), 'CN=kube-apiserver')
  t.equal(subject(seen?.clientChain[0]), 'CN=system:node:payroll-3')
  t.equal(seen?.requestedAuthorities?.length, 1)
  t.equal(seen?.requestedAuthorities?.[0]?.includes('kubernetes'), true)
  t.ok((seen?.newSessionTicket?.length ?? 0) > 100)
  t.ok(seen?.clientHello?.supportedVersions.includes(0x0304), 'this client could have done better')
  t.ok(seen?.clientHello?.groups.includes(0x001d))
  t.ok(seen?.clientHello?.signatureAlgorithms.includes(0x0403))
  t.ok(seen?.clientHello?.cipherSuites.includes(seen.serverHello?.cipherSuite ?? -1))
  t.ok(seen?.clientHello?.extensions.includes(35))
  t.equal(seen?.clientHello?.sessionTicket?.length, 0)
  t.ok(isAllTls(toCallee) && isAllTls(toCaller))
})

t.test('TLS 1.3 hides both certificates and shows the server name all the same', async (t) => {
  const { toCallee, toCaller } = await recorded(mutual, shown)
  const seen = readTlsHandshake(toCallee, toCaller)
  t.match(seen, {
    clientHello: { serverName: 'kubernetes.default.svc', alpn: ['h2', 'http/1.1'] },
    serverHello: { version: 0x0304, helloRetry: false },
  })
  t.strictSame([seen?.serverChain, seen?.clientChain, seen?.requestedAuthorities], [[], [], undefined])
  t.equal(seen?.serverHello?.alpn, undefined)
  t.ok(readTlsRecords(toCaller).records.some(({ type }) => type === RECORD_TYPE.applicationData))
})

t.test('a HelloRetryRequest: the second ClientHello and the real ServerHello count', async (t) => {
  const { toCallee, toCaller } = await recorded({ ecdhCurve: 'P-384' }, { ecdhCurve: 'X25519:P-384' })
  const seen = readTlsHandshake(toCallee, toCaller)
  t.match(seen, { serverHello: { version: 0x0304, helloRetry: false }, clientHello: { groups: [0x001d, 0x0018] } })
  const [first] = readTlsRecords(toCaller).records
  t.equal(readServerHello(first?.body.subarray(4) ?? Buffer.alloc(0))?.helloRetry, true, 'there was one')
})

t.test('alerts in the clear say who refused', async (t) => {
  const { toCallee, toCaller } = await recorded({ minVersion: 'TLSv1.3' }, { maxVersion: 'TLSv1.2' })
  t.match(readTlsHandshake(toCallee, toCaller), {
    alerts: [{ direction: 'toCaller', level: 2, description: 70 }],
    serverChain: [],
  })
})

t.test('what is no TLS, or is cut short, or broken', async (t) => {
  const { toCallee, toCaller } = await recorded({ maxVersion: 'TLSv1.2' }, {})
  t.equal(readTlsHandshake(Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(0)), undefined)
  t.equal(isAllTls(Buffer.from('GET / HTTP/1.1\r\n\r\n')), false)
  t.equal(isAllTls(Buffer.alloc(0)), false)
  t.equal(isAllTls(Buffer.concat([toCaller, Buffer.from('plain text')])), false)
  t.ok(isAllTls(toCaller.subarray(0, -3)), 'a last record that is cut short')
  const [all, fewer] = [readTlsRecords(toCaller), readTlsRecords(toCaller.subarray(0, -3))]
  t.equal(fewer.records.length, all.records.length - 1, 'is no record')
  t.equal(fewer.rest.length, (all.records.at(-1)?.body.length ?? 0) + 5 - 3)
  const hello = readTlsRecords(toCallee).records[0]?.body.subarray(4) ?? Buffer.alloc(0)
  t.not(readClientHello(hello), undefined)
  const cuts = Array.from({ length: hello.length - 60 }, (_, index) => hello.subarray(0, 60 + index))
  const legible = cuts.map(readClientHello).filter((each) => each !== undefined)
  t.match(legible, [{ extensions: [] }], 'cut anywhere it is none, but where TLS 1.2 may leave the extensions out')
  t.equal(legible.length, 1)
  // Behind ChangeCipherSpec bytes are sealed, whatever they look like.
  const forged = Buffer.from('160303000d0b000009000006000003616263', 'hex')
  const chain = readTlsHandshake(toCallee, toCaller)?.serverChain
  t.equal(chain?.length, 1)
  const change = Buffer.from('140303000101', 'hex')
  t.strictSame(readTlsHandshake(Buffer.concat([toCallee, change, forged]), toCaller)?.clientChain, [])
  const helloOnly = toCallee.subarray(0, 5 + 4 + hello.length)
  t.strictSame(readTlsHandshake(Buffer.concat([helloOnly, change, forged]), toCaller)?.clientChain, [])
  t.strictSame(readTlsHandshake(Buffer.concat([helloOnly, forged]), toCaller)?.clientChain, [Buffer.from('abc')])
  // No cut and no flipped byte may throw; the seed makes a failure repeatable.
  let seed = 7
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below
  for (let round = 0; round < 3000; round++) {
    const [one, other] = [Buffer.from(toCallee), Buffer.from(toCaller)]
    const victim = round % 2 === 0 ? one : other
    victim[random(Math.min(victim.length, 1200))] = random(256)
    readTlsHandshake(one.subarray(0, random(one.length + 1)), other.subarray(0, random(other.length + 1)))
  }
  t.pass('3000 broken recordings were read')
})
