import t from 'tap'
import { once } from 'node:events'
import { connect as netConnect, createServer as netServer, type AddressInfo } from 'node:net'
import { randomBytes } from 'node:crypto'
import { connect, createServer, type TlsOptions } from 'node:tls'
import type { KeyAlgorithm } from '../../../lib/x509/certificate-spec.ts'
import { issue } from '../../../lib/x509/issue.ts'
import { parseKeyLog, rsaKey } from '../../../lib/wire/leaked-secrets.ts'
import { openTls } from '../../../lib/wire/tls-decrypt.ts'

interface More {
  key?: KeyAlgorithm
  server?: TlsOptions
  /** A session to resume, from an earlier recording. */
  session?: Buffer
}

/** Runs one TLS conversation through a recording relay; gives both directions and the client's key log. */
async function record(version: 'TLSv1.2' | 'TLSv1.3', ciphers: string, replies: number, more: More = {}) {
  const now = Date.now()
  const validity = { notBefore: new Date(now - 60_000), notAfter: new Date(now + 3_600_000) }
  const issued = await issue({
    commonName: 'localhost',
    dnsNames: ['localhost'],
    key: more.key ?? 'ECDSA-P256',
    ...validity,
  })
  const server = createServer(
    {
      cert: issued.certificate,
      key: issued.privateKey,
      minVersion: version,
      maxVersion: version,
      ciphers,
      ...more.server,
    },
    (socket) => {
      socket.on('error', () => {})
      socket.on('data', () => {
        for (let index = 0; index < replies; index += 1) socket.write(`reply ${index} canary-of-the-server`)
        socket.end()
      })
    },
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const sides: { toServer: Buffer[]; toClient: Buffer[] } = { toServer: [], toClient: [] }
  const relay = netServer((near) => {
    const far = netConnect((server.address() as AddressInfo).port, '127.0.0.1')
    near.on('data', (chunk) => void (sides.toServer.push(chunk), far.write(chunk)))
    far.on('data', (chunk) => void (sides.toClient.push(chunk), near.write(chunk)))
    near.on('end', () => far.end()).on('error', () => {})
    far.on('end', () => near.end()).on('error', () => {})
  })
  await once(relay.listen(0, '127.0.0.1'), 'listening')
  let keylog = ''
  const client = connect({
    port: (relay.address() as AddressInfo).port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...(more.session ? { session: more.session } : {}),
  })
  let session: Buffer | undefined
  client.on('session', (fresh: Buffer) => (session = fresh))
  client.on('keylog', (line) => (keylog += line.toString('latin1')))
  let resumed = false
  client.on('secureConnect', () => {
    resumed = client.isSessionReused()
    client.write('ask canary-of-the-client')
  })
  client.resume()
  await once(client, 'close')
  server.close()
  relay.close()
  const sent = { toServer: Buffer.concat(sides.toServer), toClient: Buffer.concat(sides.toClient) }
  return { ...sent, keylog, session, privateKey: issued.privateKey, resumed }
}

for (const [version, ciphers] of [
  ['TLSv1.3', 'TLS_AES_256_GCM_SHA384'],
  ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'],
  ['TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256'],
  ['TLSv1.2', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ['TLSv1.2', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['TLSv1.2', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
] as const) {
  t.test(`${version} ${ciphers} opens with its session keys, and not without`, async (t) => {
    const recorded = await record(version, ciphers, 3)
    t.notOk(recorded.toServer.includes('canary-of-the-client'), 'the wire itself holds nothing in the clear')
    const opened = openTls(recorded.toServer, recorded.toClient, { keyLog: parseKeyLog(recorded.keylog) })
    t.equal(opened?.toServer.toString(), 'ask canary-of-the-client')
    t.match(opened?.toClient.toString(), /^reply 0 canary-of-the-serverreply 1 .*reply 2 canary-of-the-server$/)
    const others = await record(version, ciphers, 1)
    t.equal(openTls(recorded.toServer, recorded.toClient, { keyLog: parseKeyLog(others.keylog) }), undefined)
  })
}

const ASKED = 'ask canary-of-the-client'
const opens = (recorded: Awaited<ReturnType<typeof record>>, leaked: Parameters<typeof openTls>[2]) =>
  openTls(recorded.toServer, recorded.toClient, leaked)?.toServer.toString()

t.test('static RSA: the server key that is stolen a month later opens the recording', async (t) => {
  for (const ciphers of ['AES128-GCM-SHA256', 'AES256-GCM-SHA384']) {
    const recorded = await record('TLSv1.2', ciphers, 2, { key: 'RSA-2048' })
    const key = rsaKey(recorded.privateKey)
    t.ok(key)
    const opened = openTls(recorded.toServer, recorded.toClient, { serverKeys: key ? [key] : [] })
    t.equal(opened?.toServer.toString(), ASKED, ciphers)
    t.equal(opened?.toClient.toString(), 'reply 0 canary-of-the-serverreply 1 canary-of-the-server')
    const other = await record('TLSv1.2', ciphers, 1, { key: 'RSA-2048' })
    const otherKey = rsaKey(other.privateKey)
    t.equal(opens(recorded, { serverKeys: otherKey ? [otherKey] : [] }), undefined, `another server's key`)
    t.equal(opens(recorded, { serverKeys: [otherKey, key].filter((each) => each !== undefined) }), ASKED, 'of several')
  }
})

t.test('the same key opens nothing where it only signed: ECDHE at TLS 1.2, and TLS 1.3', async (t) => {
  for (const [version, ciphers] of [
    ['TLSv1.2', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'],
  ] as const) {
    const recorded = await record(version, ciphers, 1, { key: 'RSA-2048' })
    const key = rsaKey(recorded.privateKey)
    t.ok(key)
    t.equal(opens(recorded, { serverKeys: key ? [key] : [] }), undefined, version)
    t.equal(opens(recorded, { keyLog: parseKeyLog(recorded.keylog) }), ASKED, 'it is all there, with the session keys')
  }
  t.equal(
    rsaKey((await record('TLSv1.2', 'ECDHE-ECDSA-AES128-GCM-SHA256', 1)).privateKey),
    undefined,
    'an EC key signs',
  )
  t.equal(rsaKey('no key'), undefined)
})

t.test('a stolen ticket key opens TLS 1.2 sessions, ECDHE or not, and the ones that resume them', async (t) => {
  const ticketKeys = randomBytes(48)
  const server = { ticketKeys }
  const first = await record('TLSv1.2', 'ECDHE-ECDSA-AES256-GCM-SHA384', 1, { server })
  t.equal(opens(first, { ticketKeys: [randomBytes(48), ticketKeys] }), ASKED)
  t.equal(opens(first, { ticketKeys: [randomBytes(48)] }), undefined, 'another key')
  const renamed = Buffer.concat([ticketKeys.subarray(0, 16), randomBytes(32)])
  t.equal(opens(first, { ticketKeys: [renamed] }), undefined, 'of the same name, but another key')
  t.equal(opens(first, { ticketKeys: [ticketKeys.subarray(1)] }), undefined, 'of no known length')
  const again = await record('TLSv1.2', 'ECDHE-ECDSA-AES256-GCM-SHA384', 1, {
    server,
    ...(first.session ? { session: first.session } : {}),
  })
  t.equal(again.resumed, true)
  t.equal(opens(again, { ticketKeys: [ticketKeys] }), ASKED, 'by the ticket in its ClientHello')
  const modern = await record('TLSv1.3', 'TLS_AES_128_GCM_SHA256', 1, { server })
  t.equal(
    opens(modern, { ticketKeys: [ticketKeys] }),
    undefined,
    'TLS 1.3 seals its tickets and mixes in a new exchange',
  )
})

t.test('a recording with any byte wrong, or cut anywhere, opens or does not, and never throws', async (t) => {
  const recorded = await record('TLSv1.2', 'AES128-GCM-SHA256', 1, { key: 'RSA-2048' })
  const key = rsaKey(recorded.privateKey)
  const leaked = { keyLog: parseKeyLog(recorded.keylog), serverKeys: key ? [key] : [], ticketKeys: [randomBytes(48)] }
  let openedOnes = 0
  for (const side of ['toServer', 'toClient'] as const) {
    const whole = recorded[side]
    for (let at = 0; at < Math.min(whole.length, 1500); at += 1) {
      const changed = Buffer.from(whole)
      changed[at]! ^= 1 + (at % 255)
      for (const each of [changed, whole.subarray(0, at)]) {
        if (openTls(...both(recorded, side, each), leaked) !== undefined) openedOnes += 1
      }
    }
  }
  t.ok(openedOnes > 100, 'most of them still do')
})

function both(
  recorded: { toServer: Buffer; toClient: Buffer },
  side: 'toServer' | 'toClient',
  bytes: Buffer,
): [Buffer, Buffer] {
  return side === 'toServer' ? [bytes, recorded.toClient] : [recorded.toServer, bytes]
}
