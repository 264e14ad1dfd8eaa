/** The one door for foreign errors: every row of its table, really brought about, at both ends and in both versions. */
import t from 'tap'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { dialTls } from '../../../lib/tls/dial.ts'
import type { KeyPair } from '../../../lib/tls/listen.ts'
import { FOREIGN_ERRORS, refusalOf, type ForeignError, Refusal } from '../../../lib/tls/refusal.ts'
import { Tamper } from '../../../lib/wire/tamper.ts'
import { GROUPS, helloRecord, message, record, VERSIONS_OFFERED } from './hello-bytes.ts'
import { ADDRESS, authority, listen, only, VERSIONS, visit, type Heard } from './tls-world.ts'

t.setTimeout(30_000)

const cluster = await authority()
const stranger = await authority('stranger')
const serving = await cluster.server()
const admin = await cluster.client()
const caPem = cluster.ca.certificate
const clientCertificates = { mode: 'require', caPem: () => caPem, verify: () => undefined } as const

type Tap = Pick<typeof import('tap').t, 'match'>

const produced = new Set<ForeignError>()

/** Checks a refusal, and notes the row that made it. */
function check(t: Tap, refusal: Refusal | undefined, wanted: object, what: string): void {
  t.match(refusal, wanted, what)
  const { cause } = refusal?.details ?? {}
  const { message, code } = (cause ?? {}) as { message?: string; code?: string }
  for (const row of FOREIGN_ERRORS) {
    const match = row.match.exec(message ?? '') ?? row.match.exec(code ?? '')
    if (match && refusal?.message.endsWith(row.text(match, ''))) produced.add(row)
  }
}

async function dialRefusal(port: number, facts: Partial<Parameters<typeof dialTls>[0]> = {}): Promise<Refusal> {
  try {
    const socket = await dialTls({ address: ADDRESS, port, serverName: ADDRESS, caPem, ...facts })
    socket.destroy()
  } catch (error) {
    return error as Refusal
  }
  throw new Error('the dial was let in')
}

/** A server that does whatever `serve` does with a TCP connection. */
async function rawServer(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    sockets.add(socket)
    serve(socket)
  })
  const sockets = new Set<Socket>()
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  server.listen(0, ADDRESS)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A relay that may change what passes: `bend` gets a number for each chunk of its direction. */
async function relay(
  port: number,
  bend: (chunk: Buffer, direction: 'up' | 'down', index: number, ends: [Socket, Socket]) => Buffer,
): Promise<number> {
  return rawServer((client) => {
    const server = connect({ host: ADDRESS, port })
    const ends: [Socket, Socket] = [client, server]
    for (const [from, to, direction] of [
      [client, server, 'up'],
      [server, client, 'down'],
    ] as const) {
      let index = 0
      from.on('data', (chunk) => to.write(bend(chunk, direction, index++, ends)))
      from.on('end', () => to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
  })
}

const flipLast = (chunk: Buffer): Buffer => {
  const copy = Buffer.from(chunk)
  copy[copy.length - 1]! ^= 1
  return copy
}

/** A pair whose key says that it belongs to the certificate, and does not: the proof of possession is another's. */
async function pretender(pair: KeyPair): Promise<KeyPair> {
  const other = createPrivateKey((await cluster.client()).key).export({ format: 'jwk' })
  const { x, y } = createPublicKey(pair.key).export({ format: 'jwk' })
  const d = Buffer.from(other.d!, 'base64url')
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')])
  // ECPrivateKey (RFC 5915): OpenSSL believes the public key that stands in it.
  const der = Buffer.concat([
    Buffer.from('30770201010420', 'hex'),
    d,
    Buffer.from('a00a06082a8648ce3d030107a14403420000', 'hex').subarray(0, -1),
    point,
  ])
  return {
    cert: pair.cert,
    key: `-----BEGIN EC PRIVATE KEY-----\n${der.toString('base64')}\n-----END EC PRIVATE KEY-----\n`,
  }
}

for (const version of VERSIONS) {
  const policy = only(version)
  const listening = async (facts: Partial<Parameters<typeof listen>[0]> = {}): Promise<Heard> => {
    const listener = await listen({ keyPair: () => serving, clientCertificates, ...facts })
    t.teardown(() => listener.close())
    return listener
  }

  t.test(`${version}: the other end's alert`, async (t) => {
    const listener = await listening()
    const unseen = await visit(listener.port, policy)
    const code = version === 'TLSv1.3' ? 'certificate_required' : 'handshake_failure'
    const text = `remote error: tls: ${code.replaceAll('_', ' ')}`
    check(t, unseen.refusal, { layer: 'tls-alert', code, message: text, details: { who: 'them' } }, 'heard by a client')
    await dialRefusal(listener.port, { caPem: stranger.ca.certificate, policy, keyPair: admin })
    await listener.heard(2)
    const heard = { layer: 'tls-alert', code: 'bad_certificate', message: 'remote error: tls: bad certificate' }
    check(t, listener.refusals[1], { ...heard, details: { alert: 42, who: 'them' } }, 'heard by a server')
  })

  t.test(`${version}: an end, and a reset, in the middle of it`, async (t) => {
    const nobody = (code: string, message: string | RegExp) => ({ layer: undefined, code, message })
    const listener = await listening()
    const cut = (how: 'end' | 'resetAndDestroy', whom: 0 | 1) =>
      relay(listener.port, (chunk, direction, _, ends) => {
        if (direction === 'up') return chunk
        ends[whom][how]()
        ends[1 - whom]!.destroy()
        return chunk
      })
    const ended = await visit(await cut('end', 0), policy)
    check(t, ended.refusal, nobody('EOF', 'EOF'), 'an end, seen by a client')
    const reset = await visit(await cut('resetAndDestroy', 0), policy)
    check(t, reset.refusal, nobody('ECONNRESET', /read: connection reset by peer$/), 'a reset, seen by a client')
    const seen = async (how: 'end' | 'resetAndDestroy'): Promise<Refusal | undefined> => {
      const { length } = listener.refusals
      await visit(await cut(how, 1), policy)
      await listener.heard(length + 1)
      return listener.refusals[length]
    }
    check(t, await seen('end'), nobody('EOF', 'EOF'), 'an end, seen by a server')
    // At TLS 1.2 Node's socket has forgotten whose it was by then; a reset is nobody's word either way.
    const wasReset =
      version === 'TLSv1.3' ? nobody('ECONNRESET', 'read: connection reset by peer') : nobody('EOF', 'EOF')
    check(t, await seen('resetAndDestroy'), wasReset, 'a reset, seen by a server')
  })

  t.test(`${version}: a proof of possession that is none`, async (t) => {
    const wanted = (who: string) => ({
      layer: 'tls-alert',
      code: 'decrypt_error',
      message: `tls: invalid signature by the ${who} certificate`,
      details: { alert: 51, who: 'us' },
    })
    const listener = await listening()
    const { refusal } = await visit(listener.port, { ...policy, ...(await pretender(admin)) })
    check(t, refusal, { layer: 'tls-alert', code: 'decrypt_error', details: { who: 'them' } }, 'the client is told')
    check(t, listener.refusals[0], wanted('client'), 'the server says so')
    const pretended = await pretender(serving)
    const server = createTlsServer({ ...pretended, ...policy })
    const told = new Promise<Error>((resolve) => server.once('tlsClientError', resolve))
    server.listen(0, ADDRESS)
    await once(server, 'listening')
    t.teardown(() => server.close())
    check(
      t,
      await dialRefusal((server.address() as AddressInfo).port, { policy }),
      wanted('server'),
      'a client of a server',
    )
    check(
      t,
      refusalOf(await told, { side: 'server' }),
      { code: 'decrypt_error', details: { who: 'them' } },
      'which hears it',
    )
  })

  t.test(`${version}: records that were changed on the way`, async (t) => {
    const listener = await listening()
    const mac = {
      layer: 'tls-alert',
      code: 'bad_record_mac',
      message: 'local error: tls: bad record MAC',
      details: { alert: 20, who: 'us' },
    }
    const up = await relay(listener.port, (chunk, direction, index) =>
      direction === 'up' && index === 1 ? flipLast(chunk) : chunk,
    )
    await visit(up, { ...policy, ...admin })
    await listener.heard(1)
    check(t, listener.refusals[0], mac, 'on the way to a server')
    const bentChunk = version === 'TLSv1.3' ? 0 : 1
    const down = await relay(listener.port, (chunk, direction, index) =>
      direction === 'down' && index === bentChunk ? flipLast(chunk) : chunk,
    )
    const socket = connectTls({ host: ADDRESS, port: down, rejectUnauthorized: false, ...policy, ...admin })
    const [error] = (await once(socket, 'error')) as [Error]
    check(t, refusalOf(error, { side: 'client' }), mac, 'on the way to a client')
  })
}

t.test('a server that answers with another message, or with half of one', async (t) => {
  const finished = await rawServer((socket) =>
    socket.once('data', () => socket.write(record(22, message(20, Buffer.alloc(12)), 0x0303))),
  )
  const unexpected = {
    layer: 'tls-alert',
    code: 'unexpected_message',
    message: 'local error: tls: unexpected message',
    details: { who: 'us' },
  }
  check(t, await dialRefusal(finished), unexpected, 'seen by a client')
  const half = await rawServer((socket) =>
    socket.once('data', () => socket.write(record(22, message(2, Buffer.alloc(20)), 0x0303))),
  )
  const malformed = {
    layer: 'tls-alert',
    code: 'decode_error',
    message: 'local error: tls: error decoding message',
    details: { who: 'us' },
  }
  check(t, await dialRefusal(half), malformed, 'seen by a client')
  const older = Buffer.concat([Buffer.from([3, 1]), Buffer.alloc(32, 5), Buffer.from([0, 0xc0, 0x09, 0])])
  const tls10 = await rawServer((socket) => socket.once('data', () => socket.write(record(22, message(2, older)))))
  const version = {
    layer: 'tls-alert',
    code: 'protocol_version',
    message: 'tls: server selected unsupported protocol version',
    details: { alert: 70, who: 'us' },
  }
  check(t, await dialRefusal(tls10), version, 'seen by a client')
})

t.test('a client that goes on with another message, or with half of one', async (t) => {
  const listener = await listen({ keyPair: () => serving })
  t.teardown(() => listener.close())
  const good = helloRecord({ suites: [0xc02b], extensions: [VERSIONS_OFFERED(0x0303)] })
  const after = async (bytes: Buffer, hello = good): Promise<Refusal | undefined> => {
    const { length } = listener.refusals
    const socket = connect({ host: ADDRESS, port: listener.port })
    socket.write(hello)
    socket.once('data', () => socket.write(bytes))
    await listener.heard(length + 1)
    socket.destroy()
    return listener.refusals[length]
  }
  const x25519 = helloRecord({ suites: [0xc02b], extensions: [VERSIONS_OFFERED(0x0303), GROUPS(29)] })
  const unshared = { code: 'handshake_failure', details: { alert: 40, who: 'us' } }
  check(t, await after(Buffer.alloc(0), x25519), unshared, 'seen by a server')
  const finished = record(22, message(20, Buffer.alloc(12)), 0x0303)
  check(t, await after(finished), { code: 'unexpected_message', details: { alert: 10, who: 'us' } }, 'seen by a server')
  const half = record(22, message(16, Buffer.from([65])), 0x0303)
  check(t, await after(half), { code: 'decode_error', details: { alert: 50, who: 'us' } }, 'seen by a server')
})

t.test('a server that was kept from offering what it has', async (t) => {
  const listener = await listen({ keyPair: () => serving })
  t.teardown(() => listener.close())
  const tamper = new Tamper({ act: 'strip-versions', above: 0x0303 })
  const port = await relay(listener.port, (chunk, direction) => (direction === 'up' ? tamper.push(chunk).bytes : chunk))
  const downgraded = {
    layer: 'tls-alert',
    code: 'illegal_parameter',
    message: 'tls: downgrade attempt detected, possibly due to a MitM attack or a broken middlebox',
    details: { alert: 47, who: 'us', remote: `${ADDRESS}:${port}` },
  }
  check(t, await dialRefusal(port), downgraded, 'seen by a client')
})

t.test('where there is no TLS at all', async (t) => {
  const closed = createServer()
  closed.listen(0, ADDRESS)
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  await once(closed, 'close')
  const refused = {
    layer: 'tcp',
    code: 'ECONNREFUSED',
    message: `dial tcp ${ADDRESS}:${port}: connect: connection refused`,
  }
  check(t, await dialRefusal(port), { ...refused, details: { who: 'them' } }, 'a closed port')
  const plain = await rawServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))
  const notTls = { layer: undefined, code: 'not_tls', message: 'tls: first record does not look like a TLS handshake' }
  check(t, await dialRefusal(plain), notTls, 'a server of plain HTTP')
  const shut = await rawServer((socket) => socket.destroy())
  const error = await new Promise<Error>((resolve) => {
    const socket = connect({ host: ADDRESS, port: shut, allowHalfOpen: true }).on('error', resolve)
    socket.resume().once('end', () => {
      socket.write('x')
      setTimeout(() => socket.write('y'), 20)
    })
  })
  check(t, refusalOf(error), { layer: undefined, code: /^(EPIPE|ECONNRESET)$/ }, 'writing to one who has gone')
  const nowhere = await new Promise<Error>((resolve) =>
    connect({ host: '127.255.255.255', port: 1 }).on('error', resolve),
  )
  check(
    t,
    refusalOf(nowhere),
    { layer: undefined, code: 'ENETUNREACH', message: 'connect: network is unreachable' },
    'no such network',
  )
})

t.test('a file that may not be read', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'refusal-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'tls.key')
  writeFileSync(path, 'secret', { mode: 0 })
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid!(65_534)
  let error: unknown
  try {
    readFileSync(path)
  } catch (caught) {
    error = caught
  } finally {
    if (isRoot) process.seteuid!(0)
  }
  check(t, refusalOf(error), { layer: 'os', code: 'EACCES', details: { who: 'us' } }, 'the system says no')
})

t.test('every row was brought about', async (t) => {
  for (const row of FOREIGN_ERRORS) t.ok(produced.has(row), `${row.match} ${row.side ?? ''}`)
  const own = new Refusal('401', 'Unauthorized', 'no')
  t.equal(refusalOf(own), own)
  t.equal(refusalOf(new Error('wrapped', { cause: own })), own)
  t.match(refusalOf('what?', { subject: 'x' }), { layer: undefined, code: 'unknown', message: 'x: what?' })
})
