import t from 'tap'
import { once } from 'node:events'
import { connect as netConnect, createServer as netServer, type AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import { issue } from '../../../lib/x509/issue.ts'
import { openTls, parseKeyLog } from '../../../lib/wire/tls-decrypt.ts'

/** Runs one TLS conversation through a recording relay; gives both directions and the client's key log. */
async function record(version: 'TLSv1.2' | 'TLSv1.3', ciphers: string, replies: number) {
  const now = Date.now()
  const validity = { notBefore: new Date(now - 60_000), notAfter: new Date(now + 3_600_000) }
  const issued = await issue({ commonName: 'localhost', dnsNames: ['localhost'], ...validity })
  const server = createServer(
    { cert: issued.certificate, key: issued.privateKey, minVersion: version, maxVersion: version, ciphers },
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
  const client = connect({ port: (relay.address() as AddressInfo).port, host: '127.0.0.1', rejectUnauthorized: false })
  client.on('keylog', (line) => (keylog += line.toString('latin1')))
  client.on('secureConnect', () => client.write('ask canary-of-the-client'))
  client.resume()
  await once(client, 'close')
  server.close()
  relay.close()
  return { toServer: Buffer.concat(sides.toServer), toClient: Buffer.concat(sides.toClient), keylog }
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
    const opened = openTls(recorded.toServer, recorded.toClient, parseKeyLog(recorded.keylog))
    t.equal(opened?.toServer.toString(), 'ask canary-of-the-client')
    t.match(opened?.toClient.toString(), /^reply 0 canary-of-the-serverreply 1 .*reply 2 canary-of-the-server$/)
    const others = await record(version, ciphers, 1)
    t.equal(openTls(recorded.toServer, recorded.toClient, parseKeyLog(others.keylog)), undefined)
  })
}
