/**
 * The wire beside a plain Node relay (`net` pipes, a process of its own): throughput, round trips, cost of a tap.
 * Run by hand: `node dist/test/bench/wire.js [MiB] [rounds]`. Rounds are interleaved, the median counts.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Wire } from '../../lib/wire/control.ts'

const FACE = '127.234.1.1'
const BACK = '127.234.1.2'
const CALLER = '127.234.2.1'
const PLAIN = '127.234.3.1'
const PORT = 6443

if (process.argv[2] === 'plain-relay') plainRelay()
else await bench(Number(process.argv[2] ?? 512), Number(process.argv[3] ?? 5))

function plainRelay(): void {
  createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ host: BACK, port: PORT, allowHalfOpen: true, noDelay: true })
    near.pipe(far).pipe(near)
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
  }).listen(PORT, PLAIN, () => process.send?.('ready'))
}

async function bench(mebibytes: number, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mtls-range-bench-'))
  const relay: ChildProcess = spawn(process.execPath, [fileURLToPath(import.meta.url), 'plain-relay'], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  await once(relay, 'message')
  const sink = createServer((socket) => {
    socket.on('data', (chunk: Buffer) => {
      // A chunk that begins with `e` asks for an echo, anything else is swallowed and answered at its end.
      if (chunk[0] === 0x65) socket.write(chunk)
    })
    socket.on('end', () => socket.end('.'))
  })
  sink.listen(PORT, BACK)
  await once(sink, 'listening')
  const wire = await Wire.start([
    { name: 'control-plane-1', face: FACE, back: BACK },
    { name: 'worker-1', face: CALLER, back: '127.234.2.2' },
  ])
  await wire.open('control-plane-1', PORT)

  const bulk: Record<string, number[]> = { direct: [], plain: [], wire: [], 'wire + tap': [] }
  const trips: Record<string, number[]> = { direct: [], plain: [], wire: [], 'wire + tap': [] }
  for (let round = 0; round < rounds; round++) {
    for (const [name, address] of [
      ['direct', BACK],
      ['plain', PLAIN],
      ['wire', FACE],
      ['wire + tap', FACE],
    ] as const) {
      const tap = name === 'wire + tap' ? await wire.tap({}, join(folder, 'c'), { limitBytes: 2 ** 31 }) : undefined
      bulk[name]?.push(await throughput(address, mebibytes))
      trips[name]?.push(await roundTrip(address, 3000))
      await tap?.stop()
    }
  }
  for (const name of Object.keys(bulk)) {
    const mibs = median(bulk[name] ?? [])
    const us = median(trips[name] ?? [])
    process.stdout.write(
      `${name.padEnd(12)} ${mibs.toFixed(0).padStart(6)} MiB/s  ${us.toFixed(1).padStart(6)} us a round trip\n`,
    )
  }
  const share = median(bulk['wire'] ?? []) / median(bulk['plain'] ?? [])
  const added = median(trips['wire'] ?? []) - median(trips['direct'] ?? [])
  process.stdout.write(
    `wire / plain relay ${(share * 100).toFixed(0)} %, added to a round trip ${added.toFixed(1)} us\n`,
  )
  await wire.stop()
  sink.close()
  relay.kill()
  rmSync(folder, { recursive: true })
}

async function throughput(address: string, mebibytes: number): Promise<number> {
  const socket = dial(address)
  await once(socket, 'connect')
  const chunk = Buffer.alloc(1024 * 1024)
  const start = performance.now()
  for (let sent = 0; sent < mebibytes; sent++) if (!socket.write(chunk)) await once(socket, 'drain')
  socket.end()
  await once(socket, 'data')
  const seconds = (performance.now() - start) / 1000
  socket.destroy()
  return mebibytes / seconds
}

async function roundTrip(address: string, times: number): Promise<number> {
  const socket = dial(address)
  await once(socket, 'connect')
  const ping = Buffer.from('e'.repeat(200))
  const durations: number[] = []
  for (let trip = 0; trip < times; trip++) {
    const start = performance.now()
    socket.write(ping)
    await once(socket, 'data')
    durations.push((performance.now() - start) * 1000)
  }
  socket.destroy()
  return median(durations)
}

function dial(address: string): Socket {
  const socket = connect({ host: address, port: PORT, localAddress: CALLER, noDelay: true })
  socket.on('error', () => {})
  return socket
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN
}
