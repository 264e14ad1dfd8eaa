/** What a server signed for whom, as anybody can see who chose the random. */
import t from 'tap'
import { randomBytes, X509Certificate } from 'node:crypto'
import { halfOpen } from '../../../lib/attacker/half-open.ts'
import type { Observation } from '../../../lib/attacker/world.ts'
import { listenPlain } from '../../../lib/tls/plain.ts'
import { signerFor } from '../../../lib/wire/server-signature.ts'
import { ADDRESS, authority, listen, only } from '../tls/tls-world.ts'

t.test('half a handshake makes a server sign, for this random and no other', async (t) => {
  const cluster = await authority()
  const observed: Observation[] = []
  const caller = { localAddress: ADDRESS, observe: (seen: Observation) => void observed.push(seen) }
  const serving = await cluster.server()
  const { raw } = new X509Certificate(serving.cert)
  const listener = await listen({
    keyPair: () => serving,
    clientCertificates: { mode: 'require', verify: () => undefined },
  })
  t.teardown(() => listener.close())
  const random = randomBytes(32)
  const flight = await halfOpen(`https://${ADDRESS}:${listener.port}`, random, caller)
  t.ok(signerFor(random, flight)?.equals(raw))
  t.equal(signerFor(randomBytes(32), flight), undefined, 'for somebody else')
  for (let at = 0; at < flight.length; at += 97) signerFor(random, flight.subarray(0, at))
  const spoilt = Buffer.from(flight)
  // named_curve, x25519, a share of 32 bytes
  const exchange = flight.indexOf(Buffer.from([3, 0, 0x1d, 0x20]))
  spoilt[exchange + 5]! ^= 1
  t.equal(signerFor(random, spoilt), undefined, 'over another share')
  t.strictSame(observed, [])
})

t.test('a server of TLS 1.3 alone signs nothing in the clear, and says so', async (t) => {
  const cluster = await authority()
  const serving = await cluster.server()
  const listener = await listen({
    keyPair: () => serving,
    clientCertificates: { mode: 'request' },
    policy: only('TLSv1.3'),
  })
  t.teardown(() => listener.close())
  const random = randomBytes(32)
  const observed: Observation[] = []
  const remote = `${ADDRESS}:${listener.port}`
  const flight = await halfOpen(`https://${remote}`, random, {
    localAddress: ADDRESS,
    observe: (seen) => void observed.push(seen),
  })
  t.equal(signerFor(random, flight), undefined)
  t.strictSame([flight[0], ...flight.subarray(5)], [21, 2, 70], 'protocol_version')
  const text = 'remote error: tls: protocol version not supported'
  t.strictSame(observed, [{ remote, code: 'protocol_version', text, layer: 'tls-alert', alert: 70 }])
})

t.test('a server that ends within its flight without a word is not waited for, and has refused nothing', async (t) => {
  const listener = await listenPlain({
    address: ADDRESS,
    port: 0,
    // The beginning of a record of 255 bytes.
    onConnection: (socket) => socket.end(Buffer.from([22, 3, 3, 0, 255, 2])),
  })
  t.teardown(() => listener.close())
  const observed: Observation[] = []
  const remote = `${ADDRESS}:${listener.port}`
  const beginMs = performance.now()
  const flight = await halfOpen(`https://${remote}`, randomBytes(32), {
    localAddress: ADDRESS,
    observe: (seen) => void observed.push(seen),
  })
  t.ok(performance.now() - beginMs < 3000, 'before its time-out')
  t.equal(flight.length, 6)
  t.strictSame(observed, [{ remote, code: 'EOF', text: 'EOF' }])
})
