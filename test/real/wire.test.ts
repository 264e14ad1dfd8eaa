/** tshark reads what a tap wrote: the numbers are Wireshark's, not ours. */
import t from 'tap'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTls } from 'node:tls'
import { Wire } from '../../lib/wire/control.ts'
import { injectKeys } from '../../lib/wire/inject-keys.ts'
import { issue } from '../../lib/x509/issue.ts'

const found = spawnSync('tshark', ['--version']).status === 0
if (!found) process.stderr.write('SKIPPED: tshark is not installed, no capture was shown to Wireshark\n')

const FACE = '127.233.1.1'
const CALLER = '127.233.2.1'

function tshark(file: string, args: readonly string[]): string[] {
  const output = execFileSync(
    'tshark',
    ['-r', file, '-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE', ...args],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 * 1024 * 1024,
    },
  )
  return output.split('\n').filter((line) => line !== '')
}

function spent(socket: Socket): Promise<void> {
  socket.on('error', () => {})
  socket.resume()
  return new Promise((resolve) => void socket.once('close', () => resolve()))
}

t.test('tshark', { skip: found ? false : 'tshark is not installed' }, async (t) => {
  const wire = await Wire.start([
    { name: 'control-plane-1', face: FACE, back: '127.233.1.2' },
    { name: 'worker-1', face: CALLER, back: '127.233.2.2' },
  ])
  t.teardown(() => wire.stop())
  await wire.open('control-plane-1', 6443)
  const folder = t.testdir({})

  const capture = async (name: string, server: Server, speak: () => Promise<void>) => {
    server.listen(6443, '127.233.1.2')
    await once(server, 'listening')
    const file = join(folder, name)
    const afterId = await wire.lastId()
    const tap = await wire.tap({ to: 'control-plane-1' }, file)
    await speak()
    await wire.ledger({ afterId }, 2000)
    const facts = await tap.stop()
    server.close()
    return { file, facts }
  }
  const dial = () => connect({ host: FACE, port: 6443, localAddress: CALLER })

  await t.test('reads a capture without a doubt about any packet', async (t) => {
    let resets = 0
    const server = createServer((socket) => {
      socket.on('error', () => {})
      if (++resets === 1) {
        socket.once('data', () => socket.resetAndDestroy())
        return
      }
      socket.pipe(socket)
    })
    const { file, facts } = await capture('plain.pcapng', server, async () => {
      const refused = dial()
      refused.write('x')
      await spent(refused)
      const bulk = dial()
      bulk.end(Buffer.alloc(3_000_001, 'odd length, many segments '))
      await spent(bulk)
      const asked = dial()
      asked.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      await spent(asked)
    })
    t.equal(tshark(file, []).length, facts.packets)
    t.ok(facts.packets > 60)
    const doubts = '_ws.malformed || tcp.analysis.flags || tcp.checksum.status != 1 || ip.checksum.status != 1'
    t.strictSame(tshark(file, ['-Y', doubts]), [])
    t.equal(tshark(file, ['-Y', 'tcp.checksum.status == 1 && ip.checksum.status == 1']).length, facts.packets)
    t.strictSame(
      tshark(file, [
        '-Y',
        'frame.comment',
        '-T',
        'fields',
        '-e',
        'frame.comment',
        '-e',
        'tcp.stream',
        '-e',
        'tcp.flags.str',
      ]),
      [0, 1, 2].map((stream) => `worker-1 -> control-plane-1:6443, connection ${stream + 1}\t${stream}\t··········S·`),
    )
    t.equal(tshark(file, ['-Y', 'tcp.flags.reset == 1']).length, 1)
    t.equal(tshark(file, ['-Y', 'tcp.flags.fin == 1']).length, 4)
    t.match(
      tshark(file, [
        '-N',
        'n',
        '-Y',
        'http.request',
        '-T',
        'fields',
        '-e',
        'ip.src_host',
        '-e',
        'ip.dst_host',
        '-e',
        'http.request.line',
      ]),
      [/^worker-1\tcontrol-plane-1\t/],
    )
    const follow = tshark(file, ['-q', '-z', 'follow,tcp,raw,1'])
    const echoed = follow.filter((line) => line.startsWith('\t')).map((line) => line.trim().length / 2)
    t.equal(
      echoed.reduce((sum, bytes) => sum + bytes, 0),
      3_000_001,
    )
  })

  await t.test('sees TLS, and sees through it with the keys inside', async (t) => {
    const [notBefore, notAfter] = [new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000)]
    const { certificate, privateKey } = await issue({ commonName: 'x', notBefore, notAfter })
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret'
    const server = createTls({ cert: certificate, key: privateKey }, (socket) =>
      socket.once('data', () => socket.end(answer)),
    )
    let keyLog = ''
    const { file } = await capture('tls.pcapng', server, async () => {
      const socket = connectTls({ socket: dial(), rejectUnauthorized: false })
      socket.on('keylog', (line: Buffer) => (keyLog += line.toString()))
      socket.write('GET /secret HTTP/1.1\r\nHost: x\r\n\r\n')
      await spent(socket)
    })
    const decodeAs = ['-d', 'tcp.port==6443,tls']
    t.ok(tshark(file, [...decodeAs, '-Y', 'tls.handshake.type == 1']).length === 1)
    t.strictSame(tshark(file, [...decodeAs, '-Y', 'http']), [])
    const opened = join(folder, 'opened.pcapng')
    writeFileSync(opened, injectKeys(readFileSync(file), keyLog))
    t.strictSame(
      tshark(opened, [...decodeAs, '-Y', 'http', '-T', 'fields', '-e', 'http.file_data', '-e', 'http.request.uri']),
      ['\t/secret', 'secret\t'],
    )
  })
})
