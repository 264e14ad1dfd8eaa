import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { Wire } from '../../../lib/wire/control.ts'
import type { LedgerEntry } from '../../../lib/wire/ledger.ts'

// An octet of this test file's own: other test files run at the same time.
const address = (host: number, place: number) => `127.231.${host}.${place}`
const host = (number: number, name: string) => ({ name, face: address(number, 1), back: address(number, 2) })
const HOSTS = [host(1, 'control-plane-1'), host(2, 'worker-1'), host(3, 'attacker')]
const PORT = 6443

async function listen(at: string, onConnection: (socket: Socket) => void, port = PORT): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    onConnection(socket)
  })
  server.listen(port, at)
  await once(server, 'listening')
  return server
}

function dial(from: string, to: string, port = PORT): Socket {
  const socket = connect({ host: to, port, localAddress: from, allowHalfOpen: true })
  socket.on('error', () => {})
  return socket
}

/** How a socket ended: its bytes, and `end` or the error's code. */
async function ending(socket: Socket): Promise<{ bytes: string; how: string }> {
  const chunks: Buffer[] = []
  let how = ''
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise<void>((resolve) => {
    socket.once('end', () => {
      how = 'end'
      socket.end()
      resolve()
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      how = error.code ?? error.message
      resolve()
    })
  })
  return { bytes: Buffer.concat(chunks).toString(), how }
}

const silent = (socket: Socket): void => void socket.resume()
const ends = (socket: Socket) => `${socket.localAddress}:${socket.localPort}`
const only = (entries: readonly LedgerEntry[]) => {
  if (entries.length !== 1 || entries[0] === undefined) throw new Error(`${entries.length} entries, one wanted`)
  return entries[0]
}

t.test('a link', async (t) => {
  const wire = await Wire.start(HOSTS)
  t.teardown(() => wire.stop())
  let onConnection = silent
  const server = await listen(address(1, 2), (socket) => onConnection(socket))
  t.teardown(() => server.close())
  await wire.open('control-plane-1', PORT)

  await t.test('carries both ways, keeps the source address, and stands in the ledger by both views', async (t) => {
    const afterId = await wire.lastId()
    const seen: { remote?: string; local?: string } = {}
    onConnection = (socket) => {
      seen.remote = `${socket.remoteAddress}:${socket.remotePort}`
      seen.local = ends(socket)
      socket.once('data', (chunk: Buffer) => socket.end(`you said ${String(chunk)}`))
    }
    const caller = dial(address(2, 1), address(1, 1))
    await once(caller, 'connect')
    const callerLocal = ends(caller)
    caller.write('hello')
    t.strictSame(await ending(caller), { bytes: 'you said hello', how: 'end' })
    const entry = only(await wire.ledger({ afterId }, 1000))
    t.match(entry, {
      from: 'worker-1',
      to: 'control-plane-1',
      port: PORT,
      callerLocal,
      faceRemote: `${address(1, 1)}:${PORT}`,
      wireLocal: seen.remote,
      back: `${address(1, 2)}:${PORT}`,
      bytesToCallee: 5,
      bytesToCaller: 14,
      ended: 'closed',
      diverted: false,
      tapped: false,
    })
    t.equal(seen.remote?.startsWith(`${address(2, 1)}:`), true)
    const [byComponent, byCaller, never] = await wire.find([
      { by: 'component', local: seen.local ?? '', remote: seen.remote ?? '' },
      { by: 'caller', local: callerLocal, remote: `${address(1, 1)}:${PORT}`, atMs: entry.openedMs },
      { by: 'component', local: seen.local ?? '', remote: `${address(2, 1)}:1` },
    ])
    t.equal(byComponent?.id, entry.id)
    t.equal(byCaller?.id, entry.id)
    t.equal(never, null)
  })

  await t.test('from 127.0.0.1 is the operator, from any other address unknown', async (t) => {
    const afterId = await wire.lastId()
    onConnection = (socket) => socket.end(`${socket.remoteAddress}`)
    t.equal((await ending(dial('127.0.0.1', address(1, 1)))).bytes, '127.0.0.1')
    t.equal((await ending(dial(address(9, 1), address(1, 1)))).bytes, address(9, 1))
    const entries = await wire.ledger({ afterId })
    t.strictSame(
      entries.map(({ from }) => from),
      ['operator', 'unknown'],
    )
  })

  await t.test('passes a half-close on: the caller may still read after it said its last', async (t) => {
    onConnection = (socket) => {
      let bytes = 0
      socket.on('data', (chunk: Buffer) => (bytes += chunk.length))
      socket.on('end', () => socket.end(`${bytes} bytes`))
    }
    const caller = dial(address(2, 1), address(1, 1))
    caller.end('twelve bytes')
    t.strictSame(await ending(caller), { bytes: '12 bytes', how: 'end' })
  })

  await t.test('passes a reset on, either way, and says who reset', async (t) => {
    const afterId = await wire.lastId()
    onConnection = (socket) => socket.once('data', () => socket.resetAndDestroy())
    const caller = dial(address(2, 1), address(1, 1))
    caller.write('x')
    t.equal((await ending(caller)).how, 'ECONNRESET')
    const heard = new Promise<string>((resolve) => {
      onConnection = (socket) => {
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
        socket.resume()
        socket.write('hello')
      }
    })
    const second = dial(address(2, 1), address(1, 1))
    second.once('data', () => second.resetAndDestroy())
    t.equal(await heard, 'ECONNRESET')
    const entries = await wire.ledger({ afterId }, 1000)
    t.strictSame(
      entries.map(({ ended }) => ended),
      ['reset by callee', 'reset by caller'],
    )
  })

  await t.test('delivers what was sent just before a reset: that is how an alert arrives', async (t) => {
    const afterId = await wire.lastId()
    onConnection = (socket) =>
      socket.once('data', () => {
        socket.write('alert')
        socket.resetAndDestroy()
      })
    for (let round = 0; round < 20; round++) {
      const caller = dial(address(2, 1), address(1, 1))
      caller.write('x')
      t.equal((await ending(caller)).bytes, 'alert')
      caller.destroy()
    }
    const entries = await wire.ledger({ afterId }, 1000)
    t.strictSame(new Set(entries.map(({ ended }) => ended)), new Set(['reset by callee']))
  })

  await t.test('holds a fast sender back when the reader stops, and loses nothing', async (t) => {
    const total = 32 * 1024 * 1024
    onConnection = (socket) => {
      const chunk = Buffer.alloc(1024 * 1024, 'z')
      let left = total
      const write = () => {
        while (left > 0) {
          left -= chunk.length
          if (!socket.write(chunk)) {
            socket.once('drain', write)
            return
          }
        }
        socket.end()
      }
      write()
    }
    const afterId = await wire.lastId()
    const caller = dial(address(2, 1), address(1, 1))
    caller.pause()
    await once(caller, 'connect')
    let before = -1
    let entry = only(await wire.ledger({ afterId }))
    // Until the flow stands still: what fits into the kernel's buffers has passed, the rest waits at its sender.
    while (entry.bytesToCaller !== before || before === 0) {
      before = entry.bytesToCaller
      await wire.ledger({ afterId }, 50)
      entry = only(await wire.ledger({ afterId }))
    }
    t.ok(before < total, `${before} of ${total} bytes before the reader read`)
    let received = 0
    caller.on('data', (chunk: Buffer) => (received += chunk.length))
    caller.resume()
    await once(caller, 'end')
    caller.end()
    t.equal(received, total)
    t.equal(only(await wire.ledger({ afterId }, 1000)).bytesToCaller, total)
  })

  await t.test('that network policy forbids is reset at accept, and the callee never hears of it', async (t) => {
    const afterId = await wire.lastId()
    let reached = 0
    onConnection = (socket) => {
      reached += 1
      socket.end('in')
    }
    await wire.allow([{ from: 'worker-1', to: 'control-plane-1', port: PORT }])
    t.equal((await ending(dial(address(3, 1), address(1, 1)))).how, 'ECONNRESET')
    t.equal(reached, 0)
    t.equal((await ending(dial(address(2, 1), address(1, 1)))).bytes, 'in')
    await wire.allow(undefined)
    t.equal((await ending(dial(address(3, 1), address(1, 1)))).bytes, 'in')
    const entries = await wire.ledger({ afterId }, 1000)
    t.strictSame(
      entries.map(({ from, ended }) => [from, ended]),
      [
        ['attacker', 'refused: route'],
        ['worker-1', 'closed'],
        ['attacker', 'closed'],
      ],
    )
  })

  await t.test('that is diverted reaches the attacker with the victim for a source, who may dial on', async (t) => {
    const afterId = await wire.lastId()
    onConnection = (socket) => socket.end('the real one')
    const impostor = await listen(
      address(3, 2),
      (victim) => {
        const onward = dial(address(3, 1), address(1, 1))
        onward.on('data', (chunk: Buffer) => victim.end(`${victim.remoteAddress} meets ${String(chunk)}`))
        onward.on('end', () => onward.end())
      },
      0,
    )
    t.teardown(() => impostor.close())
    const where = impostor.address()
    if (where === null || typeof where === 'string') throw new Error('no port')
    await wire.divert({ to: 'control-plane-1' }, { address: address(3, 2), port: where.port })
    t.equal(
      (await ending(dial(address(2, 1), address(1, 1)))).bytes,
      `${address(2, 1)} meets the real one`,
      `the attacker's own onward connection is not diverted`,
    )
    const entries = await wire.ledger({ afterId }, 1000)
    t.match(entries[0], { from: 'worker-1', diverted: true, back: `${address(3, 2)}:${where.port}` })
    t.match(entries[1], { from: 'attacker', diverted: false })
    await wire.undivert({ to: 'control-plane-1' })
    t.equal((await ending(dial(address(2, 1), address(1, 1)))).bytes, 'the real one')
  })

  await t.test('that is cut while it is dialled stands in the ledger as the callee saw it', async (t) => {
    const afterId = await wire.lastId()
    const accepted: string[] = []
    onConnection = ({ remoteAddress, remotePort }) => {
      // Of one that is reset already the system tells no address.
      if (remoteAddress !== undefined) accepted.push(`${remoteAddress}:${remotePort}`)
    }
    const callers = Array.from({ length: 200 }, () => dial(address(2, 1), address(1, 1)))
    while (callers.some(({ closed }) => !closed)) {
      await wire.cut({ from: 'worker-1' })
      await new Promise((resolve) => setImmediate(resolve))
    }
    const carried = (await wire.ledger({ afterId }, 1000)).map(({ wireLocal }) => wireLocal)
    t.ok(accepted.length > 0)
    t.strictSame(
      accepted.filter((remote) => !carried.includes(remote)),
      [],
    )
  })

  await t.test('that is cut is reset at both ends', async (t) => {
    const afterId = await wire.lastId()
    const heard = new Promise<string>((resolve) => {
      onConnection = (socket) => {
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
        socket.resume()
        socket.write('hello')
      }
    })
    const caller = dial(address(2, 1), address(1, 1))
    await once(caller, 'data')
    const callerEnds = ending(caller)
    t.equal(await wire.cut({ from: 'worker-1' }), 1)
    t.equal((await callerEnds).how, 'ECONNRESET')
    t.equal(await heard, 'ECONNRESET')
    t.equal(only(await wire.ledger({ afterId })).ended, 'cut')
  })
})

t.test('a port is open only while it is opened', async (t) => {
  const wire = await Wire.start(HOSTS)
  t.teardown(() => wire.stop())
  t.equal((await ending(dial(address(2, 1), address(1, 1)))).how, 'ECONNREFUSED')
  await wire.open('control-plane-1', PORT)
  await wire.open('control-plane-1', PORT)
  t.equal((await ending(dial(address(2, 1), address(1, 1)))).how, 'ECONNRESET', 'nobody at the back')
  t.match(await wire.ledger(), [{ ended: 'refused: back' }])
  await wire.close('control-plane-1', PORT)
  t.equal((await ending(dial(address(2, 1), address(1, 1)))).how, 'ECONNREFUSED')
})

const refusal = (asked: Promise<unknown>) => asked.then(() => 'no error', String)

t.test('the range asks for what cannot be', async (t) => {
  const wire = await Wire.start(HOSTS)
  t.teardown(() => wire.stop())
  t.equal(await refusal(wire.open('nowhere', 1)), 'WireError: [wire_host] host nowhere: not on this network')
  const squatter = await listen(address(1, 1), silent)
  t.teardown(() => squatter.close())
  t.equal(
    await refusal(wire.open('control-plane-1', PORT)),
    `WireError: [wire_listen] face ${address(1, 1)}:${PORT} of control-plane-1: cannot listen, EADDRINUSE`,
  )
  const far = { name: 'far', face: '192.0.2.1', back: '192.0.2.2' }
  t.match(await refusal(wire.addHosts([far])), /^WireError: \[address_not_loopback\] listen on 192\.0\.2\.1: /)
  const outside = { address: '192.0.2.9', port: 1 }
  t.match(await refusal(wire.divert({}, outside)), /^WireError: \[address_not_loopback\] dial 192\.0\.2\.9: /)
  t.match(await refusal(wire.tap({}, '/nonexistent/capture.pcapng')), /^WireError: \[ENOENT\] ENOENT: no such file/)
})

t.test('dies with a parent that was killed with -9, ports and all', async (t) => {
  const control = new URL('../../../lib/wire/control.js', import.meta.url).href
  const program = `import { Wire } from ${JSON.stringify(control)}
    const wire = await Wire.start(${JSON.stringify(HOSTS)})
    await wire.open('control-plane-1', ${PORT})
    console.log(wire.pid)
    setInterval(() => {}, 1000)`
  const scrubbed = ['-u', 'NODE_OPTIONS', process.execPath, '--input-type=module', '-e', program]
  const parent = spawn('/usr/bin/env', scrubbed, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line]: Buffer[] = await once(parent.stdout, 'data')
  const pid = Number(String(line))
  t.ok(pid > 1)
  const standing = dial(address(2, 1), address(1, 1))
  await once(standing, 'connect')
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  const deadline = Date.now() + 5000
  let how = ''
  while (how !== 'ECONNREFUSED' && Date.now() < deadline) how = (await ending(dial(address(2, 1), address(1, 1)))).how
  t.equal(how, 'ECONNREFUSED', 'the face is silent')
  while (lives(pid) && Date.now() < deadline) await new Promise(setImmediate)
  t.equal(lives(pid), false, 'the process is gone')
})

/** A process that has ended but that nobody has waited for (Linux: state Z) holds nothing any more. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

t.test('the life of the process', async (t) => {
  const wire = await Wire.start(HOSTS)
  const died = once(wire, 'died')
  process.kill(wire.pid ?? 0, 'SIGKILL')
  await died
  await t.rejects(wire.lastId(), { code: 'wire_gone', message: '[wire_gone] wire: its process has ended' })
  await wire.stop()

  const other = await Wire.start(HOSTS)
  other.on('died', () => t.fail('a stop that was asked for is no death'))
  const pid = other.pid ?? 0
  await Promise.all([other.stop(), other.stop()])
  t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})
