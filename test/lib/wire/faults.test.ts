import t from 'tap'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTls, type ConnectionOptions, type TlsOptions } from 'node:tls'
import { Wire } from '../../../lib/wire/control.ts'
import type { Edit, Fault } from '../../../lib/wire/fault.ts'
import { Passage } from '../../../lib/wire/passage.ts'
import { Tamper } from '../../../lib/wire/tamper.ts'
import { withoutVersionsAbove } from '../../../lib/wire/strip-versions.ts'
import { RECORD_TYPE } from '../../../lib/wire/tls-records.ts'
import { issue } from '../../../lib/x509/issue.ts'

// An octet of this test file's own.
const FACE = '127.236.1.1'
const BACK = '127.236.1.2'
const CALLER = '127.236.2.1'
const LINK = { from: 'worker-1', to: 'control-plane-1' }
const [PORT, TLS_PORT] = [6443, 6444]

const [notBefore, notAfter] = [new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000)]
const issued = await issue({ commonName: 'server', dnsNames: ['server'], notBefore, notAfter })

const wire = await Wire.start([
  { name: 'control-plane-1', face: FACE, back: BACK },
  { name: 'worker-1', face: CALLER, back: '127.236.2.2' },
])
t.teardown(() => wire.stop())
await wire.open('control-plane-1', PORT)
await wire.open('control-plane-1', TLS_PORT)

let serve = (socket: Socket): void => void socket.resume()
const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {})
  serve(socket)
}).listen(PORT, BACK)
await once(server, 'listening')
t.teardown(() => server.close())

type Tap = Pick<typeof t, 'teardown'>

async function faulty(t: Tap, ...faults: Fault[]): Promise<void> {
  await wire.fault(LINK, faults)
  t.teardown(() => wire.mend(LINK))
}

function dial(port = PORT): Socket {
  const socket = connect({ host: FACE, port, localAddress: CALLER, allowHalfOpen: true, noDelay: true })
  socket.on('error', () => {})
  return socket
}

/** All that comes until the end, and how it ended. */
async function rest(socket: Socket): Promise<{ bytes: string; how: string }> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  const how = await new Promise<string>((resolve) => {
    socket.once('end', () => resolve('end'))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
  return { bytes: Buffer.concat(chunks).toString(), how }
}

/** What the server heard of one connection. */
function heard(): Promise<{ bytes: string; how: string }> {
  return new Promise((resolve) => {
    serve = (socket) =>
      void rest(socket).then((all) => {
        socket.end()
        resolve(all)
      })
  })
}

t.test('delay: everything later, in order, the end as well', async (t) => {
  await faulty(t, { kind: 'delay', direction: 'toCallee', ms: 60 })
  const atServer = heard()
  const caller = dial()
  const start = performance.now()
  for (const word of ['one ', 'two ', 'three']) {
    caller.write(word)
    await new Promise(setImmediate)
  }
  caller.end()
  t.strictSame(await atServer, { bytes: 'one two three', how: 'end' })
  t.ok(performance.now() - start >= 59, 'not before its time')
  t.strictSame(await rest(caller), { bytes: '', how: 'end' })
})

t.test('a delayed link holds a fast sender back, and loses nothing', async (t) => {
  await faulty(t, { kind: 'delay', direction: 'toCallee', ms: 20 })
  const bytes = 24 * 1024 * 1024
  let atServer = 0
  const done = new Promise<void>((resolve) => {
    serve = (socket) => {
      socket.on('data', (chunk: Buffer) => (atServer += chunk.length))
      socket.on('end', () => resolve())
    }
  })
  const caller = dial()
  caller.end(Buffer.alloc(bytes))
  await once(caller, 'connect')
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.ok(caller.writableLength > bytes / 2, `${caller.writableLength} bytes had to wait at the sender`)
  await done
  t.equal(atServer, bytes)
  caller.destroy()
})

t.test('drop: the sender believes it delivered, nothing comes, the other way still works', async (t) => {
  await faulty(t, { kind: 'drop', direction: 'toCallee', afterBytes: 5 })
  const first = new Promise<string>((resolve) => {
    serve = (socket) => socket.once('data', (chunk) => (resolve(String(chunk)), socket.write('yes?')))
  })
  const caller = dial()
  caller.write('hello')
  t.equal(await first, 'hello')
  t.equal(String((await once(caller, 'data'))[0]), 'yes?')
  await new Promise<void>((resolve, reject) => caller.write('lost', (error) => (error ? reject(error) : resolve())))
  caller.destroy()
})

t.test('freeze: held back from a byte on, and goes on when it is mended', async (t) => {
  await faulty(t, { kind: 'freeze', direction: 'toCallee', afterBytes: 3 })
  let bytes = ''
  const end = new Promise<void>((resolve) => {
    serve = (socket) => {
      socket.on('data', (chunk) => (bytes += String(chunk)))
      socket.on('end', () => (socket.end(), resolve()))
    }
  })
  const caller = dial()
  caller.end('abcdef')
  const afterId = (await wire.lastId()) - 1
  t.match(await wire.ledger({ ...LINK, afterId }, 50), [{ faulted: true }])
  t.equal(bytes, 'abc')
  await wire.mend(LINK)
  await end
  t.equal(bytes, 'abcdef')
})

t.test('a connection that stands is spoilt too, and counts from then on', async (t) => {
  const atServer = heard()
  const caller = dial()
  caller.write('first')
  await once(caller, 'connect')
  while ((await wire.ledger(LINK)).at(-1)?.bytesToCallee !== 5) await new Promise(setImmediate)
  await faulty(t, { kind: 'half-close', direction: 'toCallee', afterBytes: 3 })
  caller.write('second')
  t.strictSame(await atServer, { bytes: 'firstsec', how: 'end' })
})

t.test('half-close: one direction ends, the other goes on', async (t) => {
  await faulty(t, { kind: 'half-close', direction: 'toCaller', afterBytes: 2 })
  const all = new Promise<string>((resolve) => {
    serve = (socket) => {
      socket.write('hello')
      void rest(socket).then(({ bytes }) => (socket.end(), resolve(bytes)))
    }
  })
  const caller = dial()
  t.strictSame(await rest(caller), { bytes: 'he', how: 'end' })
  caller.end('still here')
  t.equal(await all, 'still here')
})

t.test('cut and reset after n bytes, both ends alike', async (t) => {
  for (const [kind, how] of [
    ['cut', 'end'],
    ['reset', 'ECONNRESET'],
  ] as const) {
    const afterId = await wire.lastId()
    await wire.fault(LINK, [{ kind, direction: 'toCallee', afterBytes: 4 }])
    const atServer = heard()
    const caller = dial()
    caller.write('123456')
    t.match(await rest(caller), { bytes: '', how })
    // libuv tells a reset after data as an end; the wire knows better.
    if (kind === 'cut') t.strictSame(await atServer, { bytes: '1234', how })
    caller.destroy()
    t.match(await wire.ledger({ ...LINK, afterId }, 1000), [{ ended: 'cut', faulted: true }])
    await wire.mend(LINK)
  }
})

interface Ends {
  server: string
  client: string
  said: string
  answered: string
}

/** One exchange over TLS and the faulty wire; what each side makes of it. */
async function exchange(client: ConnectionOptions, options: TlsOptions = {}): Promise<Ends> {
  const ends: Ends = { server: '', client: '', said: '', answered: '' }
  const codeOf = (error: NodeJS.ErrnoException) => error.code ?? error.message
  let served: Promise<unknown> = Promise.resolve()
  const tls = createTls({ cert: issued.certificate, key: issued.privateKey, ...options })
  tls.on('secureConnection', (socket) => {
    // After the handshake Node leaves a socket that reported an error of TLS to whoever holds it.
    socket.on('error', (error: Error) => {
      ends.server ||= codeOf(error)
      socket.destroy()
    })
    socket.on('data', (chunk) => {
      ends.said += String(chunk)
      if (ends.said.endsWith('.')) socket.end('one answer.')
    })
    socket.once('end', () => (ends.server ||= 'end'))
    served = new Promise((resolve) => socket.once('close', resolve))
  })
  tls.on('tlsClientError', (error) => (ends.server ||= codeOf(error)))
  await once(tls.listen(TLS_PORT, BACK), 'listening')
  const place = { host: FACE, port: TLS_PORT, localAddress: CALLER, servername: 'server' }
  const dialled: ConnectionOptions = { ...client, ...place, rejectUnauthorized: false }
  const socket = connectTls(dialled)
  socket.once('secureConnect', () => {
    socket.write('one question')
    socket.write(', and its end.')
  })
  socket.on('data', (chunk) => (ends.answered += String(chunk)))
  socket.once('end', () => (ends.client ||= 'end'))
  socket.on('error', (error: Error) => {
    ends.client ||= codeOf(error)
    socket.destroy()
  })
  await new Promise((resolve) => socket.once('close', resolve))
  await served
  // An alert comes a moment after the client is gone.
  for (const end = Date.now() + 1000; ends.server === '' && Date.now() < end;) await new Promise(setImmediate)
  tls.close()
  return ends
}

const tampered = (direction: 'toCallee' | 'toCaller', edit: Edit): Fault => ({ kind: 'tamper', direction, edit })
const sealed = (index: number) => ({ type: RECORD_TYPE.applicationData, index })

t.test('records that were changed, replayed or put in another order are refused: bad_record_mac', async (t) => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    // At TLS 1.3 the first sealed record of a client is its Finished.
    const first = version === 'TLSv1.3' ? 1 : 0
    for (const act of ['flip', 'replay', 'reorder'] as const) {
      await wire.fault(LINK, [tampered('toCallee', { act, record: sealed(first) })])
      const ends = await exchange({ minVersion: version, maxVersion: version })
      const name = `${act} at ${version}`
      t.match(ends.server, /^ERR_SSL_(DECRYPTION_FAILED_OR_BAD_RECORD_MAC|CIPHER_OPERATION_FAILED)$/, name)
      t.match(ends.client, /^ERR_SSL_SSL.*_ALERT_BAD_RECORD_MAC$/, name)
      t.equal(ends.said, act === 'replay' ? 'one question' : '', name)
      t.equal(ends.answered, '')
    }
  }
  await wire.mend(LINK)
})

t.test('truncated: the reader hears an end that nobody said', async (t) => {
  await faulty(t, tampered('toCallee', { act: 'truncate', record: sealed(1) }))
  const ends = await exchange({ maxVersion: 'TLSv1.2' })
  t.equal(ends.said, 'one question', 'the rest never came')
  t.equal(ends.server, 'end', 'Node takes a FIN for the end, close_notify or not')
})

t.test('stripped to an older version: both ends know, by the random and by the transcript', async (t) => {
  await faulty(t, tampered('toCallee', { act: 'strip-versions', above: 0x0303 }))
  const ends = await exchange({})
  t.equal(
    ends.client,
    'ERR_SSL_TLSV13_ALERT_INAPPROPRIATE_FALLBACK'.replace('TLSV13_ALERT_', ''),
    'DOWNGRD in the random',
  )
  t.match(ends.server, /ILLEGAL_PARAMETER/)
  t.equal(ends.said, '')
})

t.test('without the request for a client certificate the transcripts differ', async (t) => {
  const pair = { cert: issued.certificate, key: issued.privateKey }
  const mutual = { requestCert: true, rejectUnauthorized: false, maxVersion: 'TLSv1.2' } as const
  const sound = await exchange(pair, mutual)
  t.match(sound, { said: 'one question, and its end.', answered: 'one answer.', client: 'end', server: 'end' })
  await faulty(t, tampered('toCaller', { act: 'drop-certificate-request' }))
  const ends = await exchange(pair, mutual)
  t.equal(ends.said, '')
  t.match(ends.client, /ALERT/)
  t.match(ends.server, /UNEXPECTED_MESSAGE|DIGEST_CHECK_FAILED/)
})

t.test('an alert put in from outside ends a handshake in the clear, and is no record of a session', async (t) => {
  const alert = { act: 'inject-alert', level: 2, description: 80 } as const
  await wire.fault(LINK, [tampered('toCaller', { ...alert, record: { index: 0 } })])
  t.match(await exchange({}), { client: 'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR', said: '' })
  await wire.fault(LINK, [tampered('toCallee', { ...alert, record: sealed(1) })])
  t.match(await exchange({}), { said: '', server: /^ERR_SSL_/ })
  await wire.mend(LINK)
})

t.test('what is not edited passes unchanged, however it is cut up', async (t) => {
  const record = (type: number, body: Buffer) =>
    Buffer.concat([Buffer.from([type, 3, 3, body.length >> 8, body.length & 0xff]), body])
  const message = (type: number, length: number) =>
    Buffer.concat([Buffer.from([type, 0, length >> 8, length & 0xff]), Buffer.alloc(length, type)])
  const flight = Buffer.concat([message(2, 70), message(11, 900), message(13, 200), message(14, 0)])
  const stream = Buffer.concat([
    record(22, flight.subarray(0, 500)),
    record(22, flight.subarray(500)),
    record(20, Buffer.from([1])),
    record(22, Buffer.alloc(40, 13)),
    record(23, Buffer.from('sealed')),
  ])
  const run = (edit: Edit, bytes: Buffer, size: number) => {
    const passage = new Passage([tampered('toCallee', edit)])
    const out: Buffer[] = []
    for (let at = 0; at < bytes.length; at += size) out.push(passage.push(bytes.subarray(at, at + size)).bytes)
    return Buffer.concat([...out, passage.end().bytes])
  }
  const never = { index: 99 }
  const requestless = Buffer.concat([message(2, 70), message(11, 900), message(14, 0)])
  for (const size of [1, 7, 400, stream.length]) {
    for (const act of ['flip', 'replay', 'reorder', 'truncate'] as const) {
      t.ok(run({ act, record: never }, stream, size).equals(stream), `${act} in pieces of ${size}`)
    }
    const last = run({ act: 'reorder', record: { index: 4 } }, stream, size)
    t.ok(last.equals(stream), 'the last record has none to change places with')
    const dropped = run({ act: 'drop-certificate-request' }, stream, size)
    t.ok(dropped.includes(record(22, message(14, 0))))
    t.notOk(dropped.includes(message(13, 200)))
    t.equal(dropped.length, requestless.length + 3 * 5 + 6 + 45 + 11, 'one record a message, the rest as it was')
    const plain = Buffer.from('GET /api HTTP/1.1\r\nHost: x\r\n\r\n')
    for (const edit of [{ act: 'flip', record: { index: 0 } }, { act: 'drop-certificate-request' }] as const) {
      t.ok(run(edit, plain, size).equals(plain), 'what is no TLS')
    }
    t.equal(
      run({ act: 'flip', record: { type: 20, index: 0 }, bit: 0 }, stream, size)[
        stream.indexOf('1403030001', 0, 'hex') + 5
      ],
      0x81,
    )
  }
  const long = new Tamper({ act: 'drop-certificate-request' })
  const endless = record(22, Buffer.concat([Buffer.from([11, 255, 255, 255]), Buffer.alloc(16_000)]))
  t.ok(long.push(endless).bytes.equals(endless), 'a message of 16 MiB is not waited for')
})

t.test('a ClientHello that cannot be read is left as it is', async (t) => {
  t.equal(withoutVersionsAbove(Buffer.alloc(10), 0x0303), undefined)
  const hello = Buffer.concat([Buffer.alloc(34), Buffer.from([0, 0, 2, 0x13, 1, 1, 0])])
  const offering = (...versions: number[]) => {
    const list = Buffer.from([
      0,
      43,
      0,
      versions.length * 2 + 1,
      versions.length * 2,
      ...versions.flatMap((each) => [each >> 8, each & 255]),
    ])
    return Buffer.concat([hello, Buffer.from([0, list.length]), list])
  }
  t.strictSame(withoutVersionsAbove(offering(0x0304, 0x0303), 0x0303), offering(0x0303))
  t.strictSame(withoutVersionsAbove(offering(0x7a7a, 0x0304), 0x0303), offering(0x7a7a), 'GREASE is no version')
  t.strictSame(withoutVersionsAbove(offering(0x0304), 0x0303), Buffer.concat([hello, Buffer.from([0, 0])]))
  t.equal(withoutVersionsAbove(offering(0x0304).subarray(0, -1), 0x0303), undefined)
})
