import t from 'tap'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { addressPlan, claimOctet, loopbackPlan } from '../../../lib/cluster/addresses.ts'

const PORT = 16455

t.test('a host is three addresses, found by name and by any of them', async (t) => {
  const plan = loopbackPlan(20, ['control-plane-1', 'worker-1'])
  t.strictSame(plan.host('worker-1'), {
    name: 'worker-1',
    number: 2,
    face: '127.20.2.1',
    back: '127.20.2.2',
    loop: '127.20.2.3',
  })
  t.strictSame(plan.face('control-plane-1', 6443), { address: '127.20.1.1', port: 6443 })
  t.strictSame(plan.back('control-plane-1'), { address: '127.20.1.2' })
  t.strictSame(plan.loop('worker-1', 10248), { address: '127.20.2.3', port: 10248 })
  t.equal(plan.hostAt('127.20.2.2')?.name, 'worker-1')
  t.equal(plan.hostAt('127.0.0.1'), undefined)
  t.equal(plan.operator, '127.0.0.1')
  t.throws(() => plan.face('worker-9'), {
    message: '[address_host] no host is called worker-9; known are control-plane-1, worker-1',
  })
  t.throws(() => loopbackPlan(0, []), { message: `[address_octet] a run's octet is 1 to 254, got 0` })
})

t.test('nothing off the loopback interface is planned', async (t) => {
  const host = { name: 'a', number: 1, face: '192.0.2.1', back: '127.20.1.2', loop: '127.20.1.3' }
  t.throws(() => addressPlan([host], '127.0.0.1'), { message: /^\[address_not_loopback\] listen on 192\.0\.2\.1: / })
})

t.test('two runs never hold the same octet, and a released one is free again', async (t) => {
  const claims = await Promise.all(Array.from({ length: 20 }, () => claimOctet(PORT)))
  const octets = claims.map(({ octet }) => octet)
  t.equal(new Set(octets).size, octets.length)
  for (const octet of octets) t.ok(octet >= 16 && octet <= 254)
  const [first] = claims
  const taken = createServer().listen({ host: `127.${first?.octet}.0.1`, port: PORT, exclusive: true })
  const [error]: unknown[] = await once(taken, 'error')
  t.match(error, { code: 'EADDRINUSE' })
  await Promise.all(claims.map((claim) => claim.release()))
  const free = createServer().listen({ host: `127.${first?.octet}.0.1`, port: PORT, exclusive: true })
  await once(free, 'listening')
  free.close()
})

t.test('a port that is taken everywhere is said so', async (t) => {
  const everywhere = createServer().listen({ host: '0.0.0.0', port: PORT + 1 })
  await once(everywhere, 'listening')
  t.teardown(() => everywhere.close())
  await t.rejects(claimOctet(PORT + 1), {
    message: /^\[address_octets_taken\] no octet of 127\/8 is free for a run: port 16456/,
  })
})
